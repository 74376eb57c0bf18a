// SPDX-License-Identifier: Apache-2.0
import { createPublicKey } from 'node:crypto';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { BureauError, parseInstanceName, parseMachineName, parsePrincipalName, type Clock, type PrincipalName } from '@bureau/core';
import {
  PrincipalNumbers,
  ensureInstanceDirectories,
  ensurePrincipalDirectories,
  instancePaths,
  uidsOf,
  type InstancePaths,
} from '@bureau/instance';
import { TEST_UID_BASE } from '@bureau/instance/testing';
import { serve, type IpcServer } from '@bureau/ipc';
import { createLogger } from '@bureau/log';
import { CgroupTree, endGroup, groupsByUid, readProcessStatus, systemClock } from '@bureau/process';
import { proxyContract, standContract, type BundleHeader } from '@bureau/protocol';
import { generateIdentity, generateOperatorKey, operatorSigner, sealBundle } from '@bureau/seal';
import { LauncherCredentials } from '../launcher-credentials.ts';
import { openWall } from '../launcher-wall.ts';
import { Launcher, noFaults, type FaultPoints, type CreateInput } from '../index.ts';

/** Stands in for a relay and its starter: one child in the sandbox's groups as its init, the launcher's own frames by hand. What it does is in its command. */
const RELAY = `#!/usr/bin/python3
import os, re, socket, struct, sys, time
os.write(4, b'w')
control = socket.socket(fileno=os.dup(3))
order, groups, _, _ = socket.recv_fds(control, 8, 8)
if not order: sys.exit(0)
uid = struct.unpack('>4xI', order)[0]
waits, release = os.pipe()
there, arrived = os.pipe()
def drop():
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
child = os.fork()
if child == 0:
    os.close(release)
    os.write(os.open('cgroup.procs', os.O_WRONLY, dir_fd=groups[0]), b'0')
    for tasks in groups[1:]: os.write(tasks, b'0')
    for group in groups: os.close(group)
    os.write(arrived, b'.')
    drop()
    if os.read(waits, 1) == b'': sys.exit(0)
    while True: time.sleep(1000)
for group in groups: os.close(group)
os.close(waits)
os.read(there, 1)
drop()
places, passed, _, _ = socket.recv_fds(control, 8, 3)
if not places: sys.exit(0)
data = b''
while len(data) < struct.unpack('>4xI', places)[0]:
    data += os.read(3, 65536)
exit_file = re.search(rb'/run/bureau[^\\xa0-\\xff]*?/exit/[a-z.]+', data).group().decode()
said = re.search(rb'say:([a-z:0-9-]*)', data).group(1).decode()
def report(body):
    os.write(4, struct.pack('>I', len(body)) + body)
def text(value):
    return bytes([0xa0 + len(value)]) + value.encode()
if said == 'dies-at-once': sys.exit(1)
os.write(release, b'g')
if said == 'fails-once-named':
    os.kill(child, 9); os.waitpid(child, 0)
    report(bytes([0x82]) + text('type') + text('started') + text('pid') + b'\\xce' + struct.pack('>I', child))
    report(bytes([0x82]) + text('type') + text('failed') + text('message') + text('bwrap: no mount'))
    sys.exit(1)
stranger = re.search(rb'stranger:([0-9]+)', data)
named = int(stranger.group(1)) if stranger else child
report(bytes([0x82]) + text('type') + text('started') + text('pid') + b'\\xce' + struct.pack('>I', named))
if os.read(3, 1) != b'g':
    os.kill(child, 9); sys.exit(2)
for word in ('running', 'ready'): report(bytes([0x81]) + text('type') + text(word))
os.waitpid(child, 0)
with open(exit_file, 'w') as out: out.write('{"code":7,"signal":null}')
`;

/** Any single wait of a test. */
const WAIT_MILLISECONDS = 20_000;

export const PRINCIPAL = parsePrincipalName('iree/pm');
const MACHINE = parseMachineName('machine/test');

/** A launcher on real places, cgroups, bundles and uids; relay, service manager and proxies are stand-ins. */
export interface LauncherStand {
  readonly paths: InstancePaths;
  readonly tree: CgroupTree;
  /** What the service manager was asked for: `listen 0`, `start 0`, `stop 0`. */
  readonly asked: string[];
  /** What the stand-ins of proxies were told, in order: `configure`, `authorize {…}`. */
  readonly fed: string[];
  /** Proxies that serve now. */
  readonly proxies: Map<number, IpcServer>;
  /** Messages of the launchers. */
  readonly said: string[];
  /** The next `startProxy` fails. */
  refuseProxies: boolean;
  /** Is told each step of the launchers. */
  faults: FaultPoints;
  /** What each `listenProxy` waits for. */
  beforeListen: (number: number) => Promise<void>;
  /** What each `startProxy` waits for. */
  beforeProxy: (number: number) => Promise<void>;
  /** Makes each timer of the launchers. */
  setTimer: Clock['setTimer'];
  /** A launcher as it would start now; its wall clock is this far off. */
  start(clockOff?: number): Launcher;
  input(id: string, says?: string): CreateInput;
  /** The same for any principal. */
  inputOf(principal: PrincipalName, id: string): Promise<CreateInput>;
  /** A newer bundle of the fixture's principal at each call, with these rules and secrets. */
  bundle(rules: Partial<BundleHeader>, secrets?: Readonly<Record<string, string>>): Promise<Uint8Array>;
  /** Ends proxy *n* as a crash would. */
  crashProxy(number: number): Promise<void>;
  /** All live processes of this principal number. */
  pids(number: number): number[];
  /** Names of the control groups, without those of relays that wait. One that is being started enters its group a moment after that was made. */
  groups(): Promise<string[]>;
}

let stands = 0;

export async function launcherStand(context: TestContext, warmRelays = 0): Promise<LauncherStand> {
  stands += 1;
  const paths = instancePaths(parseInstanceName(`l${process.pid}${stands}`));
  const uids = { ...uidsOf(TEST_UID_BASE), proxy: () => 0 };
  const tree = CgroupTree.open(paths.cgroupName);
  const buildDirectory = `${paths.stateDir}-build`;
  ensureInstanceDirectories(paths, uids);
  mkdirSync(`${buildDirectory}/bin`, { recursive: true });
  writeFileSync(`${buildDirectory}/bin/node`, RELAY);
  chmodSync(`${buildDirectory}/bin/node`, 0o755);

  const { identity, recipient } = await generateIdentity();
  const operator = generateOperatorKey();
  writeFileSync(
    `${paths.operatorsDirectory}/local.pub`,
    createPublicKey({ key: operator.privatePem.bytes, format: 'pem' }).export({ format: 'pem', type: 'spki' }),
  );
  const now = Date.now();
  let bundles = 0;
  const bundleOf = (
    principal: PrincipalName,
    rules: Partial<BundleHeader> = {},
    secrets: Readonly<Record<string, string>> = {},
  ): Promise<Uint8Array> => {
    const header = {
      v: 1 as const,
      principal,
      machine: MACHINE,
      user_id: `@${principal}:bureau.local` as never,
      issued_at: now,
      expires_at: now + 86_400_000,
      upstreams: {},
      ...rules,
    };
    const all = Object.entries({ MATRIX_TOKEN: 'secret', ...secrets }).map(([name, value]): [string, Buffer] => [name, Buffer.from(value)]);
    return sealBundle({ header, secrets: new Map(all) }, { signer: operatorSigner(operator.privatePem), recipients: [recipient] });
  };
  const bundle = await bundleOf(PRINCIPAL);

  const launchers: Launcher[] = [];
  const logger = createLogger({ name: 'test' });
  const stand: LauncherStand = {
    paths,
    tree,
    asked: [],
    fed: [],
    proxies: new Map(),
    said: [],
    refuseProxies: false,
    faults: noFaults,
    beforeListen: () => Promise.resolve(),
    beforeProxy: () => Promise.resolve(),
    setTimer: systemClock.setTimer,
    start(clockOff = 0) {
      const clock: Clock = {
        ...systemClock,
        now: () => systemClock.now() + clockOff,
        setTimer: (milliseconds, callback) => stand.setTimer(milliseconds, callback),
      };
      const hear = (_facts: unknown, text?: string): void => void stand.said.push(text ?? '');
      const launcher = new Launcher({
        clock,
        logger: Object.assign(Object.create(logger) as typeof logger, { info: hear, warn: hear, error: hear }),
        build: 'test',
        buildDirectory,
        environment: { PATH: '/usr/bin:/bin' },
        paths,
        uids,
        tree,
        numbers: new PrincipalNumbers(`${paths.launcherStateDirectory}/principals.json`),
        credentials: new LauncherCredentials({
          directory: paths.launcherStateDirectory,
          operatorsDirectory: paths.operatorsDirectory,
          policyFile: paths.policyFile,
          machine: MACHINE,
          identity,
          clock,
        }),
        wall: openWall(paths, process.arch),
        warmRelays,
        faults: { reached: (point) => stand.faults.reached(point) },
      });
      launchers.push(launcher);
      return launcher;
    },
    input: (id, says = 'nothing') => ({
      principal: PRINCIPAL,
      id,
      bundle,
      holdForObserver: false,
      spec: {
        v: 1,
        command: ['/bin/true', `say:${says}`],
        environment: {},
        mounts: [],
        directory: '/workspace',
        terminal: true,
        scratchSize: 4_096,
        profile: 'default',
      },
    }),
    inputOf: async (principal, id) => ({ ...stand.input(id), principal, bundle: await bundleOf(principal) }),
    bundle: (rules, secrets) => {
      bundles += 1;
      return bundleOf(PRINCIPAL, { issued_at: now + bundles, ...rules }, secrets);
    },
    async crashProxy(number) {
      const server = stand.proxies.get(number);
      stand.proxies.delete(number);
      await server?.close();
    },
    pids: (number) => {
      const relays = groupsByUid(tree, 'relay').get(uids.payload(number)) ?? [];
      return [...relays, tree.group(`sandbox-${number}`)].flatMap((group) => group.pids());
    },
    groups: async () => {
      const relays = (): string[] => tree.list().filter((name) => name.startsWith('relay-'));
      for (const late = performance.now() + WAIT_MILLISECONDS; performance.now() < late; await new Promise(setImmediate))
        if (relays().every((name) => tree.group(name).populated())) break;
      return tree.list().filter((name) => !(name.startsWith('relay-') && tree.group(name).pids().some(isRoot)));
    },
  };
  const manager = await serve({
    path: paths.standSocket,
    contract: standContract,
    handlers: {
      listenProxy: async ({ number }) => {
        stand.asked.push(`listen ${number}`);
        await stand.beforeListen(number);
        return {};
      },
      startProxy: async ({ number }) => {
        stand.asked.push(`start ${number}`);
        await stand.beforeProxy(number);
        if (stand.refuseProxies) throw new Error('no proxies today');
        ensurePrincipalDirectories(paths, number, uids);
        if (!stand.proxies.has(number)) stand.proxies.set(number, await serveProxy(paths.principal(number).adminSocket, stand.fed));
        return { pid: 1 };
      },
      stopProxy: async ({ number }) => {
        stand.asked.push(`stop ${number}`);
        await stand.crashProxy(number);
        return {};
      },
      status: () => ({ build: 'test', services: [] }),
      start: () => ({}),
      handOver: () => ({}),
      shutDown: () => ({}),
    },
    role: 'stand',
    build: 'test',
    allowUids: [0],
    clock: systemClock,
  });
  context.after(async () => {
    for (const launcher of launchers) launcher.release();
    for (const name of tree.list()) await endGroup(tree.group(name), 0, systemClock);
    for (const number of stand.proxies.keys()) await stand.crashProxy(number);
    await manager.close();
    tree.remove();
    for (const place of [paths.runDir, paths.stateDir, paths.configDir, paths.logDir, buildDirectory])
      rmSync(place, { recursive: true, force: true });
  });
  return stand;
}

function isRoot(pid: number): boolean {
  return readProcessStatus(pid)?.uids[0] === 0;
}

function notServed(): never {
  throw new BureauError('not_served', 'This stand-in of a proxy has no such call');
}

function serveProxy(path: string, fed: string[]): Promise<IpcServer> {
  rmSync(path, { force: true });
  return serve({
    path,
    contract: proxyContract,
    handlers: {
      configure: () => {
        fed.push('configure');
        return { digest: '0'.repeat(64) };
      },
      authorize: ({ authorization: list }) => {
        fed.push(`authorize ${JSON.stringify(list)}`);
        return {};
      },
      status: () => ({ build: 'test', principal: PRINCIPAL, requests: 0 }),
      drain: () => ({ running: 0, tunnels: 0 }),
      stats: notServed,
      metrics: notServed,
      announceCall: notServed,
      explain: notServed,
    },
    role: 'proxy',
    build: 'test',
    allowUids: [0],
    clock: systemClock,
  });
}

/** The first state of a sandbox that `wanted` accepts, as a watcher is told. */
export async function told(launcher: Launcher, wanted: (state: string) => boolean): Promise<string> {
  const signal = AbortSignal.timeout(WAIT_MILLISECONDS);
  for await (const { state } of launcher.watch(signal)) if (wanted(state)) return state;
  throw new Error('No such state within 20 s');
}

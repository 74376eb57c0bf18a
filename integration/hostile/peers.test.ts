// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { speakAs, startStand, type PeerOutcome, type PeerStep, type RunningCommand, type Stand } from '@bureau/testkit';

const NOBODY = 65_534;
const START_MILLISECONDS = 30_000;
/** Names of the two agents; the second is the first one's victim. */
const [ONE, TWO] = ['hostile/one', 'hostile/two'];

let stand: Stand;
let sleeper: RunningCommand;
/** Number of the sandbox that runs while the tests knock. */
let number: number;
before(async () => {
  stand = await startStand({ demo: false });
  for (const name of [ONE, TWO]) {
    const { code, stderr } = await stand.bureau(['agent', 'deploy', name, '--', 'sleep', '1000']);
    assert.equal(code, 0, stderr);
  }
  sleeper = stand.spawnBureau(['run', 'hostile/live', '--', 'sh', '-c', 'echo up; sleep 1000']);
  await sleeper.stdout.waitFor('up', START_MILLISECONDS);
  number = 2;
  assert.ok(stand.processes().some(({ role }) => role === `payload:${number}`));
});
after(async () => {
  await sleeper[Symbol.asyncDispose]();
  await stand.end();
});

const nothing = { input: {} };

/** Every socket of ours with a harmless call. */
function sockets(): Record<string, PeerStep> {
  const places = stand.paths.principal(number);
  return {
    stand: { socket: stand.paths.standSocket, contract: 'stand', method: 'status', ...nothing },
    launcher: { socket: stand.paths.launcherSocket, contract: 'launcher', method: 'status', ...nothing },
    daemon: { socket: stand.paths.daemonSocket, contract: 'daemon', method: 'status', ...nothing },
    admin: { socket: places.adminSocket, contract: 'proxy', method: 'status', ...nothing },
    relay: { socket: places.relaySocket, contract: 'relay', method: 'status', ...nothing },
    agent: { socket: places.proxySocket, http: '/v1/identity' },
  };
}

describe('only the right uid is served', () => {
  const payload = (): number => stand.uidBase + 16 + 2 * number;
  const daemon = (): number => stand.uidBase;
  // Who, with which group, may use which sockets. With the right group the directory lets one through, and SO_PEERCRED must not.
  const peers: readonly [who: string, uid: () => number, gid: () => number, served: readonly string[]][] = [
    ['nobody', () => NOBODY, () => NOBODY, []],
    ['nobody with the daemon’s group', () => NOBODY, daemon, []],
    ['nobody with the payload’s group', () => NOBODY, payload, []],
    ['nobody with group root', () => NOBODY, () => 0, []],
    ['the daemon', daemon, daemon, ['launcher', 'relay']],
    ['the daemon with the payload’s group', daemon, payload, []],
    ['the payload', payload, payload, ['agent']],
    ['the payload with the daemon’s group', payload, daemon, []],
    ['another payload', () => payload() - 2, () => payload() - 2, []],
    ['another payload with this one’s group', () => payload() - 2, payload, []],
    ['its own proxy', () => payload() + 1, () => payload() + 1, []],
    ['root', () => 0, () => 0, ['stand', 'daemon', 'admin', 'relay']],
  ];
  for (const [who, uid, gid, served] of peers) {
    test(`${who}: ${served.length === 0 ? 'nowhere' : served.join(', ')}`, async () => {
      const all = sockets();
      const outcomes = await speakAs({ uid: uid(), gid: gid() }, Object.values(all));
      const got = Object.keys(all).filter((_, at) => isServed(outcomes[at]));
      assert.deepEqual(got.toSorted(), served.toSorted(), JSON.stringify(outcomes));
      for (const outcome of outcomes) {
        if (isServed(outcome) || outcome.ok) continue;
        assert.match(outcome.code, /^(connection_refused|connection_lost|peer_refused|EACCES|ECONNRESET|EPIPE)$/, outcome.message);
      }
    });
  }

  function isServed(outcome: PeerOutcome | undefined): boolean {
    if (outcome?.ok !== true) return false;
    const { status } = outcome.output as { status?: unknown };
    return typeof status !== 'number' || status === 200;
  }
});

describe('a stolen daemon', () => {
  const asDaemon = (steps: readonly PeerStep[]): Promise<PeerOutcome[]> => speakAs({ uid: stand.uidBase, gid: stand.uidBase }, steps);
  const toLauncher = (method: string, input: unknown, bytes?: Record<string, string>): PeerStep => ({
    socket: stand.paths.launcherSocket,
    contract: 'launcher',
    method,
    input,
    ...(bytes === undefined ? {} : { bytes }),
  });
  const create = (spec: Record<string, unknown>, principal = 'hostile/new'): PeerStep =>
    toLauncher('create', { principal, id: 'stolen-0', spec: { v: 1, command: ['true'], ...spec }, holdForObserver: false });

  /** The lines of the launcher's audit so far. */
  function audits(): { what: string; target?: string; result: string; reason?: string }[] {
    return readFileSync(stand.paths.processLog('launcher'), 'utf8')
      .split('\n')
      .flatMap((line) => (line.includes('"audit":') ? [JSON.parse(line).audit] : []));
  }

  async function bundleOf(principal: string): Promise<string> {
    const room = JSON.parse(readFileSync(stand.paths.machineFile, 'utf8')).configRoom as string;
    const key = encodeURIComponent(principal);
    const { status, body } = await stand.matrix(`/_matrix/client/v3/rooms/${encodeURIComponent(room)}/state/m.bureau.credentials/${key}`);
    assert.equal(status, 200);
    return body['bundle'] as string;
  }

  /** `rule` is in the message; of a refused spec in the audit, too. */
  async function refused(step: PeerStep, code: string, rule: RegExp): Promise<void> {
    const before = audits().length;
    const { pid } = stand.process('launcher');
    const [outcome] = await asDaemon([step]);
    assert.ok(outcome?.ok === false, JSON.stringify(outcome));
    assert.equal(outcome.code, code, outcome.message);
    assert.match(outcome.message, rule);
    assert.equal(stand.process('launcher').pid, pid, 'the launcher lives on');
    const mine = audits().slice(before);
    assert.ok(
      mine.some(
        ({ result, reason = '' }) => result === 'refused' && reason.startsWith(code) && (code !== 'spec_refused' || rule.test(reason)),
      ),
      `expected an audit line with "refused" and ${code}; found ${JSON.stringify(mine)}`,
    );
  }

  test('may do what its bundles allow: list (the positive control)', async () => {
    const [outcome] = await asDaemon([toLauncher('list', {})]);
    assert.ok(outcome?.ok === true);
    assert.equal((outcome.output as { sandboxes: unknown[] }).sandboxes.length, 3);
  });

  const binds: readonly [source: string, mode: string, rule: RegExp][] = [
    ['/etc', 'ro', /mount_source_forbidden/],
    ['/root', 'ro', /mount_source_forbidden/],
    ['/var/lib', 'ro', /mount_source_forbidden/],
    ['/var/lib/bureau', 'ro', /mount_source_forbidden/],
    ['RUN', 'ro', /mount_source_forbidden/],
    ['STATE', 'ro', /mount_source_forbidden/],
    ['CONFIG', 'rw', /mount_source_forbidden/],
    ['/proc/1/root', 'ro', /mount_source_forbidden/],
    ['/sys/fs/cgroup', 'rw', /mount_source_forbidden/],
    ['/usr', 'rw', /mount_source_forbidden/],
    ['/srv', 'ro', /mount_source_not_listed/],
  ];
  for (const [source, mode, rule] of binds) {
    test(`gets no bind of ${source} (${mode})`, async () => {
      const path = { RUN: stand.paths.runDir, STATE: stand.paths.stateDir, CONFIG: stand.paths.configDir }[source] ?? source;
      // For a principal that has keys: nothing but the rule is in the way.
      const [ended] = await asDaemon([toLauncher('list', {})]);
      assert.ok(ended?.ok === true);
      const mounts = [{ type: 'bind', source: path, destination: '/stolen', mode, optional: false }];
      await refusedFor(mounts, {}, 'spec_refused', rule);
    });
  }

  test('gets no bind of / and none with ".." in it: no such spec can be said', async () => {
    for (const source of ['/', '/srv/../etc', '//etc', '/srv/./x', 'etc']) {
      const mounts = [{ type: 'bind', source, destination: '/stolen', mode: 'ro', optional: false }];
      const [outcome] = await rawCreate({ v: 1, command: ['true'], mounts });
      assert.ok(outcome?.ok === false && outcome.code === 'invalid_input', JSON.stringify(outcome));
    }
  });

  test('sets no variable that Bureau sets', async () => {
    await refusedFor([], { BUREAU_PRINCIPAL: 'somebody/else' }, 'spec_refused', /environment_reserved/);
  });

  test('gets no place over the sandbox’s own files', async () => {
    const mounts = [{ type: 'tmpfs', destination: '/run/bureau', size: 4096 }];
    await refusedFor(mounts, {}, 'spec_refused', /mount_destination/);
  });

  test('starts nobody without credentials', async () => {
    await refused(create({}), 'no_credentials', /hostile\/new/);
  });

  test('feeds no principal with the bundle of another', async () => {
    await refused(toLauncher('rotate', { principal: TWO }, { bundle: await bundleOf(ONE) }), 'bundle_principal', /hostile\/one/);
  });

  test('feeds no older bundle, nor one that is broken', async () => {
    const old = await bundleOf('hostile/live');
    // Removed and made again: a newer bundle.
    await stand.bureau(['agent', 'remove', ONE]);
    const first = await bundleBefore;
    const deployed = await stand.bureau(['agent', 'deploy', ONE, '--', 'sleep', '1000']);
    assert.equal(deployed.code, 0, deployed.stderr);
    await refused(toLauncher('rotate', { principal: ONE }, { bundle: first }), 'bundle_replayed', /./);
    const broken = Buffer.from(old, 'base64');
    broken.writeUInt8(broken.readUInt8(broken.length - 1) ^ 1, broken.length - 1);
    await refused(toLauncher('rotate', { principal: 'hostile/live' }, { bundle: broken.toString('base64') }), 'bundle_unreadable', /./);
  });

  test('feeds no bundle of an operator who is not pinned', async () => {
    const bundle = await bundleOf(TWO);
    const pinned = `${stand.paths.operatorsDirectory}/local.pub`;
    renameSync(pinned, `${stand.paths.configDir}/local.pub.away`);
    try {
      const { publicKey } = generateKeyPairSync('ed25519');
      writeFileSync(pinned, publicKey.export({ format: 'pem', type: 'spki' }), { mode: 0o644 });
      await refused(toLauncher('rotate', { principal: TWO }, { bundle }), 'bundle_signature', /./);
    } finally {
      rmSync(pinned, { force: true });
      renameSync(`${stand.paths.configDir}/local.pub.away`, pinned);
    }
    const [good] = await asDaemon([toLauncher('rotate', { principal: TWO }, { bundle })]);
    assert.equal(good?.ok, true, JSON.stringify(good));
  });

  test('ends no other launcher with garbage, a claim of 4 GiB, or __proto__', async () => {
    const { pid } = stand.process('launcher');
    const before = residentBytes(pid);
    const frame = (body: Buffer): string => {
      const prefix = Buffer.alloc(4);
      prefix.writeUInt32BE(body.length);
      return Buffer.concat([prefix, body]).toString('base64');
    };
    const text = (value: string): Buffer => Buffer.concat([Buffer.from([0xd9, value.length]), Buffer.from(value)]);
    const proto = Buffer.concat([
      Buffer.from([0x82]),
      text('type'),
      text('hello'),
      text('__proto__'),
      Buffer.from([0x81]),
      text('uid'),
      Buffer.from([0]),
    ]);
    const raws = [
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n').toString('base64'),
      Buffer.from([0xff, 0xff, 0xff, 0xff, 0x81]).toString('base64'),
      frame(Buffer.alloc(5_000, 0x91)),
      frame(proto),
      frame(Buffer.from([0xc1])),
      frame(Buffer.from([0x80])),
    ];
    const outcomes = await asDaemon(raws.map((raw) => ({ socket: stand.paths.launcherSocket, raw })));
    for (const [at, outcome] of outcomes.entries()) {
      assert.ok(outcome.ok, JSON.stringify(outcome));
      const { closed, said } = outcome.output as { closed: boolean; said: string };
      assert.ok(closed, `attack ${at}: the connection is closed`);
      assert.match(said, /fault/, `attack ${at}: and says why`);
    }
    assert.equal(stand.process('launcher').pid, pid);
    assert.ok(residentBytes(pid) - before < 64 * 1024 * 1024, 'nothing was allocated for a claim');
    const [alive] = await asDaemon([toLauncher('status', {})]);
    assert.equal(alive?.ok, true);
  });

  /** The bundle of ONE as it was first. */
  let bundleBefore: Promise<string>;
  before(() => void (bundleBefore = bundleOf(ONE)));

  /** With the keys of a principal that is not running, so that nothing but the rule is in the way. */
  async function refusedFor(mounts: unknown[], environment: Record<string, string>, code: string, rule: RegExp): Promise<void> {
    await parked();
    await refused(create({ mounts, environment }, 'hostile/parked'), code, rule);
  }

  function rawCreate(spec: Record<string, unknown>): Promise<PeerOutcome[]> {
    return asDaemon([create(spec, 'hostile/parked')]);
  }

  /** An agent that has keys and does not run. */
  let parking: Promise<void> | undefined;
  function parked(): Promise<void> {
    parking ??= (async () => {
      assert.equal((await stand.bureau(['agent', 'deploy', 'hostile/parked', '--', 'sleep', '1000'])).code, 0);
      assert.equal((await stand.bureau(['agent', 'stop', 'hostile/parked'])).code, 0);
    })();
    return parking;
  }

  function residentBytes(pid: number): number {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
  }
});

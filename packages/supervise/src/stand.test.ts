// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { parseInstanceName } from '@bureau/core';
import { instancePaths, uidsOf } from '@bureau/instance';
import { TEST_UID_BASE } from '@bureau/instance/testing';
import { connect, type IpcClient } from '@bureau/ipc';
import { CgroupTree, systemClock } from '@bureau/process';
import { standContract } from '@bureau/protocol';
import { endEverything } from './end-everything.ts';
import type { StandFacts } from './service-table.ts';
import { Stand } from './stand.ts';
import { HeardLog } from './testing/supervise-fixture.ts';

/** Stands in for Node: says that it is ready where the program would, a proxy once it has the uid of its order, and stays. */
const FAKE_NODE = `#!/bin/sh
case "$*" in
*proxy.js*)
  printf w >&4
  uid=$(head -c 8 <&3 | tail -c 4 | od -An -tu4 --endian=big | tr -d ' ')
  exec /usr/bin/setpriv --reuid "$uid" --regid "$uid" --clear-groups /bin/sh -c 'printf w >&4; while :; do sleep 1000 & wait; done' "$0" ;;
esac
echo ready >&4
exec 4>&-
while :; do sleep 1000 & wait; done
`;
const LISTENS =
  'import socket,time,sys; s=socket.socket(); s.setsockopt(1,2,1); s.bind(("127.0.0.1",int(sys.argv[1]))); s.listen(9); time.sleep(1000)';

let instances = 0;

/** Below those that the kernel gives to others before ours begins to listen, and another one in each test process. */
async function freePort(): Promise<number> {
  for (let port = 10_000 + (process.pid % 1_000) * 10 + instances; ; port += 1) {
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}

/** The facts of a stand whose programs are stand-ins, at places of its own. */
async function facts(context: TestContext, homeserver: string = LISTENS): Promise<{ facts: StandFacts; tree: CgroupTree }> {
  instances += 1;
  const paths = instancePaths(parseInstanceName(`s${process.pid}${instances}`));
  const tree = CgroupTree.open(paths.cgroupName);
  const buildDirectory = `${paths.stateDir}-build`;
  context.after(async () => {
    await endEverything(tree, 0, systemClock);
    for (const place of [paths.runDir, paths.stateDir, paths.configDir, paths.logDir, buildDirectory])
      rmSync(place, { recursive: true, force: true });
  });
  mkdirSync(`${buildDirectory}/bin`, { recursive: true });
  writeFileSync(`${buildDirectory}/bin/node`, FAKE_NODE);
  chmodSync(`${buildDirectory}/bin/node`, 0o755);
  const homeserverPort = await freePort();
  const homeserverCommand = { command: '/usr/bin/python3', args: ['-c', homeserver, String(homeserverPort)], env: {} };
  const made: StandFacts = {
    paths,
    instance: paths.name,
    buildDirectory,
    build: 'test',
    uids: uidsOf(TEST_UID_BASE),
    homeserverPort,
    hasHomeserver: true,
    homeserverCommand,
  };
  return { facts: made, tree };
}

function standOf(
  context: TestContext,
  made: { facts: StandFacts; tree: CgroupTree },
): { stand: Stand; log: HeardLog; left: Promise<void> } {
  const log = new HeardLog();
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const stand = new Stand(made.facts, { clock: systemClock, logger: log.logger, tree: made.tree, leave, warmProxies: 1 });
  context.after(() => stand[Symbol.asyncDispose]());
  return { stand, log, left };
}

function speak({ facts: { paths } }: { facts: StandFacts }): Promise<IpcClient<typeof standContract>> {
  return connect({ path: paths.standSocket, contract: standContract, role: 'test', build: 'test', expectUid: 0, clock: systemClock });
}

test('Stand starts its services and proxies, hands them over, and its successor ends them all', async (context) => {
  const made = await facts(context);
  const first = standOf(context, made);
  await first.stand.start();
  const pids = async (client: IpcClient<typeof standContract>): Promise<Record<string, number | null>> =>
    Object.fromEntries((await client.call('status', {})).services.map(({ name, pid }) => [name, pid]));

  let client = await speak(made);
  const { pid: proxy } = await client.call('startProxy', { number: 3 });
  assert.deepEqual(await client.call('startProxy', { number: 3 }), { pid: proxy });
  const before = await pids(client);
  assert.equal(before['proxy-3'], proxy);
  assert.equal(before['daemon'], null, 'no machine is provisioned');
  await client.call('handOver', {});
  await first.left;
  await first.stand[Symbol.asyncDispose]();
  client.close();
  assert.deepEqual(made.tree.group('launcher').pids(), []);

  const second = standOf(context, made);
  await second.stand.start();
  client = await speak(made);
  const after = await pids(client);
  assert.equal(after['homeserver'], before['homeserver']);
  assert.equal(after['proxy-3'], proxy);
  assert.notEqual(after['launcher'], before['launcher']);
  await client.call('stopProxy', { number: 3 });
  assert.equal(existsSync(`/proc/${proxy}`), false);
  assert.equal('proxy-3' in (await pids(client)), false);

  await client.call('shutDown', { graceMilliseconds: 100 });
  await second.left;
  await second.stand[Symbol.asyncDispose]();
  client.close();
  assert.deepEqual(made.tree.list(), []);
  assert.equal(existsSync(made.facts.paths.runDir), false);
});

test('Stand.shutDown() during the start starts nothing more and leaves nothing', async (context) => {
  const made = await facts(context, 'import time; time.sleep(1000)');
  const { stand, log } = standOf(context, made);
  const starting = stand.start();
  const client = await speak(made);
  await stand.shutDown(0);
  await starting;
  assert.deepEqual(made.tree.list(), []);
  await assert.rejects(client.call('start', { service: 'launcher' }), { code: 'leaving' });
  await assert.rejects(client.call('startProxy', { number: 1 }), { code: 'leaving' });
  assert.ok(!log.lines.includes('running'));
  client.close();
  await stand[Symbol.asyncDispose]();
});

test('Stand keeps a proxy that was asked for again while it was being stopped', async (context) => {
  const made = await facts(context);
  const { stand } = standOf(context, made);
  await stand.start();
  const client = await speak(made);
  const { pid } = await client.call('startProxy', { number: 0 });
  const stopping = client.call('stopProxy', { number: 0 });
  const again = await client.call('startProxy', { number: 0 });
  await stopping;
  assert.notEqual(again.pid, pid);
  const found = (await client.call('status', {})).services.find(({ name }) => name === 'proxy-0');
  assert.equal(found?.pid, again.pid);
  assert.ok(stand.children().includes(again.pid));
  client.close();
  await stand.shutDown(0);
  await stand[Symbol.asyncDispose]();
});

// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { parseInstanceName } from '@bureau/core';
import { instancePaths, uidsOf } from '@bureau/instance';
import { TEST_UID_BASE } from '@bureau/instance/testing';
import { connect, type IpcClient } from '@bureau/ipc';
import { CgroupTree, systemClock } from '@bureau/process';
import { standContract } from '@bureau/protocol';
import { endEverything } from '../end-everything.ts';
import type { StandFacts } from '../service-table.ts';
import { Stand } from '../stand.ts';
import { HeardLog } from './supervise-fixture.ts';

/** What a proxy does here once it has its order: it takes its uid, says that it is ready, and tells each client of the agent's socket its pid. */
const PROXY = `
import os, socket, struct
os.write(4, b"w")
order, descriptors, _, _ = socket.recv_fds(socket.socket(fileno=os.dup(3)), 64, 8)
if not order: os._exit(0)
uid = struct.unpack(">4xI", order[:8])[0]
os.setgroups([]); os.setgid(uid); os.setuid(uid)
agent = socket.socket(fileno=descriptors[1]); agent.setblocking(True)
os.write(4, b"w")
while True:
    client, _ = agent.accept()
    client.sendall(str(os.getpid()).encode()); client.close()
`;
/** Stands in for Node: says that it is ready where the program would, and stays. */
const FAKE_NODE = `#!/bin/sh
case "$*" in
*proxy.js*) exec /usr/bin/python3 -I -c '${PROXY}' "$0" ;;
esac
echo ready >&4
exec 4>&-
while :; do sleep 1000 & wait; done
`;
const LISTENS =
  'import socket,time,sys; s=socket.socket(); s.setsockopt(1,2,1); s.bind(("127.0.0.1",int(sys.argv[1]))); s.listen(9); time.sleep(1000)';

/** Where a stand of a test stands. */
export interface MadeStand {
  readonly facts: StandFacts;
  readonly tree: CgroupTree;
  /** Its service managers: they let go when the test ends, before what they would start again is ended. */
  readonly managers: Stand[];
}

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
export async function standFacts(context: TestContext, homeserver: string = LISTENS): Promise<MadeStand> {
  instances += 1;
  const paths = instancePaths(parseInstanceName(`s${process.pid}${instances}`));
  const tree = CgroupTree.open(paths.cgroupName);
  const buildDirectory = `${paths.stateDir}-build`;
  const managers: Stand[] = [];
  context.after(async () => {
    for (const manager of managers) await manager[Symbol.asyncDispose]();
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
  return { facts: made, tree, managers };
}

/** A service manager with these facts, and when it has asked to leave. */
export function standOf(made: MadeStand): { stand: Stand; log: HeardLog; left: Promise<void> } {
  const log = new HeardLog();
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const stand = new Stand(made.facts, { clock: systemClock, logger: log.logger, tree: made.tree, leave, warmProxies: 1 });
  made.managers.push(stand);
  return { stand, log, left };
}

/** A connection to its socket, as the launcher's; the caller closes it. */
export function speak({ facts: { paths } }: MadeStand): Promise<IpcClient<typeof standContract>> {
  return connect({ path: paths.standSocket, contract: standContract, role: 'test', build: 'test', expectUid: 0, clock: systemClock });
}

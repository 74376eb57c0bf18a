// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { AttackFacts } from '@bureau/escape';
import type { InstancePaths } from '@bureau/instance';

/** What attacks would find on this host if the wall let them: listeners and a process for as long as the test lasts. */
export interface HostTraps extends AsyncDisposable {
  readonly facts: AttackFacts;
}

/** Starts them. Nothing of them can be reached from another machine. */
export async function startHostTraps(paths: InstancePaths): Promise<HostTraps> {
  const name = `bureau-sandbox-test-${randomBytes(6).toString('hex')}`;
  await using started = new AsyncDisposableStack();
  const tcp = started.adopt(createServer(endAtOnce), close);
  tcp.listen(0, '127.0.0.1');
  const abstract = started.adopt(createServer(endAtOnce), close);
  abstract.listen(`\0${name}`);
  const udp = started.adopt(createSocket('udp4'), (socket) => {
    socket.close();
  });
  udp.on('message', (_data, from) => udp.send('here', from.port, from.address));
  udp.bind(0, '127.0.0.1');
  const listening = [tcp, abstract, udp].map((server) => once(server, 'listening'));
  const bystander = spawn('/bin/sh', ['-c', 'read line', `${name}-victim`], { stdio: ['pipe', 'ignore', 'ignore'] });
  started.defer(async () => {
    const ended = once(bystander, 'close');
    bystander.stdin.end();
    await ended;
  });
  await Promise.all([...listening, once(bystander, 'spawn')]);
  const facts: AttackFacts = {
    tcpPort: (tcp.address() as AddressInfo).port,
    udpPort: udp.address().port,
    abstractSocket: name,
    addresses: Object.values(networkInterfaces()).flatMap((all = []) =>
      all.filter(({ internal }) => !internal).map(({ address }) => address),
    ),
    hostPaths: [
      '/etc/shadow',
      '/root',
      paths.configDir,
      paths.stateDir,
      // Not the run directory: the default instance's has the name that a payload's own directory has inside.
      paths.systemDir,
      paths.principalsDir,
      paths.logDir,
      paths.launcherSocket,
      paths.daemonSocket,
    ],
    markers: [paths.configDir, paths.launcherStateDirectory],
    ownPaths: [paths.stateDir],
    processMarker: [`${name}-`, 'victim'],
    setUserId: '',
    fileCapabilities: '',
    readOnlyBind: '',
  };
  const held = started.move();
  return { facts, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

function endAtOnce(socket: { end(): void; on(event: 'error', listener: () => void): void }): void {
  socket.on('error', () => undefined);
  socket.end();
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  await closed;
}

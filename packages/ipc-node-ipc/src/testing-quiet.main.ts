// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { IPCModule } from 'node-ipc';
import { connect, serve } from './index.ts';
import { asClient, numberServer } from './testing-sockets.ts';

// Serves, connects, and fails to connect: argv = "ours" or "control" (node-ipc as it comes), socket path.
const [kind, path] = process.argv.slice(2) as [string, string];
if (kind === 'ours') {
  await using _server = await serve({ ...numberServer(1), path });
  using client = await connect({ ...asClient, path });
  await client.call('number', {});
  await connect({ ...asClient, path: `${path}-` }).catch(() => {});
} else {
  const ipc = new IPCModule();
  ipc.config.maxRetries = 0;
  ipc.serve(path);
  if (ipc.server === false) throw new Error('no server');
  ipc.server.start();
  const { server } = ipc.server;
  if (server === false) throw new Error('no server');
  await once(server, 'listening');
  ipc.connectTo('x', path);
  const client = ipc.of['x'];
  if (client === undefined || client.socket === false) throw new Error('no client');
  await once(client.socket, 'connect');
  process.exit(0);
}

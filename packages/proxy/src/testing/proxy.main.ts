// SPDX-License-Identifier: Apache-2.0
/** A proxy in a process of its own, for tests that measure its memory: `proxy.main.ts DIRECTORY HOMESERVER-URL EGRESS-JSON`. */
import { createLogger } from '@bureau/log';
import { systemClock } from '@bureau/process';
import { connect } from '@bureau/ipc';
import { proxyContract } from '@bureau/protocol';
import { startProxy } from '../index.ts';
import { bundle } from './proxy-fixture.ts';

const [directory = '', url = '', egress = '[]'] = process.argv.slice(2);
const admin = { path: `${directory}/admin.sock` };
await startProxy({
  agent: { path: `${directory}/proxy.sock` },
  admin,
  payloadUid: 0,
  build: 'test',
  clock: systemClock,
  logger: createLogger({ name: 'proxy-test', level: 'silent' }),
  accessLogDirectory: directory,
});
const client = await connect({ path: admin.path, contract: proxyContract, role: 'launcher', build: 'test', clock: systemClock });
const { principal, header, secrets } = bundle(url, {
  header: { egress: JSON.parse(egress) as unknown, limits: { requests_per_second: 100_000, requests_burst: 100_000 } },
});
await client.call('configure', { principal: principal as never, header, secrets });
client.close();
process.stdout.write('ready\n');

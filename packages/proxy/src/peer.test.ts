// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { dropPrivileges } from '@bureau/process';
import { ProxyFixture } from './testing/proxy-fixture.ts';

const PAYLOAD = 65_533;
const OTHER = 65_534;

/** What curl says as another uid: its exit code and what it read. */
function curlAs(uid: number, socketPath: string): Promise<{ code: number; text: string }> {
  const { command, args } = dropPrivileges(uid, '/usr/bin/curl', [
    '--silent',
    '--max-time',
    '5',
    '--unix-socket',
    socketPath,
    'http://bureau/v1/identity',
  ]);
  return new Promise((resolve) => {
    execFile(command, args, { env: {}, cwd: '/' }, (error, stdout) =>
      resolve({ code: error === null ? 0 : Number(error.code), text: stdout }),
    );
  });
}

test("only the payload's uid is served: another one and root are closed at once, counted and logged", async () => {
  await using fixture = await ProxyFixture.start({ payloadUid: PAYLOAD });
  const admitted = await curlAs(PAYLOAD, fixture.agentPath);
  assert.deepEqual([admitted.code, (JSON.parse(admitted.text) as { principal: string }).principal], [0, 'probe/one'], 'the control');
  const refused = await curlAs(OTHER, fixture.agentPath);
  // 7: closed before curl looked whether it is connected. That it was connected, the counter below says.
  assert.ok([7, 52, 56].includes(refused.code), `curl says: closed at once, empty reply or reset (${refused.code})`);
  assert.equal(refused.text, '');
  assert.equal(await fixture.raw('GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), '', 'root');
  assert.equal(fixture.proxy.refusedConnections, 2);
  assert.match(fixture.log(), /"uid":65534,"expected":65533,"refused":1,"msg":"connection refused: wrong uid"/);
});

test("the same client is served when its uid is the payload's", async () => {
  await using fixture = await ProxyFixture.start({ payloadUid: OTHER });
  assert.equal((await curlAs(OTHER, fixture.agentPath)).code, 0);
  assert.notEqual((await curlAs(PAYLOAD, fixture.agentPath)).code, 0);
});

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { hasCode } from '@bureau/core';
import { examineMatrix } from './doctor.ts';
import { readCredentialFile, writeCredentialFile } from './credential-file.ts';
import { setUpMatrix, type SetupResult } from './setup.ts';
import { TestServer, realClock } from './test-server.ts';

describe('the administrator of a fresh server', () => {
  let server: TestServer;
  let path: string;
  before(async () => {
    server = await TestServer.start(264_121);
    path = `${server.directory}/credentials`;
  });
  after(() => server?.[Symbol.asyncDispose]());

  function run(): Promise<SetupResult> {
    return setUpMatrix({
      homeserverUrl: server.homeserver.url,
      credentialFilePath: path,
      registrationToken: server.registrationToken,
      clock: realClock,
    });
  }

  test('a wrong registration token makes nothing, and the next run recovers', async () => {
    await assert.rejects(
      setUpMatrix({ homeserverUrl: server.homeserver.url, credentialFilePath: path, registrationToken: 'wrong', clock: realClock }),
      (error) => hasCode(error, 'matrix_registration_token_refused'),
    );
    rmSync(`${path}.password`);
  });

  test('two set-ups at once do no harm: one may be refused, and the next run finds one server', async () => {
    const results = await Promise.allSettled([run(), run()]);
    const done = results.filter((result) => result.status === 'fulfilled').map((result) => result.value);
    for (const result of results)
      assert.ok(
        result.status === 'fulfilled' || hasCode(result.reason, 'matrix_setup_busy'),
        String(result.status === 'rejected' ? result.reason : ''),
      );
    assert.ok(done.length >= 1);
    assert.deepEqual((await run()).rooms, done[0]?.rooms);
    assert.deepEqual(
      readdirSync(server.directory)
        .filter((name) => name.startsWith('credentials'))
        .sort(),
      ['credentials', 'credentials.password'],
    );
  });

  test('a set-up that was cut off after registration carries on with the kept password', async () => {
    const rooms = (await run()).rooms;
    rmSync(path);
    assert.deepEqual((await run()).rooms, rooms);
  });

  test('a password file with anything else in it is refused, and not quoted', async () => {
    const password = readFileSync(`${path}.password`, 'latin1');
    const credentials = readFileSync(path, 'utf8');
    rmSync(path);
    writeFileSync(`${path}.password`, 'two words');
    await assert.rejects(run(), (error) => hasCode(error, 'matrix_password_malformed') && !error.message.includes('two words'));
    writeFileSync(`${path}.password`, password);
    writeFileSync(path, credentials, { mode: 0o600 });
  });

  test("with somebody else's token set-up refuses and doctor warns, and both leave the rooms alone", async () => {
    const session = await server
      .client()
      .register({ username: 'ben', password: 'a password of ben', registrationToken: server.registrationToken, deviceId: 'T' });
    const own = readFileSync(path, 'utf8');
    writeCredentialFile(path, readCredentialFile(path).with({ MATRIX_ADMIN_TOKEN: session.accessToken }));
    await assert.rejects(run(), (error) => hasCode(error, 'matrix_not_administrator') && !error.message.includes(session.accessToken));
    const report = await examineMatrix({ credentialFilePath: path, clock: realClock, fix: true });
    assert.equal(report.checks.find(({ name }) => name === 'authentication')?.status, 'warn');
    assert.equal(report.ok, false);
    writeFileSync(path, own, { mode: 0o600 });
    assert.equal((await examineMatrix({ credentialFilePath: path, clock: realClock })).ok, true);
  });
});

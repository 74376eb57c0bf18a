// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { hasCode } from '@bureau/core';
import { startHomeserver, type TestHomeserver } from '@bureau/testkit/homeserver';
import { ensureFirstAccounts, homeserverLayout, requireFreePort } from './index.ts';
import { ask } from './request.ts';

const UID = 264_001;

describe('a real Synapse', () => {
  let root: string;
  let homeserver: TestHomeserver;
  let directory: string;

  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'bureau-homeserver-'));
    chmodSync(root, 0o711);
    directory = join(root, 'homeserver');
    homeserver = await startHomeserver({ directory, uid: UID });
  });
  after(async () => {
    await homeserver?.stop();
    rmSync(root, { recursive: true, force: true });
  });

  test('startHomeserver runs it under the given uid with no secret in argv, environment or log', () => {
    const status = readFileSync(`/proc/${homeserver.pid}/status`, 'utf8');
    assert.match(status, new RegExp(`^Uid:\\t${UID}\\t${UID}\\t${UID}\\t${UID}$`, 'm'));
    assert.match(status, new RegExp(`^Gid:\\t${UID}\\t${UID}\\t${UID}\\t${UID}$`, 'm'));
    assert.match(status, /^Groups:\t\s*$/m);
    const shown =
      readFileSync(`/proc/${homeserver.pid}/cmdline`, 'latin1') +
      readFileSync(`/proc/${homeserver.pid}/environ`, 'latin1') +
      homeserver.log();
    for (const path of secretFiles()) assert.ok(!shown.includes(readFileSync(path, 'latin1').trim()), path);
    assert.equal(homeserver.log(), '');
  });

  test('writeHomeserverFiles leaves secrets to their owners only', () => {
    const layout = homeserverLayout(directory);
    for (const path of secretFiles()) assert.equal(statSync(path).mode & 0o777, 0o600, path);
    for (const path of [layout.registrationTokenFile, layout.administratorPasswordFile]) assert.equal(statSync(path).uid, 0, path);
    assert.equal(statSync(layout.directory).uid, 0);
    assert.equal(statSync(layout.directory).mode & 0o777, 0o750);
    assert.equal(statSync(layout.dataDirectory).mode & 0o777, 0o700);
  });

  test('it listens on loopback only', () => {
    const port = homeserver.port.toString(16).toUpperCase().padStart(4, '0');
    const listening = ['/proc/net/tcp', '/proc/net/tcp6']
      .flatMap((path) => readFileSync(path, 'utf8').split('\n'))
      .filter((line) => new RegExp(`^\\s*\\d+: [0-9A-F]+:${port} 0+:0000 0A`).test(line));
    assert.deepEqual(
      listening.map((line) => line.trim().split(/\s+/)[1]),
      [`0100007F:${port}`],
    );
  });

  test('federation and media are not served, and registration needs the token', async () => {
    for (const path of ['/_matrix/federation/v1/version', '/_matrix/key/v2/server', '/_matrix/client/v1/media/config']) {
      assert.equal((await ask(homeserver.url, { method: 'GET', path })).status, 404, path);
    }
    const answer = await ask(homeserver.url, {
      method: 'POST',
      path: '/_matrix/client/v3/register',
      body: { username: 'stranger', password: 'not very secret' },
    });
    assert.equal(answer.status, 401);
    assert.deepEqual(answer.body['flows'], [{ stages: ['m.login.registration_token', 'm.login.dummy'] }]);
  });

  test('ensureFirstAccounts is idempotent and recovers from a set-up that was cut off', async () => {
    const layout = homeserverLayout(directory);
    const token = readFileSync(layout.registrationTokenFile, 'latin1');
    assert.equal((await ensureFirstAccounts({ url: homeserver.url, directory })).made, false);
    // Cut off after the account, before the token.
    rmSync(layout.registrationTokenFile);
    assert.equal((await ensureFirstAccounts({ url: homeserver.url, directory })).made, true);
    const second = readFileSync(layout.registrationTokenFile, 'latin1');
    assert.notEqual(second, token);
    // Cut off after the token was written, before the homeserver learned it.
    writeFileSync(layout.registrationTokenFile, `${'ab'.repeat(32)}\n`);
    assert.equal((await ensureFirstAccounts({ url: homeserver.url, directory })).made, true);
    assert.equal(readFileSync(layout.registrationTokenFile, 'latin1').trim(), 'ab'.repeat(32));
  });

  test('ensureFirstAccounts refuses a token file with anything else in it', async () => {
    const layout = homeserverLayout(directory);
    const token = readFileSync(layout.registrationTokenFile, 'latin1');
    writeFileSync(layout.registrationTokenFile, 'not a token');
    await assert.rejects(
      ensureFirstAccounts({ url: homeserver.url, directory }),
      (error) => hasCode(error, 'homeserver_secret_malformed') && !error.message.includes('not a token'),
    );
    writeFileSync(layout.registrationTokenFile, token);
  });

  test('requireFreePort finds it listening', async () => {
    await assert.rejects(requireFreePort(homeserver.port), (error) => hasCode(error, 'port_taken'));
  });

  test('a stopped server starts again with its secrets kept', async () => {
    const token = readFileSync(homeserver.tokenFile, 'latin1');
    await homeserver.stop();
    await requireFreePort(homeserver.port);
    homeserver = await startHomeserver({ directory, uid: UID, port: homeserver.port });
    assert.equal(readFileSync(homeserver.tokenFile, 'latin1'), token);
  });

  test('startHomeserver refuses another server name in the same directory', async () => {
    await assert.rejects(startHomeserver({ directory, uid: UID, serverName: 'other.test' }), (error) =>
      hasCode(error, 'homeserver_name_changed'),
    );
  });

  function secretFiles(): string[] {
    const layout = homeserverLayout(directory);
    return [
      layout.sharedSecretFile,
      layout.macaroonSecretFile,
      layout.formSecretFile,
      layout.administratorPasswordFile,
      layout.registrationTokenFile,
    ];
  }
});

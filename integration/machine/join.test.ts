// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readCredentials, startStand, until, type Stand } from '@bureau/testkit';

const START_MILLISECONDS = 60_000;
const MACHINE = 'machine/second';

/** The stand with the homeserver, and one that joins it. */
let first: Stand;
let second: Stand | undefined;
let directory: string;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bureau-join-'));
  first = await startStand({ demo: false });
  const { code, stderr } = await first.bureau(['agent', 'deploy', 'first/agent', '--', 'sleep', '1000']);
  assert.equal(code, 0, stderr);
});
after(async () => {
  rmSync(directory, { recursive: true, force: true });
  await second?.end();
  await first.end();
});

async function json(args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await first.bureau([...args, '--json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function refused(args: readonly string[], says: RegExp): Promise<void> {
  const { code, stderr } = await first.bureau(args);
  assert.notEqual(code, 0, args.join(' '));
  assert.match(stderr, says);
}

async function condition(): Promise<unknown> {
  return (await json(['machine', 'show', MACHINE]))['condition'];
}

const userOf = (): string => `@${MACHINE}:${first.facts.server_name}`;
const invitation = (name: string): { path: string; password: () => string } => {
  const path = join(directory, name);
  return { path, password: () => (JSON.parse(readFileSync(path, 'utf8')) as { one_time_password: string }).one_time_password };
};

async function logIn(password: string): Promise<{ status: number; token: string }> {
  const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user: MACHINE }, password };
  const answer = await first.matrix('/_matrix/client/v3/login', { method: 'POST', body });
  return { status: answer.status, token: String(answer.body['access_token'] ?? '') };
}

async function tokenStatus(token: string): Promise<number> {
  return (await first.matrix('/_matrix/client/v3/account/whoami', { token })).status;
}

function sessionOf(stand: Stand): string {
  return (JSON.parse(readFileSync(`${stand.paths.daemonStateDirectory}/session.json`, 'utf8')) as { accessToken: string }).accessToken;
}

function payloads(stand: Stand): number {
  return stand.processes().filter(({ role, zombie }) => role.startsWith('payload:') && !zombie).length;
}

describe('a second machine', () => {
  const one = invitation('one.json');
  let password: string;

  test('is provisioned into a file that root alone reads, once', async () => {
    await json(['machine', 'provision', MACHINE, '--out', one.path]);
    assert.equal(statSync(one.path).mode & 0o777, 0o600);
    password = one.password();
    assert.equal(await condition(), 'expected');
    await refused(['machine', 'provision', MACHINE, '--out', join(directory, 'other.json')], /--again/);
    await refused(['machine', 'provision', MACHINE, '--again', '--out', one.path], /is there already/);
    await refused(['machine', 'confirm', MACHINE], /has not published a key/);
    assert.ok(!(await first.bureau(['machine', 'show', MACHINE, '--json'])).stdout.includes(password));
  });

  test('comes with that file, which is gone then, as its password is', async () => {
    second = await startStand({ demo: false, args: ['--join', one.path] });
    assert.equal(second.facts.machine, userOf());
    assert.ok(!existsSync(one.path));
    assert.equal((await logIn(password)).status, 403);
    assert.equal(await tokenStatus(sessionOf(second)), 200);
    assert.ok(!second.processes().some(({ role }) => role === 'homeserver'), 'it has no homeserver of its own');
    for (const log of ['stand', 'launcher', 'daemon'])
      assert.ok(!readFileSync(second.paths.processLog(log), 'utf8').includes(password), log);
    assert.ok(!second.first.stderr.includes(password));
  });

  test('has its key pinned by operators: none but the one that it published after it was provisioned', async () => {
    assert.equal(await condition(), 'unconfirmed');
    await refused(['machine', 'confirm', MACHINE, '--recipient', 'age1another'], /another key/);
    const { outcome, recipient } = await json(['machine', 'confirm', MACHINE]);
    assert.equal(outcome, 'pinned');
    assert.equal((await json(['machine', 'confirm', MACHINE, '--recipient', String(recipient)]))['outcome'], 'known');
    await until('it says its load', START_MILLISECONDS, async () => (await condition()) === 'ready');
    const machines = (await json(['machine', 'list']))['machines'] as { machine: string; condition: string }[];
    assert.deepEqual(
      machines.map(({ condition: how }) => how),
      ['ready', 'ready'],
    );
  });

  test('runs an agent for an operator who brought credentials and keys along', async () => {
    assert.ok(second !== undefined);
    for (const key of ['credentialFile', 'operatorKeyFile', 'escrowKeyFile'] as const) copyFileSync(first.paths[key], second.paths[key]);
    const { code, stderr } = await second.bureau(['agent', 'deploy', 'second/agent', '--', 'sleep', '1000']);
    assert.equal(code, 0, stderr);
    assert.ok(payloads(second) > 0 && payloads(first) > 0);
    for (const key of ['credentialFile', 'operatorKeyFile', 'escrowKeyFile'] as const) rmSync(second.paths[key]);
  });

  test('runs an agent that was deployed from afar, sealed for it alone, and from nowhere else at the same time', async () => {
    assert.ok(second !== undefined);
    await second.leaks.atRest();
    const before = payloads(second);
    const { code, stdout, stderr } = await first.bureau([
      'agent',
      'deploy',
      'second/far',
      '--machine',
      'second',
      '--json',
      '--',
      'sleep',
      '1000',
    ]);
    assert.equal(code, 0, stderr);
    assert.equal((JSON.parse(stdout) as { status: { state: string } }).status.state, 'running');
    assert.ok(payloads(second) > before);
    await refused(
      ['agent', 'deploy', 'first/agent', '--machine', 'second', '--', 'true'],
      /is assigned to machine\/first|is assigned to machine/,
    );
    await refused(['agent', 'deploy', 'second/far', '--', 'true'], /is assigned to machine\/second/);
    await refused(['agent', 'deploy', 'second/x', '--machine', 'nobody', '--', 'true'], /There is no machine machine\/nobody/);
    const { agents } = await json(['agent', 'list']);
    const stand = second;
    await json(['agent', 'remove', 'second/far', '--machine', 'second']);
    await until('it has ended there', START_MILLISECONDS, () => payloads(stand) === before);
    assert.ok(!(agents as { principal: string }[]).some(({ principal }) => principal === 'second/far'), 'nothing of it is here');
  });

  test('that says another key is refused loudly', async () => {
    assert.ok(second !== undefined);
    const { room_id: room, recipient } = await json(['machine', 'show', MACHINE]);
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(String(room))}/state/m.bureau.machine_key/${encodeURIComponent(userOf())}`;
    const publish = async (key: unknown): Promise<number> =>
      (
        await first.matrix(path, {
          method: 'PUT',
          token: sessionOf(second as Stand),
          body: { v: 1, algorithm: 'age-x25519', recipient: key },
        })
      ).status;
    assert.equal(await publish(`${String(recipient).slice(0, -4)}qqqq`), 200);
    assert.equal(await condition(), 'key_changed');
    await refused(['machine', 'confirm', MACHINE], /another key than the pinned one/);
    await refused(['agent', 'deploy', 'second/late', '--machine', 'second', '--', 'true'], /another key than the pinned one/);
    assert.equal(await publish(recipient), 200);
    assert.equal(await condition(), 'ready');
  });

  test('is not let in with a password that somebody else has used before', async () => {
    assert.ok(second !== undefined);
    const stolen = invitation('stolen.json');
    const former = sessionOf(second);
    await json(['machine', 'provision', MACHINE, '--again', '--out', stolen.path]);
    assert.equal(await tokenStatus(former), 401, 'provisioning again ends its session');
    const thief = await logIn(stolen.password());
    assert.equal(thief.status, 200);
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: MACHINE }, password: stolen.password() };
    const change = { new_password: 'the thief’s own password', logout_devices: false, auth };
    assert.equal(
      (await first.matrix('/_matrix/client/v3/account/password', { method: 'POST', token: thief.token, body: change })).status,
      200,
    );
    const up = await second.up(['--no-demo', '--join', stolen.path]);
    assert.notEqual(up.code, 0);
    assert.match(up.stderr, /used already.*provision machine\/second again/);

    const fresh = invitation('fresh.json');
    await json(['machine', 'provision', MACHINE, '--again', '--out', fresh.path]);
    assert.equal(await tokenStatus(thief.token), 401);
    await refused(['machine', 'confirm', MACHINE], /earlier provisioning/);
    const again = await second.up(['--no-demo', '--join', fresh.path]);
    assert.equal(again.code, 0, again.stderr);
    assert.equal((await json(['machine', 'confirm', MACHINE]))['outcome'], 'pinned');
  });

  test('that is revoked from the first ends what it runs, and the first goes on', async () => {
    const stand = second;
    assert.ok(stand !== undefined);
    await until('its agent runs again', START_MILLISECONDS, () => payloads(stand) > 0);
    await json(['machine', 'revoke', MACHINE, '--reason', 'a test']);
    assert.equal(await tokenStatus(sessionOf(stand)), 401);
    await until('nothing runs there', START_MILLISECONDS, () => payloads(stand) === 0);
    assert.ok(payloads(first) > 0);
    const operator = readCredentials(first.facts.credential_file).get('MATRIX_ADMIN_TOKEN') ?? '';
    assert.equal(await tokenStatus(operator), 200);
  });
});

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { readCredentials, startStand, until, type Stand } from '@bureau/testkit';

const ANSWER_MILLISECONDS = 30_000;
/** Names of the two agents that a stranger would like to have. */
const [ONE, TWO] = ['hostile/one', 'hostile/two'];

let stand: Stand;
before(async () => {
  stand = await startStand({ demo: false });
  for (const name of [ONE, TWO]) {
    const { code, stderr } = await stand.bureau(['agent', 'deploy', name, '--', 'sleep', '1000']);
    assert.equal(code, 0, stderr);
  }
});
after(async () => await stand.end());

describe('a hostile user of the homeserver', () => {
  let intruder: { user: string; token: string };
  let configRoom: string;
  before(async () => {
    const token = readCredentials(stand.facts.credential_file).get('MATRIX_REGISTRATION_TOKEN') ?? '';
    intruder = await register('mallory', token);
    configRoom = encodeURIComponent(JSON.parse(readFileSync(stand.paths.machineFile, 'utf8')).configRoom as string);
  });

  async function register(username: string, registrationToken: string): Promise<{ user: string; token: string }> {
    const body = { username, password: 'correct horse battery staple', inhibit_login: false };
    // Without a header: Synapse refuses even an empty token here.
    const ask = async (auth: object | undefined): Promise<{ status: number; body: Record<string, unknown> }> => {
      const answer = await fetch(`${stand.facts.homeserver}/_matrix/client/v3/register`, {
        method: 'POST',
        body: JSON.stringify({ ...body, ...(auth === undefined ? {} : { auth }) }),
        signal: AbortSignal.timeout(ANSWER_MILLISECONDS),
      });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    };
    const { session } = (await ask(undefined)).body;
    let answer = await ask({ type: 'm.login.registration_token', token: registrationToken, session });
    if (answer.status === 401) answer = await ask({ type: 'm.login.dummy', session });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return { user: answer.body['user_id'] as string, token: answer.body['access_token'] as string };
  }

  const as = (path: string, method = 'GET', body?: unknown): ReturnType<Stand['matrix']> =>
    stand.matrix(`/_matrix/client/v3${path}`, { method, token: intruder.token, ...(body === undefined ? {} : { body }) });

  test('has an account that works (the positive control)', async () => {
    assert.deepEqual((await as('/account/whoami')).body['user_id'], intruder.user);
    assert.equal((await as('/createRoom', 'POST', {})).status, 200);
  });

  test('reads and writes nothing of the config room', async () => {
    const assignment = { v: 1, principal: 'hostile/mallory', command: ['id'] };
    const answers = await Promise.all([
      as(`/join/${configRoom}`, 'POST', {}),
      as(`/rooms/${configRoom}/state`),
      as(`/rooms/${configRoom}/messages?dir=b`),
      as(`/rooms/${configRoom}/state/m.bureau.credentials/${encodeURIComponent(ONE)}`),
      as(`/rooms/${configRoom}/state/m.bureau.assignment/${encodeURIComponent('hostile/mallory')}`, 'PUT', assignment),
      as(`/rooms/${configRoom}/send/m.room.message/1`, 'PUT', { msgtype: 'm.text', body: 'x' }),
      as(`/rooms/${configRoom}/invite`, 'POST', { user_id: intruder.user }),
      as(`/knock/${configRoom}`, 'POST', {}),
    ]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      answers.map(() => 403),
      JSON.stringify(answers),
    );
  });

  test('takes no alias of ours', async () => {
    const mine = (await as('/createRoom', 'POST', {})).body['room_id'] as string;
    for (const alias of ['#machine/other:bureau.local', '#bureau/fleet/x:bureau.local', '#hostile/one/general:bureau.local']) {
      const { status } = await as(`/directory/room/${encodeURIComponent(alias)}`, 'PUT', { room_id: mine });
      assert.equal(status, 403, alias);
    }
    assert.equal((await as('/createRoom', 'POST', { room_alias_name: 'machine/other' })).status, 403);
  });

  test('makes the machine run nothing from a room of its own', async () => {
    const machine = stand.facts.machine;
    const room = encodeURIComponent(
      (await as('/createRoom', 'POST', { invite: [machine], preset: 'public_chat' })).body['room_id'] as string,
    );
    const content = { v: 1, principal: 'hostile/mallory', command: ['sleep', '4242'] };
    assert.equal(
      (await as(`/rooms/${room}/state/m.bureau.assignment/${encodeURIComponent('hostile/mallory')}`, 'PUT', content)).status,
      200,
    );
    // An operator's change after it is done: so the machine has seen the other one by then, had it looked.
    assert.equal((await stand.bureau(['agent', 'restart', TWO])).code, 0);
    const { agents } = JSON.parse((await stand.bureau(['agent', 'list', '--json'])).stdout) as { agents: { principal: string }[] };
    assert.ok(!agents.some(({ principal }) => principal === 'hostile/mallory'));
    assert.ok(!stand.processes().some(({ args }) => args.includes('4242')));
  });
});

describe('assignments with hostile content block their own principal alone', () => {
  let configRoom: string;
  before(() => void (configRoom = encodeURIComponent(JSON.parse(readFileSync(stand.paths.machineFile, 'utf8')).configRoom as string)));
  after(async () => {
    for (const key of written) await put(key, {});
  });
  const written = new Set<string>();

  async function put(key: string, content: unknown): Promise<number> {
    written.add(key);
    const path = `/_matrix/client/v3/rooms/${configRoom}/state/m.bureau.assignment/${encodeURIComponent(key)}`;
    return (await stand.matrix(path, { method: 'PUT', body: content })).status;
  }

  const good = (principal: string): Record<string, unknown> => ({ v: 1, principal, command: ['sleep', '1000'] });
  const cases: readonly [key: string, content: Record<string, unknown>, message: RegExp | undefined][] = [
    ['bad/types', { ...good('bad/types'), command: 'rm -rf /' }, /command/],
    ['bad/version', { ...good('bad/version'), v: 2 }, /newer Bureau \(version 2\)/],
    ['bad/number', { v: 1, principal: 7, command: [['x']] }, /principal|command/],
    ['bad/other', good('hostile/two'), /another principal/],
    ['bad/template', { ...good('bad/template'), template: '../../etc/passwd' }, /template/],
    ['bad/generation', { ...good('bad/generation'), generation: -1 }, /generation/],
    ['bad/big', { ...good('bad/big'), command: ['x'.repeat(58_000)] }, /./],
    ['bad/environment', { ...good('bad/environment'), environment: { 'A=B': 'x', LD_PRELOAD: '/x' } }, /environment/],
    ['bad/nul', { ...good('bad/nul'), command: ['a\u0000b'] }, /./],
    ['bad/keyless', good('bad/keyless'), /no_credentials|credential/],
    // No principal's name: nothing can be said about them, and nothing is.
    ['../../etc/passwd', good('../../etc/passwd'), undefined],
    ['machine/vm', good('machine/vm'), undefined],
    ['__proto__', good('__proto__'), undefined],
    ['', good('hostile/two'), undefined],
  ];

  test('each says why, nobody else notices, and the machine goes on', async () => {
    await stand.leaks.atRest();
    const before = stand.lasting(/^(payload|relay|daemon|launcher)/);
    for (const [key, content] of cases) assert.equal(await put(key, content), 200, key);
    const deployed = await stand.bureau(['agent', 'deploy', 'hostile/after', '--', 'sleep', '1000']);
    assert.equal(deployed.code, 0, deployed.stderr);
    const said = cases.flatMap(([key, , message]) => (message === undefined ? [] : [key]));
    const principals = await until('each of them to be judged', ANSWER_MILLISECONDS, async () => {
      const { stdout } = await stand.bureau(['machine', 'status', '--json']);
      const all = JSON.parse(stdout).daemon.status.principals as { principal: string; state: string; message?: string }[];
      const judged = all.filter(({ principal, state }) => said.includes(principal) && state !== 'pending' && state !== 'starting');
      return judged.length === said.length && all;
    });
    for (const [key, , message] of cases) {
      const found = principals.find(({ principal }) => principal === key);
      if (message === undefined) {
        assert.equal(found, undefined, key);
        continue;
      }
      assert.equal(found?.state, 'blocked', `${key}: ${JSON.stringify(found)}`);
      assert.match(found.message ?? '', message, key);
    }
    const alive = stand.lasting();
    assert.deepEqual(
      before.filter((each) => !alive.includes(each)),
      [],
    );
  });
});

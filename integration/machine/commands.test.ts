// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { readCredentials, startStand, until, type Stand } from '@bureau/testkit';

const ANSWER_MILLISECONDS = 60_000;
const AGENT = 'asked/agent';

let stand: Stand;
let machine: string;
let room: string;

before(async () => {
  stand = await startStand({ demo: false });
  machine = stand.facts.machine.slice(1).split(':')[0] ?? '';
  room = encodeURIComponent((JSON.parse(readFileSync(stand.paths.machineFile, 'utf8')) as { configRoom: string }).configRoom);
  const { code, stderr } = await stand.bureau(['agent', 'deploy', AGENT, '--', 'sh', '-c', 'while :; do :; done']);
  assert.equal(code, 0, stderr);
});
after(async () => await stand.end());

async function json(args: readonly string[], code = 0): Promise<Record<string, unknown>> {
  const result = await stand.bureau([...args, '--json']);
  assert.equal(result.code, code, result.stderr);
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

function payload(): number | undefined {
  return stand.processes().find(({ role, zombie, program }) => role.startsWith('payload:') && !zombie && program === 'sh')?.pid;
}

/** The machine's answers, by the event that they answer. */
async function answers(): Promise<Map<string, { code?: string; status: string }[]>> {
  const { body } = await stand.matrix(`/_matrix/client/v3/rooms/${room}/messages?dir=b&limit=200`);
  const found = new Map<string, { code?: string; status: string }[]>();
  for (const { sender, content } of body['chunk'] as { sender: string; content: Record<string, unknown> }[]) {
    if (sender !== stand.facts.machine || content['msgtype'] !== 'm.bureau.command_result') continue;
    const event = (content['m.relates_to'] as { event_id: string }).event_id;
    found.set(event, [...(found.get(event) ?? []), content as { status: string }]);
  }
  return found;
}

describe('what a machine says of itself', () => {
  test('its hardware and its load, with what each agent uses, are in its room; a label is there when it was set', async () => {
    // Its first look comes soon after its start, with the agent in it.
    process.kill(stand.process('daemon').pid, 'SIGTERM');
    const shown = await until('the load of the agent', ANSWER_MILLISECONDS, async () => {
      const found = await json(['machine', 'show', machine]);
      const load = found['load'] as { principals: { principal: string; cpuPercent: number; memoryBytes: number }[] } | null;
      return load !== null && load.principals.length > 0 ? { ...found, load } : undefined;
    });
    const [first] = shown.load.principals;
    assert.equal(first?.principal, AGENT);
    assert.ok(first.cpuPercent > 0 && first.memoryBytes > 0, JSON.stringify(first));
    assert.ok((shown as unknown as { info: { cpu: { threads: number } } }).info.cpu.threads > 0);
    assert.deepEqual((await json(['machine', 'label', machine, 'gpu=mi300', 'ssd']))['labels'], { gpu: 'mi300', ssd: '' });
    assert.deepEqual((await json(['machine', 'label', machine, '--remove', 'ssd']))['labels'], { gpu: 'mi300' });
    const { machines } = (await json(['machine', 'list'])) as { machines: { condition: string; labels: object; agents: number }[] };
    assert.deepEqual(
      machines.map(({ condition, labels, agents }) => [condition, labels, agents]),
      [['ready', { gpu: 'mi300' }, 1]],
    );
    assert.equal((await stand.bureau(['machine', 'label', machine, 'BAD KEY=x'])).code, 2);
    assert.equal((await stand.bureau(['machine', 'show', 'nobody'])).code, 2);
  });
});

describe('commands in the config room', () => {
  let member: { user: string; token: string };

  before(async () => {
    member = await register('low');
    assert.equal((await operator(`/rooms/${room}/invite`, 'POST', { user_id: member.user })).status, 200);
    assert.equal((await as(member.token, `/rooms/${room}/join`, 'POST', {})).status, 200);
  });

  const as = (token: string, path: string, method = 'GET', body?: unknown): ReturnType<Stand['matrix']> =>
    stand.matrix(`/_matrix/client/v3${path}`, { method, token, ...(body === undefined ? {} : { body }) });
  const operator = (path: string, method = 'GET', body?: unknown): ReturnType<Stand['matrix']> =>
    as(readCredentials(stand.facts.credential_file).get('MATRIX_ADMIN_TOKEN') ?? '', path, method, body);

  async function register(username: string): Promise<{ user: string; token: string }> {
    const registration = readCredentials(stand.facts.credential_file).get('MATRIX_REGISTRATION_TOKEN') ?? '';
    const ask = async (auth: object | undefined): Promise<{ status: number; body: Record<string, unknown> }> => {
      const body = { username, password: 'correct horse battery staple', ...(auth === undefined ? {} : { auth }) };
      const answer = await fetch(`${stand.facts.homeserver}/_matrix/client/v3/register`, { method: 'POST', body: JSON.stringify(body) });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    };
    const { session } = (await ask(undefined)).body;
    let answer = await ask({ type: 'm.login.registration_token', token: registration, session });
    if (answer.status === 401) answer = await ask({ type: 'm.login.dummy', session });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return { user: answer.body['user_id'] as string, token: answer.body['access_token'] as string };
  }

  let sent = 0;
  async function send(token: string | undefined, content: Record<string, unknown>, to = room): Promise<{ status: number; event: string }> {
    sent += 1;
    const path = `/rooms/${to}/send/m.room.message/test${sent}`;
    const { status, body } = token === undefined ? await operator(path, 'PUT', content) : await as(token, path, 'PUT', content);
    return { status, event: String(body['event_id'] ?? '') };
  }
  const restart = (request: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
    msgtype: 'm.bureau.command',
    body: 'agent.restart',
    v: 1,
    command: 'agent.restart',
    machine: stand.facts.machine,
    request,
    parameters: { principal: AGENT },
    ...more,
  });

  async function answered(event: string): Promise<string> {
    const found = await until(`an answer to ${event}`, ANSWER_MILLISECONDS, async () => (await answers()).get(event));
    assert.equal(found.length, 1, 'one answer');
    return found[0]?.code ?? found[0]?.status ?? '';
  }

  test('tell what runs and restart it, by the command line and by plain curl', async () => {
    const listed = await json(['machine', 'command', machine, 'agent.list']);
    assert.match(String(listed['body']), /^asked\/agent running/);
    assert.equal((await json(['machine', 'command', machine, 'machine.plan']))['body'], 'nothing to do: all is as desired');
    const former = payload();
    assert.ok(former !== undefined);
    const { event } = await send(undefined, restart('by-plain-curl'));
    assert.equal(await answered(event), 'success');
    await until('another process of the agent', ANSWER_MILLISECONDS, () => payload() !== undefined && payload() !== former);
    const refused = await json(['machine', 'command', machine, 'agent.show', 'principal=no/body'], 1);
    assert.equal(refused['code'], 'not_found');
  });

  test('stop an agent and let it run again; stopped it stays over kill -9 of daemon and launcher, and a new generation ends that too', async () => {
    const ask = (command: string, code = 0): Promise<Record<string, unknown>> =>
      json(['machine', 'command', machine, command, `principal=${AGENT}`], code);
    assert.equal((await ask('agent.start', 1))['code'], 'not_halted');
    assert.equal((await ask('agent.stop'))['status'], 'success');
    assert.equal(payload(), undefined);
    const state = async (): Promise<{ state: string; message?: string } | undefined> => {
      const { code, stdout } = await stand.bureau(['agent', 'show', AGENT, '--json']);
      return code === 0 ? ((JSON.parse(stdout) as { status: { state: string; message?: string } | null }).status ?? undefined) : undefined;
    };
    await until('it is stopped', ANSWER_MILLISECONDS, async () => (await state())?.state === 'stopped');
    assert.match((await state())?.message ?? '', /stopped by a command of @bureau-admin:/);
    for (const role of ['daemon', 'launcher']) process.kill(stand.process(role).pid, 'SIGKILL');
    await until('the next ones know it too', ANSWER_MILLISECONDS, async () => {
      const plan = await stand.bureau(['machine', 'plan', '--json']);
      return (
        plan.code === 0 && (JSON.parse(plan.stdout) as { actions: unknown[] }).actions.length === 0 && (await state())?.state === 'stopped'
      );
    });
    assert.equal(payload(), undefined);
    assert.equal((await ask('agent.start'))['status'], 'success');
    await until('it runs again', ANSWER_MILLISECONDS, () => payload() !== undefined);

    assert.equal((await ask('agent.stop'))['status'], 'success');
    const { code, stderr } = await stand.bureau(['agent', 'restart', AGENT]);
    assert.equal(code, 0, stderr);
    await until('a new generation', ANSWER_MILLISECONDS, () => payload() !== undefined);
    assert.equal((await send(member.token, restart('low-member-stop', { command: 'agent.stop' }))).status, 403);
  });

  test('are taken from nobody else: a member without power, with power lent to speak alone, from another room', async () => {
    const former = payload();
    assert.equal((await send(member.token, restart('low-member-1'))).status, 403, 'the homeserver itself refuses it');

    // The guard behind that one: a room in which everybody may speak.
    const levels = (await operator(`/rooms/${room}/state/m.room.power_levels`)).body;
    const opened = { ...levels, events_default: 0 };
    assert.equal((await operator(`/rooms/${room}/state/m.room.power_levels`, 'PUT', opened)).status, 200);
    const forged = restart('low-member-2', {
      sender: `@bureau-admin:${stand.facts.server_name}`,
      user_id: `@bureau-admin:${stand.facts.server_name}`,
    });
    const low = await send(member.token, forged);
    assert.equal(low.status, 200);
    assert.equal(await answered(low.event), 'forbidden');

    const other = (await as(member.token, '/createRoom', 'POST', { preset: 'public_chat', invite: [stand.facts.machine] })).body[
      'room_id'
    ] as string;
    assert.equal((await send(member.token, restart('other-room-1'), encodeURIComponent(other))).status, 200);

    // The control: the same member, risen to an operator's level, is obeyed; but not for what was sent before.
    const raised = { ...opened, users: { ...(levels['users'] as object), [member.user]: 100 } };
    assert.equal((await operator(`/rooms/${room}/state/m.room.power_levels`, 'PUT', raised)).status, 200);
    const high = await send(member.token, restart('low-member-3'));
    assert.equal(await answered(high.event), 'success');
    await until('the agent is another process', ANSWER_MILLISECONDS, () => payload() !== undefined && payload() !== former);
    assert.equal((await operator(`/rooms/${room}/state/m.room.power_levels`, 'PUT', levels)).status, 200);
    const all = await answers();
    assert.equal(all.get(low.event)?.length, 1);
  });

  test('are carried out once, whatever is sent again and whoever is restarted; those of a daemon that was away are carried out when it is back', async () => {
    const first = await send(undefined, restart('once-and-only'));
    assert.equal(await answered(first.event), 'success');
    await until('it runs again', ANSWER_MILLISECONDS, () => payload() !== undefined);
    const { pid } = stand.process('daemon');
    process.kill(pid, 'SIGSTOP');
    const repeated = await send(undefined, restart('once-and-only'));
    const meanwhile = await send(undefined, restart('while-it-was-away', { command: 'agent.show' }));
    process.kill(pid, 'SIGKILL');
    assert.equal(await answered(meanwhile.event), 'success');
    assert.equal(await answered(repeated.event), 'request_repeated');
    const all = await answers();
    assert.equal(all.get(first.event)?.length, 1);
    const audits = readFileSync(stand.paths.processLog('daemon'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('"audit"') && line.includes('command agent.restart'));
    assert.ok(audits.length >= 4, `${audits.length} audit records`);
  });
});

describe('what operators say of a machine', () => {
  const NEW = 'asked/later';

  async function stateOf(principal: string): Promise<string | undefined> {
    const { agents } = (await json(['agent', 'list'])) as { agents: { principal: string; state: string }[] };
    return agents.find((each) => each.principal === principal)?.state;
  }

  test('cordon: what runs goes on, nothing new is started; drain: nothing runs; uncordon: everything does', async () => {
    const former = await until('the agent runs', ANSWER_MILLISECONDS, () => payload());
    await json(['machine', 'cordon', machine]);
    const { code, stderr } = await stand.bureau(['agent', 'deploy', NEW, '--no-wait', '--', 'sleep', '1000']);
    assert.equal(code, 0, stderr);
    await until('the new one is held', ANSWER_MILLISECONDS, async () => (await stateOf(NEW)) === 'pending');
    assert.equal(payload(), former);
    assert.equal((await json(['machine', 'show', machine]))['condition'], 'cordoned');

    await json(['machine', 'drain', machine]);
    await until(
      'nothing runs',
      ANSWER_MILLISECONDS,
      () => !stand.processes().some(({ role, zombie }) => role.startsWith('payload:') && !zombie),
    );
    assert.equal((await json(['machine', 'command', machine, 'machine.status']))['status'], 'success');

    await json(['machine', 'uncordon', machine]);
    await until('both run', ANSWER_MILLISECONDS, async () => (await stateOf(AGENT)) === 'running' && (await stateOf(NEW)) === 'running');
  });

  test('doctor finds all well, an agent in the config room, and takes it out', async () => {
    assert.equal((await stand.bureau(['machine', 'doctor'])).code, 0);
    const agent = `@${AGENT}:${stand.facts.server_name}`;
    assert.equal((await stand.matrix(`/_matrix/client/v3/rooms/${room}/invite`, { method: 'POST', body: { user_id: agent } })).status, 200);
    const found = await json(['machine', 'doctor'], 1);
    assert.deepEqual(
      (found['checks'] as { name: string; status: string }[]).filter(({ status }) => status === 'fail').map(({ name }) => name),
      [`${machine} agents`],
    );
    await json(['machine', 'doctor', '--fix']);
    assert.equal((await stand.bureau(['machine', 'doctor'])).code, 0);
  });

  test('decommission drains it, ends its session and takes its agents away', async () => {
    const { accessToken } = JSON.parse(readFileSync(`${stand.paths.daemonStateDirectory}/session.json`, 'utf8')) as { accessToken: string };
    const said = await json(['machine', 'decommission', machine]);
    assert.deepEqual(said['principals'], [AGENT, NEW]);
    assert.ok(!stand.processes().some(({ role, zombie }) => role.startsWith('payload:') && !zombie));
    assert.equal((await stand.matrix('/_matrix/client/v3/account/whoami', { token: accessToken })).status, 401);
    const { condition, assigned } = await json(['machine', 'show', machine]);
    assert.deepEqual([condition, assigned], ['decommissioned', []]);
  });
});

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CHECKOUT, readCredentials, runCommand, startStand, until, type Stand } from '@bureau/testkit';

const WAIT_MILLISECONDS = 60_000;
/** A homeserver needs its time to start, and a daemon that lost it asks again after a pause. */
const RECOVERY_MILLISECONDS = 150_000;
const AGENTS = Array.from({ length: 10 }, (_, at) => `curl/agent${at}`);
/** Argument of every payload; the agent's number follows. */
const WORD = '77770';

let stand: Stand;
before(async () => {
  stand = await startStand({ demo: false });
  // Keys are sealed before, which takes our tool; what runs is said without it.
  for (const agent of AGENTS) {
    const { code, stderr } = await stand.bureau(['credential', 'provision', agent]);
    assert.equal(code, 0, stderr);
  }
});
after(async () => await stand.end());

/** The lines that `docs/operations.md` tells a person to type. */
function documented(): string {
  const text = readFileSync(join(CHECKOUT, 'docs/operations.md'), 'utf8');
  const [, block] = /## With curl alone\n[^]*?```sh\n([^]*?)```/.exec(text) ?? [];
  assert.ok(block !== undefined, 'docs/operations.md has a section "With curl alone" with a block of sh');
  return block;
}

/** Types them for an agent, with a person's values in the places that they leave open. */
async function typeDocumented(agent: string, content: object): Promise<void> {
  const { configRoom } = JSON.parse(readFileSync(stand.paths.machineFile, 'utf8')) as { configRoom: string };
  const env = {
    HOMESERVER: stand.facts.homeserver,
    TOKEN: readCredentials(stand.facts.credential_file).get('MATRIX_ADMIN_TOKEN') ?? '',
    ROOM: encodeURIComponent(configRoom),
    AGENT: encodeURIComponent(agent),
    CONTENT: JSON.stringify(content),
  };
  const { code, stdout, stderr } = await runCommand('/bin/sh', ['-ec', documented()], { env });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /"event_id":"\$/);
}

async function planned(): Promise<number | undefined> {
  const { code, stdout } = await stand.bureau(['machine', 'plan', '--json']);
  return code === 0 ? (JSON.parse(stdout) as { actions: unknown[] }).actions.length : undefined;
}

/** Agents of which a payload runs, each as often as it does. */
function running(): string[] {
  return stand
    .processes()
    .flatMap(({ args, zombie, program }) => (zombie || program !== 'sleep' ? [] : args.filter((word) => word.startsWith(WORD))))
    .toSorted();
}

test('ten agents deployed by editing one room with curl, while daemon and launcher are killed; the plan empties itself', async (t) => {
  const began = Date.now();
  let most = 0;
  for (const [at, agent] of AGENTS.entries()) {
    await typeDocumented(agent, { v: 1, principal: agent, command: ['sleep', `${WORD}${at}`] });
    most = Math.max(most, (await planned()) ?? 0);
    // Under load: what was just asked for is being made.
    if (at === 3) process.kill(stand.process('daemon').pid, 'SIGKILL');
    if (at === 6) process.kill(stand.process('launcher').pid, 'SIGKILL');
  }
  const wanted = AGENTS.map((_, at) => `${WORD}${at}`);
  await until(
    'ten run and nothing is left to do',
    WAIT_MILLISECONDS,
    async () => running().join() === wanted.join() && (await planned()) === 0,
  );
  t.diagnostic(`${Date.now() - began} ms from the first request; at most ${most} actions were seen to be planned`);
  assert.match((await stand.bureau(['machine', 'plan'])).stdout, /nothing to do: all is as desired/);
  const { agents } = JSON.parse((await stand.bureau(['agent', 'list', '--json'])).stdout) as {
    agents: { principal: string; state: string }[];
  };
  assert.deepEqual(
    agents.map(({ principal, state }) => `${principal} ${state}`).toSorted(),
    AGENTS.map((agent) => `${agent} running`),
  );
});

/** The process that runs for each agent, by the number of its agent. */
function payloads(): Map<number, number> {
  return new Map(
    stand.processes().flatMap(({ args, pid, program, zombie }) => {
      const word = args.find((each) => each.startsWith(WORD));
      return zombie || program !== 'sleep' || word === undefined ? [] : [[Number(word.slice(WORD.length)), pid] as const];
    }),
  );
}

/** The role of the part of a sandbox that serves an agent. */
function partOf(agent: number, part: 'proxy' | 'relay'): string {
  const pid = payloads().get(agent);
  const role = stand.processes().find((each) => each.pid === pid)?.role ?? '';
  return role.replace(/^payload/, part);
}

test('each process is killed in turn, just when an agent was edited with curl: the edit arrives, and nobody else is touched', async (t) => {
  const victims = [() => 'daemon', () => 'launcher', () => 'homeserver', () => partOf(8, 'proxy'), () => partOf(9, 'relay')];
  for (const [round, victim] of victims.entries()) {
    const role = victim();
    await until('the homeserver answers', RECOVERY_MILLISECONDS, () => stand.homeserverAnswers());
    const before = payloads();
    assert.equal(before.size, AGENTS.length, `all run before ${role} is killed`);
    const agent = AGENTS[round] ?? '';
    const began = Date.now();
    await typeDocumented(agent, { v: 1, principal: agent, command: ['sleep', `${WORD}${round}`], environment: { ROUND: String(round) } });
    process.kill(stand.process(role).pid, 'SIGKILL');
    const lost = new Set([round, ...(role.startsWith('relay') ? [9] : [])]);
    await until(`all run after ${role} was killed, the edited one anew`, RECOVERY_MILLISECONDS, async () => {
      const now = payloads();
      return now.size === AGENTS.length && [...lost].every((each) => now.get(each) !== before.get(each)) && (await planned()) === 0;
    });
    const now = payloads();
    for (const [each, pid] of before) if (!lost.has(each)) assert.equal(now.get(each), pid, `${AGENTS[each]} was not touched by ${role}`);
    t.diagnostic(`${role}: all as wanted ${Date.now() - began} ms after the edit`);
  }
});

test('nine are ended with curl, and the tenth is told to stop; nobody else is touched', async () => {
  const [kept = '', stopped = '', ...others] = AGENTS;
  for (const agent of others) await typeDocumented(agent, {});
  await typeDocumented(stopped, { v: 1, principal: stopped, command: ['sleep', `${WORD}1`], desired: 'stopped' });
  await until(
    'one runs and nothing is left to do',
    WAIT_MILLISECONDS,
    async () => running().join() === `${WORD}0` && (await planned()) === 0,
  );
  const { stdout } = await stand.bureau(['agent', 'list']);
  assert.match(stdout, new RegExp(`${kept} +running`));
  assert.match(stdout, new RegExp(`${stopped} +stopped`));
});

test('what cannot be right is said for its own agent, and an agent without keys says what is missing', async () => {
  await typeDocumented('curl/wrong', { v: 1, principal: 'curl/wrong', command: 'sleep 1' });
  await typeDocumented('curl/keyless', { v: 1, principal: 'curl/keyless', command: ['sleep', '1'] });
  await until('both are blocked', WAIT_MILLISECONDS, async () => {
    const { stdout } = await stand.bureau(['agent', 'list']);
    return /curl\/wrong +blocked.*command/.test(stdout) && /curl\/keyless +blocked.*credential/.test(stdout);
  });
  assert.deepEqual(running(), [`${WORD}0`]);
});

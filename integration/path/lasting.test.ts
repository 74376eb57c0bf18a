// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startStand, until, type CommandResult, type Stand } from '@bureau/testkit';

const WAIT_MILLISECONDS = 30_000;
const STEADY = 'trap "exit 0" TERM; while :; do sleep 0.1; done';

interface Shown {
  readonly status: {
    readonly state: string;
    readonly message?: string;
    readonly generation?: number;
    readonly observedGeneration?: number;
    readonly exit?: { readonly code: number | null };
  } | null;
  readonly step: { readonly action: string; readonly until?: number } | null;
}

let stand: Stand;
/** The machine's room. */
let room: string;
before(async () => {
  stand = await startStand({ demo: false });
  room = (JSON.parse((await succeeds(['machine', 'status', '--json'])).stdout) as { daemon: { configRoom: string } }).daemon.configRoom;
});
afterEach(async () => {
  for (const { principal } of JSON.parse((await succeeds(['agent', 'list', '--json'])).stdout).agents as { principal: string }[])
    await stand.bureau(['agent', 'remove', principal]);
  await stand.assertUnchanged();
});
after(async () => await stand.end());

async function succeeds(words: readonly string[]): Promise<CommandResult> {
  const result = await stand.bureau(words);
  assert.equal(result.code, 0, `${words.join(' ')}: ${result.stderr}`);
  return result;
}

function deploy(principal: string, script: string, options: readonly string[]): Promise<CommandResult> {
  return stand.bureau(['agent', 'deploy', principal, ...options, '--', 'sh', '-c', script]);
}

async function show(principal: string): Promise<Shown> {
  return JSON.parse((await succeeds(['agent', 'show', principal, '--json'])).stdout) as Shown;
}

async function logOf(principal: string): Promise<string> {
  return (await succeeds(['agent', 'logs', principal])).stdout;
}

/** Kills the daemon; `meanwhile` happens while nothing brings it back. */
async function withoutDaemon(meanwhile: () => Promise<unknown> = async () => undefined): Promise<void> {
  const { pid } = stand.process('daemon');
  const manager = stand.process('stand').pid;
  process.kill(manager, 'SIGSTOP');
  try {
    process.kill(pid, 'SIGKILL');
    await meanwhile();
  } finally {
    process.kill(manager, 'SIGCONT');
  }
  await until('the daemon is back and in touch', WAIT_MILLISECONDS, async () => {
    const { code, stdout } = await stand.bureau(['machine', 'status', '--json']);
    return code === 0 && (JSON.parse(stdout) as { daemon: { sync: string } | null }).daemon?.sync === 'live';
  });
  assert.notEqual(stand.process('daemon').pid, pid);
}

/** What people were told of a principal in the machine's room. */
async function told(principal: string): Promise<string[]> {
  const { stdout } = await succeeds(['matrix', 'messages', room, '--json']);
  const { events } = JSON.parse(stdout) as { events: { content?: { msgtype?: string; body?: string } }[] };
  return events.flatMap(({ content }) =>
    content?.msgtype === 'm.bureau.notification' && content.body?.includes(principal) === true ? [content.body] : [],
  );
}

test('a job that has ended stays ended: over kill -9 of the daemon and of the launcher, script/up, an edit; not over a new generation', async () => {
  const deployed = await deploy('team/job', 'echo ran', ['--restart', 'never']);
  assert.equal(deployed.code, 0, deployed.stderr);
  const { stdout } = await succeeds(['agent', 'wait', 'team/job', '--for', 'completed', '--json']);
  assert.equal(JSON.parse(stdout).status.exit.code, 0);
  await withoutDaemon();
  process.kill(stand.process('launcher').pid, 'SIGKILL');
  assert.equal((await stand.up()).code, 0);
  await until('completed again', WAIT_MILLISECONDS, async () => (await show('team/job')).status?.state === 'completed');
  const edited = { v: 1, principal: 'team/job', restart: 'never', command: ['sh', '-c', 'echo edited'] };
  await succeeds(['matrix', 'state', 'set', room, 'm.bureau.assignment', JSON.stringify(edited), '--key', 'team/job']);
  await withoutDaemon();
  await until('and still, for the next daemon', WAIT_MILLISECONDS, async () => (await show('team/job')).status?.state === 'completed');
  const { status, step } = await show('team/job');
  assert.deepEqual([status?.state, status?.generation, status?.observedGeneration, step], ['completed', 0, 0, null]);
  assert.equal((await logOf('team/job')).match(/ran|edited/g)?.join(), 'ran');

  assert.equal((await stand.bureau(['agent', 'restart', 'team/job'])).code, 0, 'the control: a raised generation runs it');
  await succeeds(['agent', 'wait', 'team/job', '--for', 'completed']);
  assert.match(await logOf('team/job'), /edited/);
});

test('a condition that comes true while the daemon is dead starts what waits for it, with the event as trigger', async () => {
  const when = { room, type: 'm.bureau.test.ready', match: { ready: true, level: { $gte: 3 } } };
  const deployed = await deploy('team/waits', 'cat /run/bureau/trigger.json', ['--restart', 'never', '--when', JSON.stringify(when)]);
  assert.equal(deployed.code, 0, deployed.stderr);
  assert.match(deployed.stdout, /waiting.*no such event/);
  const ready = (level: number): Promise<CommandResult> =>
    succeeds(['matrix', 'state', 'set', room, when.type, JSON.stringify({ ready: true, level })]);
  await ready(2);
  await until('the other reason', WAIT_MILLISECONDS, async () =>
    /"level" does not match/.test((await show('team/waits')).status?.message ?? ''),
  );
  await withoutDaemon(() => ready(3));
  await succeeds(['agent', 'wait', 'team/waits', '--for', 'completed']);
  assert.match(await logOf('team/waits'), /"level":3/);
});

test('a crash loop is left alone and told once, over a restart of the daemon as well, until it is restarted', async () => {
  const deployed = await deploy('team/crash', 'exit 3', ['--no-wait', '--quarantine-after', '2']);
  assert.equal(deployed.code, 0, deployed.stderr);
  await until('it is left alone', WAIT_MILLISECONDS, async () => (await show('team/crash')).status?.state === 'quarantined');
  const never = await stand.bureau(['agent', 'wait', 'team/crash', '--for', 'running', '--timeout', '20s']);
  assert.deepEqual([never.code, /ended 2 times in a row/.test(never.stderr)], [1, true], never.stderr);
  await until('it is told', WAIT_MILLISECONDS, async () => (await told('team/crash')).length > 0);
  await withoutDaemon();
  await until('the next daemon says it too', WAIT_MILLISECONDS, async () => (await show('team/crash')).status !== null);
  const { status } = await show('team/crash');
  assert.equal(status?.state, 'quarantined');
  assert.match(status.message ?? '', /exit code 3/);

  // A mistake in the room is told once as well, after which nothing about the crash can still be on its way.
  const wrong = { v: 1, principal: 'team/wrong', template: 'defualt' };
  await succeeds(['matrix', 'state', 'set', room, 'm.bureau.assignment', JSON.stringify(wrong), '--key', 'team/wrong']);
  await until('it is told', WAIT_MILLISECONDS, async () => (await told('team/wrong')).length > 0);
  assert.match((await show('team/wrong')).status?.message ?? '', /no template "defualt".*did you mean "default"/);
  assert.equal((await told('team/crash')).length, 1);
  // It ends twice more, and is left alone again: by the new generation.
  assert.equal(status.observedGeneration, 0);
  await stand.bureau(['agent', 'restart', 'team/crash']);
  await until('it was started again', WAIT_MILLISECONDS, async () => (await show('team/crash')).status?.observedGeneration === 1);
});

test('a guarded update that does not stay up is taken back; bureau agent wait answers by generation', async () => {
  assert.equal((await deploy('team/one', STEADY, ['--update', 'guarded'])).code, 0);
  await until('it counts as good', WAIT_MILLISECONDS, async () => (await show('team/one')).step === null);
  assert.equal((await deploy('team/one', 'exit 4', ['--update', 'guarded', '--no-wait'])).code, 0);
  await until('what ran before is back', WAIT_MILLISECONDS, async () => {
    const { status } = await show('team/one');
    return status?.state === 'running' && /did not stay up/.test(status.message ?? '');
  });
  const { status } = await show('team/one');
  assert.deepEqual([status?.generation, status?.observedGeneration], [1, 0]);
  const late = await stand.bureau(['agent', 'wait', 'team/one', '--for', 'running', '--timeout', '1s']);
  assert.match(late.stderr, /not "running" by generation 1/);
  await succeeds(['agent', 'wait', 'team/one', '--for', 'running', '--generation', '0']);
});

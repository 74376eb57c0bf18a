// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, afterEach, before, describe, test } from 'node:test';
import { startStand, until, type CommandResult, type Stand } from '@bureau/testkit';

const WAIT_MILLISECONDS = 20_000;
/** A mistake is told at once. */
const ERROR_MILLISECONDS = 2_000;
/** Says when it starts and ends, and lives. */
const STEADY = 'echo started $$; trap "echo bye; exit" TERM; while :; do sleep 0.1; done';

interface Status {
  readonly principal: string;
  readonly state: string;
  readonly restarts: number;
  readonly id?: string;
  readonly exit?: { readonly code: number | null };
  readonly retryAt?: number;
}

let stand: Stand;
before(async () => (stand = await startStand({ demo: false })));
afterEach(async () => {
  for (const { principal } of await list()) await stand.bureau(['agent', 'remove', principal]);
  await stand.assertUnchanged();
});
after(async () => await stand.end());

async function list(): Promise<Status[]> {
  const { code, stdout, stderr } = await stand.bureau(['agent', 'list', '--json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout).agents;
}

async function statusOf(principal: string): Promise<Status | undefined> {
  return (await list()).find((each) => each.principal === principal);
}

function deploy(principal: string, script: string, options: readonly string[] = []): Promise<CommandResult> {
  return stand.bureau(['agent', 'deploy', principal, ...options, '--', 'sh', '-c', script]);
}

async function succeeds(words: readonly string[]): Promise<CommandResult> {
  const result = await stand.bureau(words);
  assert.equal(result.code, 0, `${words.join(' ')}: ${result.stderr}`);
  return result;
}

/** Live shells of payloads: the first ones, since each begins a command as a second one like itself. */
function shells(): number[] {
  const found = stand.processes().filter(({ role, program, zombie }) => role.startsWith('payload:') && program === 'sh' && !zombie);
  const pids = found.map(({ pid }) => pid);
  return found.filter(({ parent }) => !pids.includes(parent)).map(({ pid }) => pid);
}

/** The one shell that runs, once bubblewrap has become it. */
function shell(): Promise<number> {
  return until('one shell', WAIT_MILLISECONDS, () => {
    const [only, ...others] = shells();
    return others.length === 0 && only;
  });
}

/** Devices of an account that hold a token that works, from the homeserver's own table: no operator of ours may ask it that. */
function tokensOf(user: string): string[] {
  using database = new DatabaseSync(`/var/lib/bureau-${stand.name}/homeserver/data/homeserver.db`, { readOnly: true });
  return database
    .prepare('SELECT device_id FROM access_tokens WHERE user_id = ?')
    .all(user)
    .map((row) => String(row['device_id']));
}

async function logsOf(principal: string): Promise<string> {
  return (await succeeds(['agent', 'logs', principal])).stdout;
}

test('deploy, list, stop, restart, remove: an agent’s whole life', async () => {
  const deployed = await deploy('team/one', STEADY);
  assert.equal(deployed.code, 0, deployed.stderr);
  assert.match(deployed.stdout, /^team\/one running/);
  assert.deepEqual(
    (await list()).map(({ principal, state, restarts }) => ({ principal, state, restarts })),
    [{ principal: 'team/one', state: 'running', restarts: 0 }],
  );
  assert.match((await succeeds(['agent', 'list'])).stdout, /^team\/one +running$/m);
  const first = await shell();

  assert.match((await succeeds(['agent', 'stop', 'team/one'])).stdout, /team\/one stopped/);
  assert.equal((await statusOf('team/one'))?.state, 'stopped');
  assert.deepEqual(shells(), []);
  assert.match(await logsOf('team/one'), /started \d+\r?\n[^]*bye/);

  assert.match((await succeeds(['agent', 'restart', 'team/one'])).stdout, /^team\/one running/);
  const second = await shell();
  assert.notEqual(second, first);
  assert.match((await succeeds(['agent', 'restart', 'team/one'])).stdout, /^team\/one running/);
  assert.notEqual(await shell(), second, 'a running one is started afresh');

  const { stdout } = await succeeds(['agent', 'remove', 'team/one']);
  assert.ok(stdout.includes(`/var/lib/bureau-${stand.name}/workspace/team/one`));
  assert.deepEqual(await list(), []);
  assert.deepEqual(shells(), []);
});

test('deploying again replaces what runs and keeps the workspace', async () => {
  await deploy('team/one', `echo first > /workspace/file; ${STEADY}`);
  const first = await shell();
  const again = await deploy('team/one', `cat /workspace/file; echo second; ${STEADY}`);
  assert.equal(again.code, 0, again.stderr);
  assert.notEqual(await shell(), first);
  await until('its words in the log', WAIT_MILLISECONDS, async () => /first\r?\nsecond/.test(await logsOf('team/one')));
});

test('an agent’s environment is what --env says', async () => {
  const { code, stderr } = await deploy('team/one', `echo "[$GREETING]"; ${STEADY}`, ['--env', 'GREETING=hello there']);
  assert.equal(code, 0, stderr);
  await until('the variable in the log', WAIT_MILLISECONDS, async () => (await logsOf('team/one')).includes('[hello there]'));
});

test('one that keeps ending is started again after growing pauses', async () => {
  const deployed = await stand.bureau(['agent', 'deploy', 'team/crash', '--no-wait', '--', 'sh', '-c', 'echo try; exit 3']);
  assert.equal(deployed.code, 0, deployed.stderr);
  const first = await until('backing off', WAIT_MILLISECONDS, async () => {
    const status = await statusOf('team/crash');
    return status?.state === 'backing_off' && status;
  });
  assert.equal(first.exit?.code, 3);
  assert.ok((first.retryAt ?? 0) > Date.now() - 5_000);
  await until('started again and backing off', WAIT_MILLISECONDS, async () => {
    const { stdout } = await succeeds(['agent', 'list']);
    return Number(/^team\/crash +backing_off, started again (\d+)×, exit code 3/m.exec(stdout)?.[1] ?? 0) > first.restarts;
  });
  assert.ok((await logsOf('team/crash')).split('try').length > 2, 'the log holds every try');
});

test('--restart never leaves an ended agent ended, on-failure only one that succeeded', async () => {
  await stand.bureau(['agent', 'deploy', 'team/never', '--no-wait', '--restart', 'never', '--', 'sh', '-c', 'echo once; exit 3']);
  await stand.bureau(['agent', 'deploy', 'team/done', '--no-wait', '--restart', 'on-failure', '--', 'sh', '-c', 'echo once']);
  for (const [principal, code, state] of [
    ['team/never', 3, 'exited'],
    ['team/done', 0, 'completed'],
  ] as const) {
    const status = await until(`${principal} ended`, WAIT_MILLISECONDS, async () => {
      const found = await statusOf(principal);
      return found?.state === state && found;
    });
    assert.deepEqual({ code: status.exit?.code, restarts: status.restarts }, { code, restarts: 0 });
    assert.match(await logsOf(principal), /^once\r?\n$/);
  }
});

describe('what cannot be is told at once', () => {
  const cases: readonly [what: string, words: readonly string[], code: number, message: RegExp][] = [
    [
      'an unknown template',
      ['agent', 'deploy', 'team/bad', '--template', 'none', '--', 'true'],
      1,
      /"team\/bad" cannot run: there is no template "none"; known: .*default/,
    ],
    ['a variable with a bad name', ['agent', 'deploy', 'team/bad', '-e', 'A-B=1', '--', 'true'], 2, /"A-B=1".*letters, digits/],
    [
      'a restart rule that is none',
      ['agent', 'deploy', 'team/bad', '--restart', 'sometimes', '--', 'true'],
      2,
      /restart.*"always" \| "on-failure" \| "never"/,
    ],
    ['a bad name', ['agent', 'deploy', 'Team', '--', 'true'], 2, /"Team" as a principal name/],
    ['no command where the template has none', ['agent', 'deploy', 'team/bad'], 1, /command/],
    ['to stop what is not deployed', ['agent', 'stop', 'team/nobody'], 1, /"team\/nobody" is not deployed.*bureau agent deploy/],
    ['to restart what is not deployed', ['agent', 'restart', 'team/nobody'], 1, /"team\/nobody" is not deployed/],
    ['logs of one that never ran', ['agent', 'logs', 'team/nobody'], 1, /"team\/nobody" has never run/],
    ['to observe one that does not run', ['observe', 'team/nobody'], 1, /team\/nobody/],
  ];
  for (const [what, words, wanted, message] of cases) {
    test(what, async () => {
      const { code, stderr, milliseconds } = await stand.bureau(words);
      assert.match(stderr, message);
      assert.equal(code, wanted, stderr);
      assert.ok(milliseconds < ERROR_MILLISECONDS, `took ${milliseconds} ms`);
    });
  }
});

test('what was refused has left nothing: no assignment, no account', async () => {
  const { stdout } = await succeeds(['agent', 'list']);
  assert.doesNotMatch(stdout, /team\/bad/);
  const free = async (name: string): Promise<boolean> =>
    (await stand.matrix(`/_matrix/client/v3/register/available?username=${encodeURIComponent(name)}`)).status === 200;
  assert.deepEqual([await free('team/bad'), await free('bureau-admin')], [true, false]);
});

test('removing what is not there is no failure', async () => {
  await succeeds(['agent', 'remove', 'team/nobody']);
});

test('agent logs -f shows what comes and ends with the agent; a reader does not end it', async () => {
  await deploy(
    'team/talk',
    'echo one; while read -r line; do echo "heard $line"; done < /workspace/fifo & mkfifo /workspace/fifo; exec 3<>/workspace/fifo; n=0; while :; do n=$((n+1)); echo tick $n; sleep 0.2; done',
  );
  await using reader = stand.spawnBureau(['agent', 'logs', '-f', 'team/talk']);
  await reader.stdout.waitFor('one', WAIT_MILLISECONDS);
  await reader.stdout.waitFor(/tick 5\r?\n/, WAIT_MILLISECONDS);
  {
    await using other = stand.spawnBureau(['agent', 'logs', '-f', 'team/talk']);
    await other.stdout.waitFor('tick', WAIT_MILLISECONDS);
    other.signal('SIGINT');
    await other.exitedWithin(WAIT_MILLISECONDS);
  }
  assert.equal((await statusOf('team/talk'))?.state, 'running');
  await succeeds(['agent', 'stop', 'team/talk']);
  await reader.exitedWithin(WAIT_MILLISECONDS);
  assert.match(await logsOf('team/talk'), /^one\r?\n/);
});

test('an agent’s environment and files never show its token; removing it kills the token; deploying again works', async () => {
  const ask = 'curl -s -o /dev/null -w "%{http_code}\\n" --unix-socket /proxy.sock http://bureau/v1/identity';
  const post = (body: string): string =>
    `curl -s --unix-socket /proxy.sock -H 'content-type: application/json' -d '{"body":"${body}"}' http://bureau/v1/matrix/rooms/%23bureau%2Fagents:bureau.local/messages`;
  const deployed = await deploy('team/speaker', `${ask}; ${post('before')}; echo; env; ${STEADY}`);
  assert.equal(deployed.code, 0, deployed.stderr);
  await until('its first message', WAIT_MILLISECONDS, async () => /200\r?\n\{"event_id":"\$/.test(await logsOf('team/speaker')));
  assert.doesNotMatch(await logsOf('team/speaker'), /syt_|TOKEN/);
  assert.equal(tokensOf('@team/speaker:bureau.local').length, 1);
  await succeeds(['agent', 'remove', 'team/speaker']);
  assert.deepEqual(tokensOf('@team/speaker:bureau.local'), [], 'no token of the account works any more');
  const again = await deploy('team/speaker', `${post('after')}; echo; ${STEADY}`);
  assert.equal(again.code, 0, again.stderr);
  await until(
    'its message after the return',
    WAIT_MILLISECONDS,
    async () => (await logsOf('team/speaker')).split('"event_id"').length === 3,
  );
});

test('agent payload tells a running agent what to do: replaced whole, read-only inside, no restart', async () => {
  const script = `last=; while :; do now=$(cat /run/bureau/payload.json); [ "$now" = "$last" ] || echo "told $now"; last=$now; sleep 0.05; done`;
  const deployed = await deploy('team/told', `(echo x > /run/bureau/payload.json) 2>/dev/null && echo WRITTEN; ${script}`);
  assert.equal(deployed.code, 0, deployed.stderr);
  await until('the first word', WAIT_MILLISECONDS, async () => /told \{\}/.test(await logsOf('team/told')));
  const told = await shell();
  await succeeds(['agent', 'payload', 'team/told', '{"task": "count to three"}']);
  await until('the second word', WAIT_MILLISECONDS, async () => /told \{"task":"count to three"\}/.test(await logsOf('team/told')));
  assert.deepEqual(shells(), [told]);
  assert.equal((await statusOf('team/told'))?.restarts, 0);
  assert.doesNotMatch(await logsOf('team/told'), /WRITTEN/);
  const refused = await stand.bureau(['agent', 'payload', 'team/told', '[1]']);
  assert.equal(refused.code, 2, refused.stderr);
});

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { startStand, until, type CommandResult, type Stand } from '@bureau/testkit';

const WAIT_MILLISECONDS = 60_000;
/** Says that it listens, answers its health check until it gets SIGUSR1, of which it tells; says 0 to TERM. */
const AGENT = `
import os, signal, socket, sys
ill = False
def turn(*_):
    global ill
    ill = True
    print('ill', flush=True)
signal.signal(signal.SIGUSR1, turn)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server = socket.socket(socket.AF_UNIX)
server.bind('/tmp/health.sock')
server.listen(8)
print('listening', flush=True)
while True:
    client, _ = server.accept()
    said = client.recv(4096)
    if said.startswith(b'GET /health '):
        client.sendall(b'HTTP/1.1 503 no\\r\\n\\r\\n' if ill else b'HTTP/1.1 200 OK\\r\\n\\r\\n')
    else:
        client.sendall(b'{"healthy":false,"reason":"out of ideas"}\\n' if ill else b'{"healthy":true}\\n')
    client.close()
`;
const QUICK = { intervalSeconds: 1, timeoutSeconds: 5, failureThreshold: 2, gracePeriodSeconds: 20 };

interface Shown {
  readonly status: {
    readonly state: string;
    readonly health?: string;
    readonly restarts: number;
    readonly id?: string;
    readonly message?: string;
  } | null;
  readonly healthCheck: object | null;
}

let stand: Stand;
before(async () => (stand = await startStand({ demo: false })));
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

async function deploy(principal: string, check: object | undefined, options: readonly string[] = []): Promise<void> {
  const how = check === undefined ? [] : ['--health-check', JSON.stringify(check)];
  await succeeds(['agent', 'deploy', principal, ...how, ...options, '--', '/usr/bin/python3', '-c', AGENT]);
}

async function show(principal: string): Promise<Shown> {
  return JSON.parse((await succeeds(['agent', 'show', principal, '--json'])).stdout) as Shown;
}

/** The agent itself: bubblewrap has its command among its own arguments. */
function payload(): number {
  const found = stand
    .processes()
    .find(({ args, program, zombie, role }) => !zombie && role.startsWith('payload:') && program === 'python3' && args.includes(AGENT));
  assert.ok(found !== undefined, 'the agent runs');
  return found.pid;
}

for (const [type, more, why] of [
  ['socket', {}, /out of ideas/],
  ['http', { path: '/health' }, /status 503, expected 200/],
] as const) {
  test(`an agent with a health check (${type}) is healthy when it says so, and starts again when it does not, be it done by its own word`, async () => {
    const check = { type, endpoint: '/tmp/health.sock', ...more, ...QUICK };
    await deploy('team/web', check, ['--restart', 'on-failure']);
    assert.match((await succeeds(['agent', 'wait', 'team/web', '--for', 'healthy'])).stdout, /team\/web running, healthy/);
    const { status, healthCheck } = await show('team/web');
    assert.deepEqual([status?.state, status?.health, healthCheck], ['running', 'healthy', check]);
    assert.match((await succeeds(['agent', 'show', 'team/web'])).stdout, new RegExp(`health +${type} /tmp/health.sock`));

    const first = payload();
    process.kill(stand.process('daemon').pid, 'SIGKILL');
    await until('the next daemon has asked it too', WAIT_MILLISECONDS, async () => {
      const { code, stdout } = await stand.bureau(['agent', 'show', 'team/web', '--json']);
      return code === 0 && (JSON.parse(stdout) as Shown).status?.health === 'healthy';
    });
    assert.equal(payload(), first, 'and has not touched it');

    process.kill(first, 'SIGUSR1');
    await until('another one runs in its place and is healthy', WAIT_MILLISECONDS, async () => {
      const { code, stdout } = await stand.bureau(['agent', 'show', 'team/web', '--json']);
      const now = code === 0 ? (JSON.parse(stdout) as Shown).status : null;
      return now?.restarts === 1 && now.health === 'healthy';
    });
    assert.notEqual(payload(), first);
    const ends = readFileSync(stand.paths.processLog('daemon'), 'utf8').match(/"action":"destroy".*it is unhealthy.*/g) ?? [];
    assert.match(ends.at(-1) ?? '', why, 'for what it said, and nothing else');
  });
}

test('without a health check nobody is asked: up for ten seconds is healthy, and an ill one is left alone', async () => {
  await deploy('team/plain', undefined);
  const says = (word: string): Promise<true> =>
    until(word, WAIT_MILLISECONDS, async () => (await succeeds(['agent', 'logs', 'team/plain'])).stdout.includes(word));
  await says('listening');
  const first = payload();
  process.kill(first, 'SIGUSR1');
  await says('ill');
  const { stdout } = await succeeds(['agent', 'wait', 'team/plain', '--for', 'healthy', '--json']);
  const { status } = JSON.parse(stdout) as { status: { startedAt: number; health?: string; state: string; restarts: number } };
  assert.deepEqual([status.state, status.health, status.restarts, payload()], ['running', undefined, 0, first]);
  assert.ok(Date.now() - status.startedAt >= 10_000);
});

test('an agent’s own proxy does not answer for it, though it would', async () => {
  const proxy = { type: 'http', endpoint: '/run/bureau/proxy.sock', path: '/healthz', ...QUICK, gracePeriodSeconds: 1 };
  await deploy('team/lazy', proxy, ['--quarantine-after', '1']);
  const waited = await stand.bureau(['agent', 'wait', 'team/lazy', '--for', 'healthy']);
  assert.equal(waited.code, 1);
  assert.match(waited.stderr, /what listens there is not the agent/);
  assert.equal((await show('team/lazy')).status?.state, 'quarantined');
  const { stdout } = await succeeds(['run', 'team/other', '--', 'bureau-proxy-call', '/healthz']);
  assert.match(stdout, /ok/, 'the control: it answers the agent');
});

test('a health check that cannot be right is refused, and nothing is assigned', async () => {
  const { code, stderr } = await stand.bureau([
    'agent',
    'deploy',
    'team/wrong',
    '--health-check',
    '{"type": "exec", "endpoint": "/bin/true"}',
    '--',
    'true',
  ]);
  assert.equal(code, 2);
  assert.match(stderr, /Cannot use this as a health check: type: /);
  assert.equal((JSON.parse((await succeeds(['agent', 'list', '--json'])).stdout) as { agents: unknown[] }).agents.length, 0);
});

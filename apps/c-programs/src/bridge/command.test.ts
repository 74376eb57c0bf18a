// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { compileBuilds, type Build } from '../compile.testing.ts';
import { directoryOf, serveUnix } from './bridge.testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'bureau-bridge-build-'));
let programs: Record<Build, string>;
before(() => void (programs = compileBuilds(folder, 'bridge')));
after(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
  readonly error: string;
}

async function ended(child: ChildProcess): Promise<Ended> {
  let output = '';
  let error = '';
  child.stdout?.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr?.on('data', (data: Buffer) => (error += data.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, output, error };
}

/** A bridge with a socket behind it, around `command`. */
async function around(context: TestContext, command: readonly string[], flags: readonly string[] = []): Promise<ChildProcess> {
  const path = join(directoryOf(context), 's');
  await serveUnix(context, path, (socket) => socket.pipe(socket));
  const child = spawn(programs.sanitized, ['--listen', '127.0.0.1:0', '--socket', path, ...flags, '--', ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: '/usr/bin:/bin' },
  });
  context.after(() => child.kill('SIGKILL'));
  return child;
}

test('exec mode ends with the exit code of its command, as a shell counts it', async (context) => {
  for (const [command, code] of [
    [['sh', '-c', 'exit 0'], 0],
    [['sh', '-c', 'exit 42'], 42],
    [['sh', '-c', 'kill -KILL $$'], 137],
    [['sh', '-c', 'kill -TERM $$'], 143],
    [['/nowhere/at-all'], 127],
    [['/etc/passwd'], 126],
  ] as const) {
    const found = await ended(await around(context, command));
    assert.equal(found.code, code, command.join(' '));
  }
});

test('exec mode passes INT, TERM and USR1 on, waits for the command, and does not end before it', async (context) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const) {
    const name = signal.slice(3);
    const child = await around(context, ['sh', '-c', `trap 'echo got ${name}; exit 7' ${name}; echo ready; while :; do sleep 0.01; done`]);
    const found = ended(child);
    assert.ok(child.stdout !== null);
    await once(child.stdout, 'data');
    child.kill(signal);
    assert.deepEqual(await found, { code: 7, signal: null, output: `ready\ngot ${name}\n`, error: '' });
  }
});

test('exec mode: the command gets descriptors 0 to 2 and the address, nothing else of the bridge', async (context) => {
  const facts = ['sh', '-c', 'ls /proc/self/fd; grep Sig[BI] /proc/self/status; env'] as const;
  const direct = await ended(spawn(facts[0], facts.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: '/usr/bin:/bin' } }));
  const found = await ended(await around(context, facts));
  assert.deepEqual(found.output.replace(/^BUREAU_BRIDGE_URL=http:\/\/127\.0\.0\.1:[0-9]+\n/m, ''), direct.output);
  assert.notEqual(found.output, direct.output);
  const proxied = await ended(await around(context, ['sh', '-c', 'echo $http_proxy $HTTPS_PROXY $NO_PROXY'], ['--proxy-env']));
  assert.match(proxied.output, /^(http:\/\/127\.0\.0\.1:[0-9]+) \1 localhost,127\.0\.0\.1,::1\n$/);
});

test('curl speaks through the bridge to an HTTP server on the socket, and the last bytes that it sends arrive', async (context) => {
  const path = join(directoryOf(context), 's');
  const bodies: string[] = [];
  const server = createHttpServer((request, response) => {
    let body = '';
    request.on('data', (data: Buffer) => (body += data.toString()));
    request.on('end', () => {
      bodies.push(body);
      response.end(`${request.method} ${request.url}\n`);
    });
  });
  server.listen(path);
  await once(server, 'listening');
  context.after(() => server.close());
  const script = 'curl -s $BUREAU_BRIDGE_URL/v1/identity; curl -s -T - http://example.invalid/up <<X\nhello\nX\n';
  const child = spawn(programs.hardened, ['--listen=127.0.0.1:0', '--socket', path, '--proxy-env', '--', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const found = await ended(child);
  assert.deepEqual(found, { code: 0, signal: null, output: 'GET /v1/identity\nPUT http://example.invalid/up\n', error: '' });
  assert.deepEqual(bodies, ['', 'hello\n']);
});

test('as the first process of its namespace the bridge reaps orphans that are no children of its own', async (context) => {
  // The inner shell is an orphan when it ends: its parent, the subshell, has gone.
  const orphan =
    'pid=$( (sh -c "echo \\$\\$; exec >&-; exit 0" &) ); at=0; while [ -e /proc/$pid ] && [ $at -lt 100 ]; do at=$((at+1)); sleep 0.01; done; test -e /proc/$pid && cut -d" " -f3 /proc/$pid/stat || echo reaped';
  const first = (command: readonly string[]): ChildProcess =>
    spawn('/usr/bin/unshare', ['--pid', '--fork', '--kill-child', '--mount-proc', '--', ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: '/usr/bin:/bin' },
    });
  const path = join(directoryOf(context), 's');
  await serveUnix(context, path, (socket) => socket.pipe(socket));
  const bridge = [programs.hardened, '--listen', '127.0.0.1:0', '--socket', path, '--', 'sh', '-c', orphan];
  assert.deepEqual(await ended(first(bridge)), { code: 0, signal: null, output: 'reaped\n', error: '' });
  const careless = 'import subprocess, sys; sys.exit(subprocess.call(["sh", "-c", sys.argv[1]]))';
  const control = await ended(first(['/usr/bin/python3', '-c', careless, orphan]));
  assert.equal(control.output, 'Z\n', 'one that waits for its own child alone leaves it a zombie');
});

test('what is wrong with the arguments or the socket is told in one line, with 125', () => {
  const cases: readonly [string[], RegExp][] = [
    [['--listen', '0.0.0.0:8642'], /loopback/],
    [['--listen', '[::]:8642'], /loopback/],
    [['--listen', 'localhost:80'], /numeric address/],
    [['--listen', '127.0.0.1'], /ADDRESS:PORT/],
    [['--listen', '127.0.0.1:65536'], /ADDRESS:PORT/],
    [['--listen', '127.0.0.1:-1'], /ADDRESS:PORT/],
    [['--listen', `${'1'.repeat(5_000)}:1`], /ADDRESS:PORT/],
    [['--listen'], /value/],
    [['--socket', 'relative'], /absolute path/],
    [['--socket', `/${'x'.repeat(107)}`], /at most 107/],
    [['--'], /command/],
    [['curl', 'x'], /behind --/],
    [['--listen', '127.0.0.1:0', '--socket', '/dev/null/x'], /expected the proxy to answer at \/dev\/null\/x/],
  ];
  for (const [flags, message] of cases) {
    const { status, stderr } = spawnSync(programs.sanitized, flags, { encoding: 'utf8', timeout: 20_000 });
    assert.equal(status, 125, flags.join(' ').slice(0, 60));
    assert.match(stderr, message);
    assert.equal(stderr.trim().split('\n').length, 1);
  }
  assert.equal(readFileSync(programs.hardened).includes(folder), false, 'no path of the machine that built it');
});

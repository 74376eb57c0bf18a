// SPDX-License-Identifier: Apache-2.0
// What agents run, inside the real wall under each profile: a filter that breaks programs is a filter that people turn off.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { PROFILES } from './testing/seccomp-asking.ts';
import { WallFixture, type WallRun } from './testing/wall-fixture.ts';

const PYTHON = `
import asyncio, concurrent.futures, multiprocessing, os, select, signal, socket, ssl, sqlite3, subprocess, tempfile, threading
assert subprocess.run(['sh', '-c', 'exit 3']).returncode == 3
threads = [threading.Thread(target=lambda: os.stat('/')) for _ in range(20)]
[t.start() for t in threads]; [t.join() for t in threads]
async def served():
    async def answer(reader, writer):
        writer.write(await reader.readline()); await writer.drain(); writer.close()
    server = await asyncio.start_server(answer, '127.0.0.1', 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b'asked\\n')
    said = await reader.readline()
    writer.close(); server.close()
    child = await asyncio.create_subprocess_exec('cat', stdin=-1, stdout=-1)
    echoed, _ = await child.communicate(b'piped')
    return said + echoed
assert asyncio.run(served()) == b'asked\\npiped'
with concurrent.futures.ProcessPoolExecutor(2) as pool: assert list(pool.map(abs, [-1, -2])) == [1, 2]
with tempfile.NamedTemporaryFile() as file:
    database = sqlite3.connect(file.name)
    database.execute('create table t (x)'); database.execute('insert into t values (1)'); database.commit()
    os.sendfile(1, os.open('/etc/hostname', os.O_RDONLY), 0, 0)
ssl.create_default_context()
os.mkfifo('/tmp/pipe'); os.eventfd(0); os.memfd_create('x')
with open('/tmp/out', 'w') as out: out.write('x'); os.fsync(out.fileno()); os.posix_fallocate(out.fileno(), 0, 4096)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]); signal.setitimer(signal.ITIMER_REAL, 0.01); assert signal.sigtimedwait([signal.SIGALRM], 5)
print('python works')
`;

const NODE = `
const { Worker } = require('node:worker_threads'), { execFileSync } = require('node:child_process'), net = require('node:net'), fs = require('node:fs');
(async () => {
  if (execFileSync('echo', ['child']).toString() !== 'child\\n') throw 1;
  await new Promise((resolve, reject) => { const w = new Worker('require("node:worker_threads").parentPort.postMessage(1)', { eval: true }); w.on('message', resolve).on('error', reject); });
  const server = net.createServer((s) => s.end('hi')).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  await new Promise((resolve, reject) => net.connect(server.address().port, '127.0.0.1').on('data', resolve).on('error', reject));
  server.close();
  fs.cpSync('/etc/hostname', '/tmp/copied'); fs.watch('/tmp').close(); await fs.promises.rm('/tmp/copied');
  require('node:crypto').scryptSync('a', 'b', 32); require('node:zlib').gzipSync('x'); os.cpus(); os.userInfo();
  console.log('node works');
})();
`;

const C = `
#define _GNU_SOURCE
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <sched.h>
extern char **environ;
static void *run(void *x) { return x; }
int main(void) {
  pthread_t t; pid_t p; int s; char *a[] = {"true", 0}; cpu_set_t set;
  if (pthread_create(&t, 0, run, 0) || pthread_join(t, 0)) return 1;
  if (posix_spawnp(&p, "true", 0, 0, a, environ) || waitpid(p, &s, 0) != p || s) return 2;
  if (sched_getaffinity(0, sizeof set, &set)) return 3;
  puts("c works");
}
`;

const SHELL = `
set -e
cd /tmp
printf '%s' "$C" > a.c && gcc -O1 -pthread -o a a.c && ./a
git init -q r && cd r && echo x > f && git add f && git -c user.name=a -c user.email=a@b commit -qm x && git gc -q && git clone -q . ../s && cd ..
tar cf t.tar r && mkdir u && tar xf t.tar -C u && cp -a r v && find v -type f | xargs -P2 -n5 md5sum > /dev/null
make --version > /dev/null; perl -e 'fork ? wait : exit' ; awk 'BEGIN { system("true") }'
sleep 0.01 & wait
echo shell works
`;

/** Prints what a tracer may do: a child that asked for it is stopped and read; one that did not is out of reach. */
const TRACER = `
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>
int main(void) {
  int status; long word = 42;
  pid_t own = fork();
  if (own == 0) { if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(9); raise(SIGSTOP); _exit(0); }
  waitpid(own, &status, 0);
  printf("own %s\\n", WIFSTOPPED(status) && ptrace(PTRACE_PEEKDATA, own, &word, 0) == 42 ? "traced" : "untouched");
  kill(own, SIGKILL);
  for (int seize = 0; seize < 2; seize++) {
    pid_t other = fork();
    if (other == 0) { pause(); _exit(0); }
    printf("%s %s\\n", seize ? "seize" : "attach", ptrace(seize ? PTRACE_SEIZE : PTRACE_ATTACH, other, 0, 0) ? strerror(errno) : "ok");
    kill(other, SIGKILL);
  }
  return 0;
}
`;
const BUILD = 'printf "%s" "$TRACER" | gcc -x c -o /tmp/a - && exec /tmp/a';

function works({ code, stdout, stderr }: WallRun, expected: RegExp): void {
  assert.equal(code, 0, stderr);
  assert.match(stdout, expected);
}

for (const profile of PROFILES) {
  test(`programs run under ${profile}: shell tools, compiler, git, Python, Node`, async () => {
    using wall = new WallFixture();
    const spec = { profile, environment: { C } };
    works(await wall.run(['/usr/bin/python3', '-c', PYTHON], {}, spec), /python works/);
    works(await wall.run(['node', '-e', NODE], {}, spec), /node works/);
    works(await wall.run(['bash', '-c', SHELL], {}, spec), /c works\nshell works/);
  });
}

test('debug lets a process trace its own child and attach to nothing else; default lets it do neither', async () => {
  using wall = new WallFixture();
  const environment = { TRACER };
  const refused = 'Operation not permitted';
  const debugged = await wall.run(['sh', '-c', BUILD], {}, { profile: 'debug', environment });
  assert.equal(debugged.stdout, `own traced\nattach ${refused}\nseize ${refused}\n`);
  const usual = await wall.run(['sh', '-c', BUILD], {}, { environment });
  assert.equal(usual.stdout, `own untouched\nattach ${refused}\nseize ${refused}\n`);
  const open = await wall.run(['sh', '-c', BUILD], { seccomp: null }, { environment });
  assert.equal(open.stdout, `own traced\nattach ok\nseize ok\n`, 'control: without the filter');
});

// Tools that script/setup does not install: tried where they are.
const has = (path: string): boolean => existsSync(path);

if (has('/usr/bin/tmux')) {
  test('tmux runs under each profile', async () => {
    using wall = new WallFixture();
    const script = `
tmux -S /tmp/t new-session -d -x 80 -y 24 'echo inside-$((6*7)); exec cat'
for i in $(seq 200); do tmux -S /tmp/t capture-pane -p | grep -q inside-42 && break; sleep 0.02; done
tmux -S /tmp/t capture-pane -p | grep inside-42; tmux -S /tmp/t kill-server`;
    const environment = { TERM: 'xterm', LC_ALL: 'C.UTF-8' };
    for (const profile of PROFILES) works(await wall.run(['bash', '-c', script], {}, { profile, environment }), /inside-42/);
  });
}

if (has('/usr/bin/strace')) {
  test('strace follows its own command under debug, and cannot start under default', async () => {
    using wall = new WallFixture();
    const trace = ['sh', '-c', 'strace -f -o /tmp/out sh -c "cat /etc/hostname; true" && grep -c execve /tmp/out'];
    works(await wall.run(trace, {}, { profile: 'debug' }), /^wall-test\n[1-9]/);
    assert.notEqual((await wall.run(trace)).code, 0);
  });
}

if (has('/usr/bin/gdb')) {
  test('gdb starts a program, stops it and reads it under debug', async () => {
    using wall = new WallFixture();
    const gdb = 'gdb -nx -batch -ex "break main" -ex run -ex bt /tmp/a';
    const build = "printf 'int main(void) { return 0; }' | gcc -g -x c -o /tmp/a -";
    works(await wall.run(['sh', '-c', `${build} && ${gdb}`], {}, { profile: 'debug' }), /Breakpoint 1, main/);
  });
}

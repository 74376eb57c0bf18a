// SPDX-License-Identifier: Apache-2.0
// Attacks that are seen from the host's side, or need more than one sandbox.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCommand, speakAs, startStand, until, type RunningCommand, type Stand } from '@bureau/testkit';
import { all, inserted, WALL_UID, WallFixture, without, type Weakness } from '@bureau/testkit/wall';
import { titlesOf } from './catalogue.ts';
import { WeakControls } from './weak-controls.ts';

const START_MILLISECONDS = 30_000;
const END_MILLISECONDS = 15_000;

let stand: Stand;
const weakControls = new WeakControls();
const directory = mkdtempSync(join(tmpdir(), 'bureau-escape-'));
before(async () => {
  stand = await startStand({ demo: false });
});
after(async () => {
  rmSync(directory, { recursive: true, force: true });
  await stand.end();
  weakControls[Symbol.dispose]();
});

async function startHolding(principal: string, script: string): Promise<RunningCommand> {
  const command = stand.spawnBureau(['run', principal, '--no-tty', '--', 'sh', '-c', `${script}; echo up; exec sleep 4243`]);
  await command.stdout.waitFor('up', START_MILLISECONDS);
  return command;
}

/** Live processes of the payload or of bwrap, whatever their parents. */
function payloadsOf(number: number): number[] {
  return stand.processes().flatMap(({ role, zombie, pid }) => (role === `payload:${number}` && !zombie ? [pid] : []));
}

/** Asked by the daemon's uid, as a stolen daemon would; each is no request at all. */
async function refusedByLauncher(asked: readonly { readonly principal?: string; readonly spec?: object }[]): Promise<void> {
  const steps = asked.map(({ principal = 'escape/words', spec = {} }) => ({
    socket: stand.paths.launcherSocket,
    contract: 'launcher' as const,
    method: 'create',
    input: { principal, id: 'odd-0', holdForObserver: false, spec: { v: 1, command: ['true'], ...spec } },
  }));
  const outcomes = await speakAs({ uid: stand.uidBase, gid: stand.uidBase }, steps);
  for (const [at, outcome] of outcomes.entries())
    assert.ok(!outcome.ok && outcome.code === 'invalid_input', `${JSON.stringify(asked[at]).slice(0, 80)}: ${JSON.stringify(outcome)}`);
}

function uidsOf(pid: number): string | undefined {
  return /^Uid:\t(.*)$/m.exec(textOf(`/proc/${pid}/status`))?.[1];
}

/** Of a process that may have ended: then ''. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function numberOf(principal: string): number {
  const file = JSON.parse(readFileSync(`${stand.paths.launcherStateDirectory}/principals.json`, 'utf8')) as { principals?: unknown };
  const text = JSON.stringify(file);
  const found =
    new RegExp(`"${principal}":(\\d+)`).exec(text)?.[1] ?? new RegExp(`"principal":"${principal}","number":(\\d+)`).exec(text)?.[1];
  return Number(found ?? assert.fail(`${principal} is not in ${text}`));
}

/** A server of the host in a workspace; says the uid of whoever connects. */
const PEER_SERVER = `
import os, socket, struct, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777); server.listen()
print('up', flush=True)
peer, _ = server.accept()
print('uid', struct.unpack('3i', peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])
`;
const PEER_CLIENT = `
import socket, time
for _ in range(500):
    try:
        with socket.socket(socket.AF_UNIX) as s: s.connect('/workspace/peer')
        break
    except OSError: time.sleep(0.02)
`;

describe('who a payload is, from the host’s side', () => {
  const { attack, control } = titlesOf('root_on_the_host');
  test(attack, async () => {
    await using command = await startHolding('escape/live', 'touch /workspace/made');
    const number = numberOf('escape/live');
    const uid = stand.uidBase + 16 + 2 * number;
    const pids = payloadsOf(number);
    assert.ok(pids.length >= 2, 'bwrap, init and the payload');
    for (const pid of [...pids, stand.process(`relay:${number}`).pid])
      assert.equal(uidsOf(pid), Array(4).fill(uid).join('\t'), `process ${pid}`);
    const workspace = stand.paths.workspaceOf('escape/live' as never);
    assert.equal(statSync(join(workspace, 'made')).uid, uid);
    command.signal('SIGINT');
    await command.exitedWithin(END_MILLISECONDS);
    assert.match(
      await peerUid(workspace, () => stand.bureau(['run', 'escape/live', '--', '/usr/bin/python3', '-c', PEER_CLIENT])),
      new RegExp(`^uid ${uid}$`, 'm'),
    );
  });

  test(control, async () => {
    using wall = new WallFixture();
    const uids = new Set<string | undefined>();
    chmodSync(wall.workspace, 0o777);
    const look = ({ init, pids }: { init: number; pids(): number[] }): void => {
      for (const pid of [init, ...pids()]) uids.add(uidsOf(pid));
    };
    const elsewhere = { directory: '/tmp' };
    await wall.watch('touch /workspace/made; echo here; read line', look, { asRoot: true }, elsewhere);
    assert.deepEqual([...uids], ['0\t0\t0\t0']);
    assert.equal(statSync(join(wall.workspace, 'made')).uid, 0);
    assert.match(await peerUid(wall.workspace, () => wall.python(PEER_CLIENT, { asRoot: true }, elsewhere)), /^uid 0$/m);
  });

  async function peerUid(workspace: string, connects: () => Promise<unknown>): Promise<string> {
    const path = join(workspace, 'peer');
    rmSync(path, { force: true });
    const [server] = await Promise.all([runCommand('/usr/bin/python3', ['-I', '-c', PEER_SERVER, path]), connects()]);
    return server.stdout;
  }
});

describe('the end', () => {
  const { attack, control } = titlesOf('staying_alive');
  const LEAVE = `leave-${process.pid}`;
  /** Each way to stay: it prints when all of them are there. Each tells before and after it prepares; one stops in between, one becomes eight. */
  const SURVIVORS = `
import os, signal, sys, time
told, tell = os.pipe()
def detached(prepare):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for name in ('SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGPIPE'): signal.signal(getattr(signal, name), signal.SIG_IGN)
            null = os.open('/dev/null', os.O_RDWR)
            for number in (0, 1, 2): os.dup2(null, number)
            os.write(tell, b'x')
            prepare()
            os.write(tell, b'x')
            time.sleep(1000)
        os._exit(0)
for prepare in (lambda: None, lambda: os.kill(os.getpid(), signal.SIGSTOP), lambda: [os.fork() for _ in range(3)]): detached(prepare)
there = 0
while there < 3 + 1 + 8: there += len(os.read(told, 16))
print('up', flush=True)
if sys.argv[1] == 'stay': time.sleep(1000)
`;
  test(attack, async (context) => {
    await using command = stand.spawnBureau(['run', 'escape/stays', '--no-tty', '--', '/usr/bin/python3', '-I', '-c', SURVIVORS, 'stay']);
    await command.stdout.waitFor('up', START_MILLISECONDS);
    const number = numberOf('escape/stays');
    assert.ok(payloadsOf(number).length >= 10, 'they all live');
    const began = performance.now();
    command.signal('SIGKILL');
    await until('nobody is left', END_MILLISECONDS, () => payloadsOf(number).length === 0);
    context.diagnostic(`gone ${Math.round(performance.now() - began)} ms after the command line was killed`);
    await until('its groups are gone', END_MILLISECONDS, () => !cgroups().some((name) => name.endsWith(`-${number}`)));
  });

  test(control, async () => {
    using wall = new WallFixture();
    const shared = all(
      without('--unshare-pid'),
      without('--proc', '/proc'),
      inserted(['--ro-bind', '/proc', '/proc'], '--ro-bind', '/proc/sys'),
    );
    const command = ['/usr/bin/python3', '-I', '-c', SURVIVORS, LEAVE];
    await wall.run(command);
    await until('with its pid namespace nobody is left', END_MILLISECONDS, () => survivors().length === 0);
    await wall.run(command, { options: shared });
    const left = survivors();
    for (const pid of left) process.kill(pid, 'SIGKILL');
    assert.ok(left.length >= 10, 'they live on');
    await until('the survivors have ended', END_MILLISECONDS, () => survivors().length === 0);
  });

  /** Told from processes of other tests by their last argument. */
  function survivors(): number[] {
    const found = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && textOf(`/proc/${name}/cmdline`).endsWith(`\0${LEAVE}\0`));
    return found
      .map(Number)
      .filter((pid) => !/^State:\tZ/m.test(textOf(`/proc/${pid}/status`)) && uidsOf(pid)?.startsWith(`${WALL_UID}\t`) === true);
  }

  function cgroups(): string[] {
    const top =
      ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((path) => existsSync(`${path}/cgroup.procs`)) ?? assert.fail('a unified tree');
    return readdirSync(`${top}/bureau-${stand.name}`);
  }
});

describe('tools of the host in a workspace that an agent wrote', () => {
  const { attack, control } = titlesOf('tools_of_the_host');
  const canary = join(directory, 'canary');
  const shared = join(directory, 'repository');
  const TRAP = `
git init -q . && git config user.name a && git config user.email a@b
printf '#!/bin/sh\\ntouch ${canary}\\n' > trap.sh && chmod 755 trap.sh && mkdir -p hooks && cp trap.sh hooks/pre-commit && cp trap.sh hooks/post-checkout
git config core.fsmonitor "$1/trap.sh" && git config core.hooksPath "$1/hooks" && git config core.pager "touch ${canary}"
echo 'touch ${canary}' > .envrc; echo 'node-options=--require ./trap.js' > .npmrc
echo "require('fs').writeFileSync('${canary}', '')" > trap.js
echo '{"scripts":{"preinstall":"touch ${canary}","test":"touch ${canary}"}}' > package.json
echo 'set -g status-left "#(touch ${canary})"' > .tmux.conf; ln -s "$(printf 'a\\nb')" odd; git add -A; echo planted`;

  test(attack, async () => {
    mkdirSync(shared);
    chmodSync(directory, 0o777);
    for (const script of [TRAP, 'ls -A']) {
      const { code, stderr } = await stand.bureau(['run', 'escape/repo', '--workspace', shared, '--', 'sh', '-c', script, 'sh', shared]);
      assert.equal(code, 0, stderr);
    }
    assert.ok(readdirSync(shared).includes('.envrc'), 'its files came back');
    for (const words of [
      ['agent', 'list'],
      ['machine', 'status'],
      ['machine', 'plan'],
    ])
      assert.equal((await stand.bureau(words, { cwd: shared })).code, 0);
    assert.equal(existsSync(canary), false);
  });

  test(control, async () => {
    await runCommand('/usr/bin/git', ['-c', 'safe.directory=*', '-C', shared, 'status'], { env: { HOME: directory } });
    assert.equal(existsSync(canary), true);
  });
});

describe('words that look like options', () => {
  const { attack, control } = titlesOf('words_as_options');
  const LOOK = `import os, sys; print(os.path.exists('/host'), *[ascii(value) for value in [*sys.argv[1:], os.environ.get('ODD', '')]], sep='|')`;
  const ODD = ['--ro-bind', '/', '/host', '--', 'a\nb', '\u202egnp.exe', '\u200b', '$(id)', `x${'y'.repeat(5_000)}`, '%s%n', ''];

  test(attack, async () => {
    for (const principal of ['--bind', 'a/--/../b', 'a\nb']) {
      const { code, stderr } = await stand.bureau(['run', principal, '--', 'true']);
      assert.ok(code === 2 || code === 125, `${JSON.stringify(principal)}: ${code} ${stderr}`);
    }
    const words = ['run', 'escape/words', '--env', 'ODD=--ro-bind\n/\n/host', '--no-tty', '--', '/usr/bin/python3', '-c', LOOK, ...ODD];
    const { stdout, stderr } = await stand.bureau(words);
    assert.equal(stdout.trimEnd().split('|')[0], 'False', stderr);
    assert.equal(stdout.trimEnd().split('|').length, ODD.length + 2, 'each word stays one word');
    const named = await stand.bureau(['run', 'escape/words', '--no-tty', '--', '--ro-bind', '/', '/host']);
    assert.equal(named.code, 127, 'a command of that name is looked for, and not found');
    const odd = ['a/\u202eb', 'a/\u200bb', 'a b', 'a;id', `a/${'b'.repeat(5_000)}`, '', 'a\0b'].map((principal) => ({ principal }));
    const nul = { environment: { X: 'a\0--ro-bind\0/\0/host' } };
    await refusedByLauncher([...odd, { spec: nul }, { spec: { command: ['a\0b'] } }, { spec: { directory: '/a\0b' } }]);
  });

  weakControls.add(control, async (weak) => {
    const weakness = { options: [{ before: ['--remount-ro', '/'], put: ['--setenv', 'X', 'a\0--ro-bind\0/\0/host'] }] };
    assert.match((await weak.run('escape/words', weakness, ['/usr/bin/python3', '-c', LOOK])).stdout, /^True/);
  });
});

describe('two sandboxes', () => {
  const { attack, control } = titlesOf('two_sandboxes');
  const KEY = 0xb0000000 + (process.pid & 0xffffff);
  const NAME = `bureau-escape-two-${process.pid}`;
  /** Leaves one thing of each kind, and takes the segment away when it is told to. */
  const LEAVE = `
import ctypes, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
segment = libc.shmget(ctypes.c_int(${KEY} - 2**32), 4096, 0o1666)
assert segment >= 0, ctypes.get_errno()
server = socket.socket(socket.AF_UNIX); server.bind('\\0${NAME}'); server.listen()
for path in ('/tmp/left', '/dev/shm/left', os.path.expanduser('~/left')): open(path, 'w').close(); os.chmod(path, 0o666)
print('left', flush=True)
for _ in range(50_000):
    if os.path.exists('/tmp/stop'): break
    time.sleep(0.02)
libc.shmctl(segment, 0, None)
`;
  const FIND = `
import ctypes, os, socket, json
found = [path for path in ('/tmp/left', '/dev/shm/left', os.path.expanduser('~/left')) if os.path.exists(path)]
if ctypes.CDLL(None).shmget(ctypes.c_int(${KEY} - 2**32), 4096, 0) >= 0: found.append('memory')
try:
    socket.socket(socket.AF_UNIX).connect('\\0${NAME}'); found.append('socket')
except OSError: pass
print(json.dumps(found))
`;
  test(attack, async () => {
    const command = stand.spawnBureau(['run', 'escape/left', '--no-tty', '--', '/usr/bin/python3', '-c', LEAVE]);
    await using _held = command;
    await command.stdout.waitFor('left', START_MILLISECONDS);
    const { stdout, stderr } = await stand.bureau(['run', 'escape/right', '--no-tty', '--', '/usr/bin/python3', '-c', FIND]);
    assert.deepEqual(JSON.parse(stdout), [], stderr);
    const victim = numberOf('escape/left');
    const uid = stand.uidBase + 16 + 2 * numberOf('escape/right');
    const socket = stand.paths.principal(victim).proxySocket;
    for (const gid of [uid, stand.uidBase + 16 + 2 * victim]) {
      const [outcome] = await speakAs({ uid, gid }, [{ socket, http: '/v1/identity' }]);
      assert.ok(outcome?.ok !== true, `as group ${gid}: ${JSON.stringify(outcome)}`);
    }
    const own = stand.uidBase + 16 + 2 * victim;
    const [served] = await speakAs({ uid: own, gid: own }, [{ socket, http: '/v1/identity' }]);
    assert.equal(served?.ok, true, 'its own payload is served');
  });

  weakControls.add(control, async (weak) => {
    const tmp = join(directory, 'tmp');
    mkdirSync(tmp);
    for (const path of [directory, tmp]) chmodSync(path, 0o777);
    const together: Weakness = {
      options: [
        { take: ['--unshare-ipc'], by: [] },
        { take: ['--unshare-net'], by: [] },
        { before: ['--remount-ro', '/dev'], put: ['--bind', tmp, '/tmp'] },
      ],
    };
    const left = weak.run('escape/left', together, ['/usr/bin/python3', '-c', LEAVE]);
    await until('it has left things', START_MILLISECONDS, () => existsSync(join(tmp, 'left')));
    const { stdout, stderr } = await weak.run('escape/right', together, ['/usr/bin/python3', '-c', FIND]);
    await runCommand('/usr/bin/touch', [join(tmp, 'stop')]);
    await left;
    assert.deepEqual(JSON.parse(stdout || '[]'), ['/tmp/left', 'memory', 'socket'], stderr);
  });
});

describe('names of the run directory', () => {
  const { attack, control } = titlesOf('names_of_the_run_directory');
  test(attack, async () => {
    await stand.leaks.atRest();
    const before = readdirSync(stand.paths.runDir).toSorted();
    const names = [
      '.p',
      '.sys',
      '.p/0',
      '.sys/launcher',
      'a/.p',
      '..',
      '../x',
      'a/../b',
      'a//b',
      '/a',
      'a/',
      'a.sock',
      'a.sock/b',
      'launcher.sock',
      '_x/y',
      '12345',
    ];
    await refusedByLauncher(names.map((principal) => ({ principal })));
    for (const name of ['a/.p', 'bureau/x', 'machine/x'])
      assert.notEqual((await stand.bureau(['run', name, '--', 'true'])).code, 0, `${name} ran`);
    assert.deepEqual(readdirSync(stand.paths.runDir).toSorted(), before);
  });

  test(control, async () => {
    await using _command = await startHolding('escape/named', 'true');
    assert.ok(existsSync(stand.paths.socketLink('escape/named' as never)));
  });
});

weakControls.declare(() => stand);

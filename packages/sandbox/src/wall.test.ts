// SPDX-License-Identifier: Apache-2.0
// The wall, asked from inside and looked at from the host, with real bubblewrap under an ordinary uid. Each attack runs a second
// time with the one guard away that should stop it, and must then get farther: so that no test passes for another reason.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, closeSync, copyFileSync, existsSync, openSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { peerCredentials } from '@bureau/native';
import { all, inserted, openForWriting, without } from './testing/wall-attacks.ts';
import { WALL_UID, WallFixture } from './testing/wall-fixture.ts';

function statusOf(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/^(\w+):\t(.*)$/gm)].map(([, name, value]) => [name ?? '', value ?? '']));
}

test('each namespace is its own, and is the host’s when its option is taken away', async () => {
  using wall = new WallFixture();
  const controls: Record<string, (options: string[]) => string[]> = {
    net: without('--unshare-net'),
    ipc: without('--unshare-ipc'),
    cgroup: without('--unshare-cgroup'),
    uts: all(without('--unshare-uts'), without('--hostname', 'wall-test')),
    pid: all(without('--unshare-pid'), without('--proc', '/proc'), inserted(['--ro-bind', '/proc', '/proc'], '--ro-bind', '/proc/sys')),
  };
  for (const name of ['net', 'ipc', 'cgroup', 'uts', 'pid', 'mnt', 'user']) {
    const host = readlinkSync(`/proc/self/ns/${name}`);
    const inside = (await wall.run(['readlink', `/proc/self/ns/${name}`])).stdout.trim();
    assert.match(inside, new RegExp(`^${name}:\\[`));
    assert.notEqual(inside, host, name);
    const options = controls[name];
    if (options !== undefined)
      assert.equal((await wall.run(['readlink', `/proc/self/ns/${name}`], { options })).stdout.trim(), host, `control: ${name}`);
  }
});

test('the only network interface is lo, and the host’s loopback is not reachable', async () => {
  using wall = new WallFixture();
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const program = `
import json, socket
def attempt(address):
    s = socket.socket()
    s.settimeout(2)
    try:
        s.connect(address)
        return 'ok'
    except OSError as error:
        return type(error).__name__ + str(error.errno)
print(json.dumps({'interfaces': ' '.join(name for _, name in socket.if_nameindex()), 'loopback': attempt(('127.0.0.1', ${port})), 'metadata': attempt(('169.254.169.254', 80))}))`;
  try {
    assert.deepEqual(await wall.ask(program), { interfaces: 'lo', loopback: 'ConnectionRefusedError111', metadata: 'OSError101' });
    assert.equal(
      (await wall.ask(program, { options: without('--unshare-net') }))['loopback'],
      'ok',
      'control: with the host’s network it connects',
    );
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test('no process of the sandbox is root for the host, nor are its files', async () => {
  using wall = new WallFixture();
  const uids = new Set<string>();
  const look = ({ init, pids }: { init: number; pids(): number[] }): void => {
    const found = [init, ...pids()];
    assert.ok(found.length >= 2, 'init and the payload');
    for (const pid of found) uids.add(statusOf(readFileSync(`/proc/${pid}/status`, 'utf8'))['Uid'] ?? '');
  };
  await wall.watch('touch /workspace/made; echo here; read line', look);
  assert.deepEqual([...uids], [Array(4).fill(WALL_UID).join('\t')]);
  assert.equal(statSync(join(wall.workspace, 'made')).uid, WALL_UID);
  uids.clear();
  await wall.watch('echo here; read line', look, { asRoot: true }, { directory: '/tmp' });
  assert.deepEqual([...uids], [Array(4).fill(0).join('\t')], 'control: started by root, the same options leave it uid 0');
});

test('a payload has no capability, cannot gain one, and is filtered; its init too', async () => {
  using wall = new WallFixture();
  const read = async (change = {}): Promise<Record<string, string>[]> =>
    (await wall.shell('cat /proc/self/status; echo =====; cat /proc/1/status', change)).stdout.split('=====\n').map(statusOf);
  for (const status of await read()) {
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) assert.equal(status[set], '0000000000000000', set);
    assert.equal(status['NoNewPrivs'], '1');
    assert.equal(status['Seccomp'], '2');
    assert.equal(status['Groups']?.trim(), '');
  }
  const [capable] = await read({ options: (options: string[]) => [...without('--cap-drop', 'ALL')(options), '--cap-add', 'ALL'] });
  assert.notEqual(capable?.['CapEff'], '0000000000000000', 'control: with capabilities left');
  const [unfiltered] = await read({ seccomp: null });
  assert.equal(unfiltered?.['Seccomp'], '0', 'control: without the filter');
});

test('a setuid program gains nothing', async () => {
  using wall = new WallFixture();
  const program = join(wall.workspace, 'id');
  copyFileSync('/usr/bin/id', program);
  chownSync(program, 0, 0);
  chmodSync(program, 0o4755);
  chmodSync(wall.workspace, 0o755);
  assert.equal((await wall.run(['/workspace/id', '-u'])).stdout.trim(), String(WALL_UID));
  const outside = execFileSync('/usr/bin/setpriv', ['--reuid', String(WALL_UID), '--clear-groups', '--', program, '-u'], {
    encoding: 'utf8',
  });
  assert.equal(outside.trim(), '0', 'control: on the host the same file makes root');
});

const KNOBS = ['/proc/sys/kernel/core_pattern', '/proc/sys/vm/drop_caches', '/proc/sys/kernel/hostname', '/proc/irq/default_smp_affinity'];

test('kernel knobs cannot be opened for writing; the uid and the read-only mount each suffice', async () => {
  using wall = new WallFixture();
  const noReadOnly = all(without('--ro-bind', '/proc/sys', '/proc/sys'), without('--ro-bind', '/proc/irq', '/proc/irq'));
  const attack = openForWriting(KNOBS);
  const root = { directory: '/tmp' };
  for (const [path, answer] of Object.entries(await wall.ask(attack))) assert.equal(answer, 'EACCES', path);
  for (const [path, answer] of Object.entries(await wall.ask(attack, { options: noReadOnly })))
    assert.equal(answer, 'EACCES', `uid alone: ${path}`);
  for (const [path, answer] of Object.entries(await wall.ask(attack, { asRoot: true }, root)))
    assert.equal(answer, 'EROFS', `mount alone: ${path}`);
  const bare = await wall.ask(attack, { asRoot: true, options: noReadOnly }, root);
  assert.ok(Object.values(bare).includes('ok'), `control: with neither, a knob opens: ${JSON.stringify(bare)}`);
  const others = [
    '/proc/sys/kernel/modprobe',
    '/proc/sysrq-trigger',
    '/proc/sys/user/max_user_namespaces',
    '/sys/kernel/uevent_helper',
    '/proc/1/exe',
    '/proc/self/exe',
    '/usr/bin/bwrap',
  ];
  for (const [path, answer] of Object.entries(await wall.ask(openForWriting(others)))) assert.notEqual(answer, 'ok', path);
});

test('parts of /proc that tell about the host are empty', async () => {
  using wall = new WallFixture();
  const secretive = ['/proc/cmdline', '/proc/keys', '/proc/timer_list', '/proc/kallsyms', '/proc/iomem'].filter((path) => existsSync(path));
  assert.ok(secretive.length >= 4);
  for (const path of secretive) {
    // Empty, or root's alone already and for that reason not masked.
    const { stdout, stderr } = await wall.run(['cat', path]);
    assert.equal(stdout, '', path);
    assert.match(stderr, (statSync(path).mode & 0o007) === 0 ? /Permission denied/ : /^$/, path);
  }
  const open = await wall.run(['cat', '/proc/cmdline'], {
    options: without('--ro-bind', join(wall.directory, 'root/empty'), '/proc/cmdline'),
  });
  assert.equal(open.stdout, readFileSync('/proc/cmdline', 'utf8'), 'control: without its mask');
  assert.equal((await wall.run(['ls', '/sys'])).code, 2, 'there is no /sys');
});

test('/proc/1 shows no path and no environment of the host', async () => {
  using wall = new WallFixture();
  const look = async (change = {}): Promise<string> =>
    (await wall.shell('cat /proc/1/cmdline /proc/1/environ; ls -l /proc/1/fd; readlink /proc/1/cwd /proc/1/root', change)).stdout;
  const said = await look();
  assert.match(said, /bwrap/);
  assert.ok(!said.includes(wall.directory), said);
  assert.equal((await wall.run(['cat', '/proc/1/environ'])).stdout, '');
  assert.ok((await look({ argumentsOnCommandLine: true })).includes(wall.directory), 'control: arguments on the command line show');
  assert.match(await look({ environment: { HOST_SECRET: 'x' } }), /HOST_SECRET/, 'control: an environment shows, so that it must be empty');
});

test('a payload has descriptors 0 to 2 and starts inside', async () => {
  using wall = new WallFixture();
  const script =
    'import json, os\nprint(json.dumps(sorted(int(f) for f in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + f))))';
  assert.deepEqual(await wall.ask(script), [0, 1, 2]);
  const descriptor = openSync('/etc/passwd', 'r');
  try {
    assert.deepEqual(await wall.ask(script, { leak: [descriptor] }), [0, 1, 2, 6], 'control: one that leaks shows');
  } finally {
    closeSync(descriptor);
  }
  assert.equal(
    (await wall.shell('pwd; cd /proc/self/cwd/../../../..; pwd -P; ls')).stdout.split('\n').slice(0, 2).join(' '),
    '/workspace /',
  );
});

test('the environment is ours and the spec’s, nothing of whoever started it', async () => {
  using wall = new WallFixture();
  const environment = { HOST_SECRET: 'x', LD_PRELOAD: '', NODE_OPTIONS: '--no-warnings' };
  const names = (text: string): string[] => [...text.matchAll(/^([A-Za-z_]+)=/gm)].map(([, name]) => name ?? '').toSorted();
  const said = await wall.run(['env'], { environment }, { environment: { MINE: 'a\nb=c', LANG: 'de_DE.UTF-8' } });
  assert.deepEqual(names(said.stdout.replace('a\nb=c', '')), [
    'BUREAU_PRINCIPAL',
    'BUREAU_PROXY_SOCKET',
    'HOME',
    'LANG',
    'LOGNAME',
    'MINE',
    'PATH',
    'PWD',
    'SHELL',
    'USER',
  ]);
  assert.match(said.stdout, /^MINE=a\nb=c$/m);
  assert.match(said.stdout, /^LANG=de_DE.UTF-8$/m);
  assert.match(
    (await wall.run(['env'], { environment, options: without('--clearenv') })).stdout,
    /HOST_SECRET=x/,
    'control: without --clearenv',
  );
});

test('the usual tools run, Node lists interfaces, and the agent’s socket is reached under its own uid', async () => {
  using wall = new WallFixture();
  const peers: number[] = [];
  const server = createServer((socket) => {
    peers.push(peerCredentials(socket).uid);
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello'));
  });
  await new Promise<void>((resolve) => server.listen(join(wall.agent, 'proxy.sock'), resolve));
  chmodSync(join(wall.agent, 'proxy.sock'), 0o666);
  try {
    assert.deepEqual(await wall.run(['curl', '-s', '--unix-socket', '/proxy.sock', 'http://bureau/v1/identity']), {
      code: 0,
      stdout: 'hello',
      stderr: '',
    });
    assert.deepEqual(peers, [WALL_UID]);
  } finally {
    await new Promise((resolve) => server.close(resolve));
    rmSync(join(wall.agent, 'proxy.sock'), { force: true });
  }
  const good = async (command: string[], expected: RegExp): Promise<void> => {
    const { code, stdout, stderr } = await wall.run(command);
    assert.equal(code, 0, stderr);
    assert.match(stdout, expected);
  };
  await good(['bash', '-c', 'set -e; sleep 0 & wait; echo $((6 * 7))'], /^42$/m);
  await good(
    [
      '/usr/bin/python3',
      '-c',
      'import threading, subprocess, ssl; t = threading.Thread(target=print, args=("hi",)); t.start(); t.join(); print(subprocess.check_output(["id", "-un"]).decode())',
    ],
    /hi\nagent/,
  );
  await good(
    [
      'sh',
      '-c',
      'git init -q /workspace/r && cd /workspace/r && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --oneline | wc -l',
    ],
    /^1$/m,
  );
  await good(
    [
      'node',
      '-e',
      'console.log(Object.keys(os.networkInterfaces()).filter((name) => name !== "lo").length, os.userInfo().username, os.hostname())',
    ],
    /^0 agent wall-test$/m,
  );
  await good(
    ['sh', '-c', 'cat /dev/null; head -c 4 /dev/urandom | wc -c; test -c /dev/tty; date +%Z >/dev/null; getent passwd agent'],
    /^agent:x:/m,
  );
});

test('the command’s end is told as a shell tells it, and a command that looks like an option is only a name', async () => {
  using wall = new WallFixture();
  const code = async (...command: string[]): Promise<number | null> => (await wall.run(command)).code;
  assert.equal(await code('sh', '-c', 'exit 3'), 3);
  assert.equal(await code('no-such-command'), 127);
  assert.equal(await code('/etc/passwd'), 126);
  assert.equal(await code('sh', '-c', 'kill -KILL $$'), 137);
  for (const name of ['--', '-c', '--version', '--bind', '-a']) assert.equal(await code(name, '/', '/x'), 127, name);
  const odd = ['$(id)', '`id`', '; id', 'a\nb', '--help', "'", '"', '\\', '*', ''];
  assert.equal((await wall.run(['printf', '%s|', ...odd])).stdout, odd.map((value) => `${value}|`).join(''));
});

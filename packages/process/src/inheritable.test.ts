// SPDX-License-Identifier: Apache-2.0
// Threads that a program made while it was root keep what identityPowers lets it inherit (ADR 0010). Here such a thread is an attacker's.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { identityPowers } from './identity-powers.ts';

const UID = 196_000 + (process.pid % 1_000);
const directory = mkdtempSync(join(tmpdir(), 'bureau-inheritable-'));
after(() => rmSync(directory, { recursive: true }));

/** A copy of cat that the kernel gives powers to where it may: by file capabilities of either kind, or root's set-uid bit. */
function treasure(name: string, give: (path: string) => void): string {
  const path = join(directory, name);
  copyFileSync('/bin/cat', path);
  chmodSync(path, 0o755);
  give(path);
  return path;
}

/** SETUID and SETGID (bits 6 and 7) in a file: version 2, effective; then permitted and inheritable. */
const capabilities =
  (permitted: number, inheritable: number) =>
  (path: string): void => {
    const words = `import os, struct, sys; os.setxattr(sys.argv[1], 'security.capability', struct.pack('<5I', 0x02000001, ${permitted}, ${inheritable}, 0, 0))`;
    assert.equal(spawnSync('/usr/bin/python3', ['-c', words, path], { stdio: 'inherit' }).status, 0);
  };
const TREASURES = {
  inheritable: treasure('inheritable', capabilities(0, 0xc0)),
  permitted: treasure('permitted', capabilities(0xc0, 0)),
  root: treasure('root', (path) => chmodSync(path, 0o4755)),
};
chmodSync(directory, 0o755);

/**
 * Makes a thread, then becomes the user as `becomeUser` does: the C library on every thread, the main one's inheritable set by itself. What
 * comes of each attempt of the thread, by name: EPERM, or uid and the five sets.
 */
const ATTACKER = `
import ctypes, json, os, platform, struct, subprocess, sys, threading
uid, treasures = int(sys.argv[1]), json.loads(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
capget, capset, setresuid = {'x86_64': (125, 126, 117), 'aarch64': (90, 91, 147)}[platform.machine()]
header = struct.pack('<Ii', 0x20080522, 0)
def call(*words):
    if libc.syscall(*words) != 0: raise OSError(ctypes.get_errno(), '')
def powers(text):
    fields = dict(line.split(':', 1) for line in text.splitlines())
    return [int(fields['Uid'].split()[1])] + [int(fields[name], 16) for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')]
def mine(): return powers(open('/proc/thread-self/status').read())
def grow(): call(capset, header, struct.pack('<6I', 0xc0, 0xc0, 0xc0, 0, 0, 0))
def ambient():
    if libc.prctl(47, 2, 7, 0, 0) != 0: raise OSError(ctypes.get_errno(), '')
def root(): call(setresuid, 0, 0, 0)
said = {}
def attempt(name, task):
    try: said[name] = task() or mine()
    except OSError as error: said[name] = os.strerror(error.errno)
ready, go = threading.Event(), threading.Event()
def attacker():
    ready.set()
    go.wait()
    attempt('has', mine)
    for task in (root, grow, ambient): attempt(task.__name__, task)
    for name, path in treasures.items():
        attempt('exec ' + name, lambda: powers(subprocess.run([path, '/proc/self/status'], capture_output=True, text=True).stdout))
thread = threading.Thread(target=attacker)
thread.start()
ready.wait()
os.setgroups([])
libc.setresgid(uid, uid, uid)
libc.setresuid(uid, uid, uid)
call(capset, header, struct.pack('<6I', 0, 0, 0, 0, 0, 0))
said['main'] = mine()
go.set()
thread.join()
print(json.dumps(said))
`;

function attack({ command, args }: { command: string; args: readonly string[] }): Record<string, unknown> {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env: {}, cwd: '/', timeout: 20_000 });
  assert.equal(stderr, '');
  return JSON.parse(stdout) as Record<string, unknown>;
}

const POWERS = 0xc0;
const program = ['-I', '-c', ATTACKER, String(UID), JSON.stringify(TREASURES)];
const line = identityPowers('/usr/bin/python3', program);

test('what a thread keeps in its inheritable set gives it nothing, and nothing that it starts', () => {
  const nothing = [UID, POWERS, 0, 0, 0, 0];
  assert.deepEqual(attack(line), {
    main: [UID, 0, 0, 0, 0, 0],
    has: nothing,
    root: 'Operation not permitted',
    grow: 'Operation not permitted',
    ambient: 'Operation not permitted',
    'exec inheritable': nothing,
    'exec permitted': 'Operation not permitted',
    'exec root': nothing,
  });
});

test('control: without no_new_privs the same thread has them from a file with inheritable capabilities, and uid 0 from a set-uid one', () => {
  const said = attack({ ...line, args: line.args.filter((word) => word !== '--no-new-privs') });
  assert.deepEqual(said['exec inheritable'], [UID, POWERS, POWERS, POWERS, 0, 0]);
  assert.equal(said['exec permitted'], 'Operation not permitted', 'out of bounds');
  assert.deepEqual(said['exec root'], [0, POWERS, POWERS, POWERS, 0, 0]);
});

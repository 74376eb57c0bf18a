// SPDX-License-Identifier: Apache-2.0
// What a payload leaves behind for somebody else to find: files for tools of the host, memory and sockets for another sandbox.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCommand, speakAs, startStand, until, type Stand } from '@bureau/testkit';
import type { Weakness } from '@bureau/testkit/wall';
import { titlesOf } from './catalogue.ts';
import { numberOf, START_MILLISECONDS } from './outside.testing.ts';
import { WeakControls } from './weak-controls.ts';

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
    const victim = numberOf(stand, 'escape/left');
    const uid = stand.uidBase + 16 + 2 * numberOf(stand, 'escape/right');
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

weakControls.declare(() => stand);

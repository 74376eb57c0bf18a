// SPDX-License-Identifier: Apache-2.0
// Processes of a payload, looked at from the host: who they are, and that none outlives the end.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCommand, startStand, until, type Stand } from '@bureau/testkit';
import { all, inserted, WALL_UID, WallFixture, without } from '@bureau/testkit/wall';
import { titlesOf } from './catalogue.ts';
import { numberOf, START_MILLISECONDS, startHolding } from './outside.testing.ts';

const END_MILLISECONDS = 15_000;

let stand: Stand;
before(async () => {
  stand = await startStand({ demo: false });
});
after(() => stand.end());

/** Live processes of the payload or of bwrap, whatever their parents. */
function payloadsOf(number: number): number[] {
  return stand.processes().flatMap(({ role, zombie, pid }) => (role === `payload:${number}` && !zombie ? [pid] : []));
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
    await using command = await startHolding(stand, 'escape/live', 'touch /workspace/made');
    const number = numberOf(stand, 'escape/live');
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
    const number = numberOf(stand, 'escape/stays');
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

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  CHECKOUT,
  copyCheckout,
  instanceProcesses,
  runCommand,
  startCommand,
  startStand,
  type CommandResult,
  type Stand,
} from '@bureau/testkit';

const UP_MILLISECONDS = 120_000;
const STEP_MILLISECONDS = 60_000;
const NOBODY = 65_534;
/** Names that no other test has, and that `startStand` does not take for its own. */
const UNFIT = `u${(process.pid % 1_000_000).toString(36)}`;
/** The step whose line was printed last before script/up is killed; what is killed is the step behind it. */
const MOMENTS = [
  'host',
  'settings',
  'keys',
  'configure',
  'manager',
  'homeserver',
  'launcher',
  'accounts',
  'rooms',
  'machine',
  'daemon',
  'sync',
];

let stand: Stand;
before(async () => (stand = await startStand({ demo: false })));
after(async () => await stand.end());

function up(name: string, args: readonly string[] = []): Promise<CommandResult> {
  return runCommand(`${CHECKOUT}/script/up`, ['--instance', name, '--json', ...args], { timeoutMilliseconds: UP_MILLISECONDS });
}

test('script/up killed in the middle of each of its steps goes on from there the next time', async (t) => {
  await stand.down({ purge: true });
  for (const moment of MOMENTS) {
    await using command = startCommand(`${CHECKOUT}/script/up`, ['--instance', stand.name, '--json']);
    await command.stderr.waitFor(new RegExp(`^${moment} .*\\(\\d+\\.\\d s\\)$`, 'm'), STEP_MILLISECONDS);
    command.signal('SIGKILL');
    const { signal, stdout } = await command.exitedWithin(STEP_MILLISECONDS);
    assert.deepEqual({ signal, stdout }, { signal: 'SIGKILL', stdout: '' }, moment);
  }
  const last = await up(stand.name);
  assert.equal(last.code, 0, last.stderr);
  assert.equal(JSON.parse(last.stdout).demo.principal, 'demo/hello');
  t.diagnostic(`the last script/up took ${Math.round(last.milliseconds)} ms`);
  const { code, stdout } = await stand.bureau(['run', 'fault/after', '--', 'echo', 'works']);
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'works\n' });
  for (const doctor of [
    ['matrix', 'doctor'],
    ['doctor', 'host'],
  ])
    assert.equal((await stand.bureau(doctor)).code, 0, doctor.join(' '));
});

test('a homeserver’s port that somebody else has is named, and that somebody is left alone', async () => {
  // Purged and made anew by the test above: its port may be another now.
  const current = Number(new URL(JSON.parse((await up(stand.name)).stdout).homeserver).port);
  await stand.down();
  let connections = 0;
  const other: Server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => undefined);
    socket.end('somebody else\n');
  }).listen(current, '127.0.0.1');
  await once(other, 'listening');
  try {
    const refused = await up(stand.name);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, new RegExp(`Step "homeserver" failed: .*something else listens on 127\\.0\\.0\\.1:${current}`));
    assert.match(refused.stderr, /Running script\/up again goes on from here/);
    assert.ok(refused.milliseconds < 10_000, `told after ${refused.milliseconds} ms`);
    assert.ok(other.listening);
    assert.ok(connections > 0, 'it was asked, and no more than that');
  } finally {
    other.close();
  }
  const again = await up(stand.name);
  assert.equal(again.code, 0, again.stderr);
});

test('a second stand beside the first has everything of its own, and purging it takes nothing from the first', async () => {
  const footprint = await stand.leaks.atRest();
  const mine = stand.lasting();
  await using second = await startStand({ demo: false, name: `${stand.name.slice(0, 11)}b` });
  assert.notEqual(second.facts.homeserver, JSON.parse((await up(stand.name)).stdout).homeserver);
  assert.ok(
    second.uidBase >= stand.uidBase + 65_536 || second.uidBase + 65_536 <= stand.uidBase,
    `${second.uidBase} beside ${stand.uidBase}`,
  );
  assert.notEqual(second.paths.runDir, stand.paths.runDir);
  const [one, two] = await Promise.all([stand, second].map((each) => each.bureau(['run', 'same/name', '--', 'id', '-u'])));
  assert.deepEqual([one?.code, two?.code], [0, 0], `${one?.stderr}${two?.stderr}`);
  assert.notEqual(one?.stdout, two?.stdout);
  await second.end();
  await stand.leaks.assertUnchanged(footprint);
  assert.deepEqual(stand.lasting(), mine);
  assert.equal((await stand.bureau(['run', 'same/name', '--', 'true'])).code, 0);
});

test('another server or machine name for a stand that is there: refused, and the stand goes on', async () => {
  // A command before this test has ended, and its sandbox may still be on its way.
  await stand.leaks.atRest();
  const mine = stand.lasting();
  for (const [option, name] of [
    ['--server-name', 'other.local'],
    ['--machine', 'another'],
  ] as const) {
    const { code, stderr } = await up(stand.name, [option, name]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, new RegExp(`${option} asks for .*${name}; leave the option away`));
  }
  assert.deepEqual(stand.lasting(), mine);
});

test('script/up and script/down without root say so in one line and do nothing', async () => {
  using copy = copyCheckout();
  chmodSync(copy.root, 0o755);
  for (const script of ['script/up', 'script/down']) {
    const words = ['--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups', `${copy.root}/${script}`, '--instance', UNFIT];
    const { code, stdout, stderr } = await runCommand('/usr/bin/setpriv', words);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, new RegExp(`^${script}: needs root.*sudo ${script}\\n$`));
  }
  assert.equal(existsSync(`/etc/bureau-${UNFIT}`), false);
});

describe('a host that cannot make sandboxes is found before anything is made', () => {
  /**
   * `stand up` of the installed build, not script/up: script/setup must never run where the host looks other than it is, since it would
   * install Debian packages into the real /usr.
   */
  function standUp(script: string): Promise<CommandResult> {
    const build = realpathSync(stand.paths.buildLink);
    const library = realpathSync(`${stand.paths.homeserverStateDirectory}/library`);
    const words = [`${build}/lib/cli.js`, '--instance', UNFIT, 'stand', 'up', '--homeserver-library', library];
    return inMounts(script, `${build}/bin/node`, words);
  }

  /** Runs a command with `script` done before it in a mount namespace of its own; the host keeps what it has. */
  function inMounts(script: string, command: string, args: readonly string[]): Promise<CommandResult> {
    const words = ['--mount', '--propagation', 'private', '/bin/sh', '-ec', `${script}\nexec "$@"`, 'sh', command, ...args];
    return runCommand('/usr/bin/unshare', words, { timeoutMilliseconds: UP_MILLISECONDS });
  }

  const faults: readonly [what: string, script: string, expected: RegExp][] = [
    [
      'bubblewrap is missing',
      'upper=$(mktemp -d -p "$PLACE"); mount -t tmpfs none "$upper"; mkdir "$upper/u" "$upper/w"\n' +
        'mount -t overlay overlay -o "lowerdir=/usr/bin,upperdir=$upper/u,workdir=$upper/w" /usr/bin; rm /usr/bin/bwrap',
      /programs.*missing: \/usr\/bin\/bwrap[^]*apt-get install bubblewrap/,
    ],
    ['bubblewrap cannot be executed', 'mount --bind /dev/null /usr/bin/bwrap', /sandbox.*an unprivileged uid cannot make one/],
    [
      'user namespaces are forbidden',
      'mount --bind "$PLACE/bwrap" /usr/bin/bwrap',
      /sandbox.*No permissions to create new namespace[^]*sysctl user\.max_user_namespaces/,
    ],
  ];
  for (const [what, script, expected] of faults) {
    test(what, async () => {
      const place = mkdtempSync(join(tmpdir(), 'bureau-unfit-'));
      try {
        chmodSync(place, 0o755);
        writeFileSync(
          `${place}/bwrap`,
          '#!/bin/sh\necho "bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user namespaces." >&2\nexit 1\n',
          { mode: 0o755 },
        );
        const prepared = `PLACE=${place}\n${script}`;
        const doctor = await inMounts(prepared, `${CHECKOUT}/bin/bureau`, ['--instance', stand.name, 'doctor', 'host']);
        assert.equal(doctor.code, 1, doctor.stderr);
        assert.match(doctor.stdout, expected);
        const refused = await standUp(prepared);
        assert.equal(refused.code, 1, refused.stderr);
        assert.match(refused.stderr, /Step "host" failed/);
        assert.match(refused.stderr, expected);
        for (const directory of ['/etc', '/run', '/var/lib', '/var/log'])
          assert.equal(existsSync(`${directory}/bureau-${UNFIT}`), false, directory);
      } finally {
        rmSync(place, { recursive: true, force: true });
      }
    });
  }

  test('a disk without room', async () => {
    const directory = `/var/lib/bureau-${UNFIT}`;
    mkdirSync(directory);
    try {
      const refused = await standUp(`mount -t tmpfs -o size=64m none ${directory}`);
      assert.equal(refused.code, 1, refused.stderr);
      assert.match(refused.stderr, /Step "host" failed: .*disk: 0\.1 GiB free for \/var\/lib\/bureau-\w+ \(free at least 1 GiB\)/);
      assert.equal(existsSync(`/etc/bureau-${UNFIT}`), false);
    } finally {
      rmdirSync(directory);
    }
  });

  test('and none of it has started anything', () => {
    assert.deepEqual(
      instanceProcesses({ name: UNFIT, uidBase: 2 ** 31 }).map(({ role }) => role),
      [],
    );
  });
});

// SPDX-License-Identifier: Apache-2.0
// A neighbour's uids on the host itself, as if a payload had left its sandbox: what of another principal do they reach?
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startStand, until, type Stand } from '@bureau/testkit';

const WAIT_MILLISECONDS = 20_000;
const [VICTIM, NEIGHBOUR] = ['side/victim', 'side/neighbour'];
/** Told nobody but by the modes of files. */
const NOTE = 'the-note-of-the-victim';

/** Reads paths from stdin; prints those that this uid reads, writes or connects to. Also what is listed by none: the names come from root. */
const REACH = `
import os, socket, stat, sys
for path in sys.stdin.read().splitlines():
    said = ''
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISSOCK(mode):
            one = socket.socket(socket.AF_UNIX); one.settimeout(5); one.connect(path); said = 'c'
        elif stat.S_ISDIR(mode):
            os.listdir(path); said = 'l'
            if os.access(path, os.W_OK): said = 'w'
        else:
            open(path, 'rb').read(1); said = 'r'
            if os.access(path, os.W_OK): said = 'w'
    except OSError: pass
    if said: print(said, path)
`;

let stand: Stand;
let victim = -1;
let neighbour = -1;

before(async () => {
  stand = await startStand({ demo: false });
  const command = ['sh', '-c', `echo ${NOTE} > note; sleep 1000`];
  for (const name of [VICTIM, NEIGHBOUR]) {
    const { code, stderr } = await stand.bureau(['agent', 'deploy', name, '--', ...command]);
    assert.equal(code, 0, stderr);
  }
  const { principals } = JSON.parse(readFileSync(stand.paths.numbersFile, 'utf8')) as { principals: Record<string, number> };
  [victim, neighbour] = [principals[VICTIM] ?? -1, principals[NEIGHBOUR] ?? -1];
  const note = join(stand.paths.workspaceOf(VICTIM as never), 'note');
  await until('the note', WAIT_MILLISECONDS, () => spawnSync('cat', [note], { encoding: 'utf8' }).stdout.includes(NOTE));
});
after(async () => {
  await stand.end();
});

/** Everything below a directory, links not followed; what goes away meanwhile is left out. */
function below(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? [path, ...below(path)] : [path];
    });
  } catch {
    return [];
  }
}

function reach(uid: number, gid: number, paths: readonly string[]): string[] {
  const { status, stdout, stderr } = spawnSync(
    '/usr/bin/setpriv',
    [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '/usr/bin/python3', '-c', REACH],
    { input: paths.join('\n'), encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  assert.equal(status, 0, stderr);
  return stdout.split('\n').filter((line) => line !== '');
}

/** All that is the victim's alone: run directory, workspace, logs, keys. What every sandbox has in common (generated `/etc`) is not. */
function ofTheVictim(): string[] {
  const { paths } = stand;
  const own = paths.principal(victim);
  const shared = `${own.directory}/root`;
  const run = below(own.directory).filter((path) => path !== shared && !path.startsWith(`${shared}/`));
  const logs = below(paths.logDir).filter((path) => path.includes(`-${victim}`) || path.startsWith(paths.outputLogDir));
  return [
    ...run,
    paths.workspaceOf(VICTIM as never),
    ...below(paths.workspaceOf(VICTIM as never)),
    ...below(paths.launcherStateDirectory),
    ...logs,
  ];
}

/** What of a process its uid could read. */
function ofProcesses(): string[] {
  const live = stand.processes().filter(({ zombie }) => !zombie);
  return live.flatMap(({ pid }) =>
    ['environ', 'maps', 'mem', 'fd', 'cwd/.', 'root/.', 'io', 'syscall'].map((name) => `/proc/${pid}/${name}`),
  );
}

test('a neighbour’s payload, its proxy, the victim’s own proxy and nobody reach nothing of a principal; its own uid does', () => {
  const paths = ofTheVictim();
  assert.ok(paths.length > 10, paths.join());
  const payload = (number: number): number => stand.uidBase + 16 + 2 * number;
  for (const uid of [payload(neighbour), payload(neighbour) + 1, 65_534, stand.uidBase + 1])
    assert.deepEqual(reach(uid, uid, paths), [], `uid ${uid}`);
  const own = reach(payload(victim), payload(victim), paths);
  assert.ok(
    own.some((line) => line === `w ${join(stand.paths.workspaceOf(VICTIM as never), 'note')}`),
    own.join('\n'),
  );
  assert.ok(
    own.some((line) => /^c .*proxy\.sock$/.test(line)),
    own.join('\n'),
  );
  // The payload's uid on the host's side does not reach what watches it, nor its proxy's orders, nor what was decided.
  for (const barred of [/relay\.sock/, /\/admin/, /plan\.json/, /\.bundle/, /output/]) assert.doesNotMatch(own.join('\n'), barred);
});

test('no process of the stand can be looked into: not by the uid of its neighbour, and launcher, proxies, relays not by their own', () => {
  const paths = ofProcesses();
  const payload = (number: number): number => stand.uidBase + 16 + 2 * number;
  const relay = stand.processes().find(({ role }) => role === `relay:${victim}`);
  for (const uid of [payload(neighbour) + 1, 65_534]) assert.deepEqual(reach(uid, uid, paths), [], `uid ${uid}`);
  const own = reach(payload(victim), payload(victim), paths);
  assert.ok(own.length > 0, 'a payload’s own processes are its own');
  assert.ok(relay !== undefined);
  assert.ok(
    own.every((line) => !line.includes(`/proc/${relay.pid}/`)),
    own.join('\n'),
  );
  const neighbours = new Set(reach(payload(neighbour), payload(neighbour), paths));
  assert.deepEqual(
    own.filter((line) => neighbours.has(line)),
    [],
  );
});

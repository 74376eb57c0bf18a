// SPDX-License-Identifier: Apache-2.0
// What launcher and payload, or two principals, both touch while sandboxes run.
import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readCredentials, speakAs, startStand, type Stand } from '@bureau/testkit';
import { titlesOf } from './catalogue.ts';
import { WeakControls } from './weak-controls.ts';

const START_MILLISECONDS = 30_000;
/** Times that the launcher replaces the file under the attack. */
const UPDATES = 200;

let stand: Stand;
const weakControls = new WeakControls();
const directory = mkdtempSync(join(tmpdir(), 'bureau-escape-'));
const lower = join(directory, 'lower');
before(async () => {
  chmodSync(directory, 0o755);
  mkdirSync(lower);
  writeFileSync(join(lower, 'given'), 'given');
  stand = await startStand({ demo: false });
  writeFileSync(stand.paths.policyFile, JSON.stringify({ v: 1, binds: [{ source: lower, mode: 'ro' }] }), { mode: 0o644 });
  const room = encodeURIComponent(
    readCredentials(stand.facts.credential_file).get('MATRIX_TEMPLATE_ROOM') ?? assert.fail('a template room'),
  );
  const mounts = [{ type: 'overlay', lower, destination: '/mnt/kept', upper: { kept: 'cache' } }];
  const body = { v: 1, description: 'kept', environment: {}, mounts };
  const { status } = await stand.matrix(`/_matrix/client/v3/rooms/${room}/state/m.bureau.template/kept`, { method: 'PUT', body });
  assert.equal(status, 200);
});
after(async () => {
  rmSync(directory, { recursive: true, force: true });
  await stand.end();
  weakControls[Symbol.dispose]();
});

describe('the file in which the launcher tells a payload what to do', () => {
  const { attack, control } = titlesOf('told_file');
  /** Tries without end to put something else in its place, and reads it, until it says that all is told; then what it saw. */
  const RACE = `
import json, os
place = '/run/bureau/payload.json'
open('/tmp/evil', 'w').write('{"evil":true}')
done, torn, seen = set(), 0, set()
def attempt(name, task):
    try: task(); done.add(name)
    except OSError: pass
print('racing', flush=True)
while True:
    attempt('write', lambda: open(place, 'w').write('{"evil":true}'))
    attempt('remove', lambda: os.unlink(place))
    attempt('link', lambda: os.symlink('/etc/passwd', place))
    attempt('replace', lambda: os.rename('/run/bureau/evil', place))
    attempt('make', lambda: open('/run/bureau/evil', 'w').write('{"evil":true}'))
    attempt('move', lambda: os.rename('/run/bureau', '/tmp/moved'))
    try:
        told = json.loads(open(place).read())
        seen.add(told.get('count', -1))
        if told.get('last') or told.get('evil'): break
    except FileNotFoundError: pass
    except ValueError: torn += 1
print(json.dumps({'done': sorted(done), 'torn': torn, 'seen': len(seen)}), flush=True)
`;
  test(attack, async (context) => {
    const racing = stand.spawnBureau(['run', 'escape/told', '--no-tty', '--', '/usr/bin/python3', '-I', '-c', RACE]);
    await using _held = racing;
    await racing.stdout.waitFor('racing', START_MILLISECONDS);
    const ask = (method: string, input: object): Parameters<typeof speakAs>[1][number] => ({
      socket: stand.paths.launcherSocket,
      contract: 'launcher',
      method,
      input,
    });
    const daemon = { uid: stand.uidBase, gid: stand.uidBase };
    const [list] = await speakAs(daemon, [ask('list', {})]);
    assert.ok(list?.ok === true, JSON.stringify(list));
    const { id, number } = (list.output as { sandboxes: { principal: string; id: string; number: number }[] }).sandboxes.find(
      ({ principal }) => principal === 'escape/told',
    )!;
    const update = (payload: object): Parameters<typeof speakAs>[1][number] =>
      ask('updatePayload', { principal: 'escape/told', id, payload });
    const told = await speakAs(daemon, [...Array.from({ length: UPDATES }, (_, count) => update({ count })), update({ last: true })]);
    for (const outcome of told) assert.ok(outcome.ok, JSON.stringify(outcome));
    const file = join(stand.paths.principal(number).agentDirectory, 'payload.json');
    const facts = lstatSync(file);
    assert.deepEqual([facts.isFile(), facts.uid, facts.mode & 0o777], [true, 0, 0o644]);
    assert.equal(readFileSync(file, 'utf8'), '{"last":true}\n');
    const { stdout } = await racing.exitedWithin(START_MILLISECONDS);
    const saw = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as { done: string[]; torn: number; seen: number };
    context.diagnostic(JSON.stringify(saw));
    assert.deepEqual([saw.done, saw.torn], [[], 0]);
    assert.ok(saw.seen > 1, 'it read while it was replaced');
  });

  weakControls.add(control, async (weak) => {
    const own = join(directory, 'own');
    mkdirSync(own);
    chmodSync(own, 0o777);
    writeFileSync(join(own, 'payload.json'), '{}');
    const options = [{ take: ['--ro-bind', null, '/run/bureau'], by: ['--bind', own, '/run/bureau'] }];
    const { stdout, stderr } = await weak.run('escape/told', { options }, ['/usr/bin/python3', '-I', '-c', RACE]);
    assert.match(stdout, /"done": \[.*"make".*"replace"/, stderr);
    assert.equal(readFileSync(join(own, 'payload.json'), 'utf8'), '{"evil":true}');
  });
});

describe('an overlay that is kept', () => {
  const { attack, control } = titlesOf('kept_overlay');
  const LEAVE = 'cat /mnt/kept/given && echo mine > /mnt/kept/left && chmod 666 /mnt/kept/left && rm /mnt/kept/given && ls /mnt/kept';
  test(attack, async () => {
    const run = (principal: string, script: string): ReturnType<Stand['bureau']> =>
      stand.bureau(['run', principal, '--template', 'kept', '--no-tty', '--', 'sh', '-c', script]);
    const first = await run('escape/keeper', LEAVE);
    assert.equal(first.stdout, 'givenleft\n', first.stderr);
    const again = await run('escape/keeper', 'ls /mnt/kept');
    assert.equal(again.stdout, 'left\n', 'it is kept');
    const other = await run('escape/other', 'ls /mnt/kept; cat /mnt/kept/given');
    assert.equal(other.stdout, 'given\ngiven', 'another principal has its own, and the directory below is as it was');
    assert.equal(readFileSync(join(lower, 'given'), 'utf8'), 'given');
    // Names that would lead to another's: none is a name.
    const kept = (name: string): Parameters<typeof speakAs>[1][number] => ({
      socket: stand.paths.launcherSocket,
      contract: 'launcher',
      method: 'create',
      input: {
        principal: 'escape/other',
        id: 'odd-0',
        holdForObserver: false,
        spec: { v: 1, command: ['true'], mounts: [{ type: 'overlay', lower, destination: '/mnt/kept', upper: { kept: name } }] },
      },
    });
    const names = ['../0/cache', '..', '.', '', '/', 'a/b', 'a\0b', '../../workspace'];
    const outcomes = await speakAs({ uid: stand.uidBase, gid: stand.uidBase }, names.map(kept));
    for (const [at, outcome] of outcomes.entries())
      assert.ok(!outcome.ok && outcome.code === 'invalid_input', `${names[at]}: ${JSON.stringify(outcome)}`);
  });

  weakControls.add(control, async (weak) => {
    const shared = join(directory, 'shared');
    mkdirSync(shared);
    chmodSync(shared, 0o777);
    writeFileSync(join(shared, 'given'), 'given');
    const weakness = { options: [{ before: ['--remount-ro', '/'], put: ['--bind', shared, '/mnt/kept'] }] };
    await weak.run('escape/keeper', weakness, ['sh', '-c', LEAVE]);
    assert.equal((await weak.run('escape/other', weakness, ['ls', '/mnt/kept'])).stdout, 'left\n');
  });
});

weakControls.declare(() => stand);

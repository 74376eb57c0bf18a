// SPDX-License-Identifier: Apache-2.0
// What the relay does for bubblewrap before it: opens judged mount sources, puts overlays together, looks at devices.
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { MountSource, OverlayPlan } from '@bureau/protocol';
import { RelayFixture, TEST_UID } from './testing/relay-fixture.ts';
import { buildRelayProgram, type RelayProgram } from '@bureau/observe/testing';

let program: RelayProgram;
before(async () => {
  program = await buildRelayProgram();
});
after(() => program[Symbol.dispose]());

/** A directory of root's that the payload's uid can pass through. */
function host(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'bureau-mounts-'));
  chmodSync(path, 0o755);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

function directory(path: string, files: Readonly<Record<string, string>> = {}, owner = 0): MountSource {
  mkdirSync(path, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  for (const each of [path, ...Object.keys(files).map((name) => join(path, name))]) chownSync(each, owner, owner);
  const { dev, ino } = statSync(path);
  return { path, identity: `${dev}:${ino}` };
}

function overlay(base: string, lower: MountSource, upper: number | string): OverlayPlan {
  return { lower, upper, stage: join(directory(join(base, 'stage')).path, '0') };
}

/** Runs a script to its end; its exit code and everything that it said. */
async function run(script: string, options: ConstructorParameters<typeof RelayFixture>[2]): Promise<{ code: number | null; said: string }> {
  await using relay = new RelayFixture(program, ['sh', '-c', script], options);
  await relay.running();
  const { exit } = await relay.report('exited');
  await relay.ended();
  return { code: exit.code, said: relay.output.toString() };
}

test('relay gives bubblewrap the launcher’s mount sources by descriptor, and the payload none of them', async () => {
  using place = host();
  const [one, two] = [directory(join(place.path, 'one'), { a: 'first' }), directory(join(place.path, 'two'), { b: 'second' })];
  const { code, said } = await run('cat /one/a /two/b; ls /proc/self/fd | wc -l; touch /one/x 2>/dev/null || echo closed', {
    mountSources: [one, two],
    moreOptions: ['--ro-bind-fd', '7', '/one', '--ro-bind-fd', '8', '/two'],
  });
  assert.deepEqual([code, said.replace(/\s+/g, ' ')], [0, 'firstsecond4 closed ']);
});

test('relay mounts nothing that is not what the launcher admitted', async () => {
  using place = host();
  const admitted = directory(join(place.path, 'admitted'), { a: 'admitted' });
  renameSync(admitted.path, join(place.path, 'moved'));
  directory(admitted.path, { a: 'another' });
  await using relay = new RelayFixture(program, ['cat', '/x/a'], { mountSources: [admitted], moreOptions: ['--ro-bind-fd', '7', '/x'] });
  assert.match(await relay.failure(), /is not what the launcher admitted a moment ago/);
  assert.equal(await relay.ended(), 0);
  assert.equal(relay.output.toString(), '');
  const control = await run('cat /x/a', { moreOptions: ['--ro-bind', admitted.path, '/x'] });
  assert.equal(control.said, 'another', 'control: by path it is mounted');
});

test('relay refuses a device that the payload’s user cannot open, and says what would help', async () => {
  await using relay = new RelayFixture(program, ['true'], { devices: ['/dev/null', '/dev/kmsg'] });
  assert.match(await relay.failure(), /Cannot give \/dev\/kmsg.*mode 6\d\d.*udev/);
  assert.equal((await run('true', { devices: ['/dev/null'] })).code, 0, 'control');
});

test('an overlay looks writable, its lower is never written, and memory forgets', async () => {
  using place = host();
  const lower = directory(join(place.path, 'lower'), { kept: 'from below\n', gone: '' }, TEST_UID);
  const plan = overlay(place.path, lower, 1024 * 1024);
  const options = { overlays: [plan], moreOptions: ['--bind', `${plan.stage}/merged`, '/o'] };
  const script = `
    cat /o/kept; echo new > /o/new; echo changed >> /o/kept; rm /o/gone; ls /o | tr '\\n' ' '; id -u
    dd if=/dev/zero of=/o/big bs=64k count=32 2>&1 | grep -o 'No space left'; grep -E 'Cap(Eff|Prm|Bnd|Amb)' /proc/self/status | cut -f2 | sort -u`;
  for (const round of [1, 2]) {
    const { said, code } = await run(script, options);
    assert.equal(said, `from below\nkept new ${TEST_UID}\nNo space left\n0000000000000000\n`, `round ${round}`);
    assert.equal(code, 0);
  }
  assert.deepEqual(readdirSync(lower.path).toSorted(), ['gone', 'kept']);
  assert.equal(readFileSync(join(lower.path, 'kept'), 'utf8'), 'from below\n');
  assert.deepEqual(readdirSync(join(place.path, 'stage')), [], 'nothing of it is seen outside');
});

test('an overlay with a directory above keeps what is written for the next run', async () => {
  using place = host();
  const lower = directory(join(place.path, 'lower'), { a: '' });
  const upper = directory(join(place.path, 'kept')).path;
  for (const part of ['upper', 'work']) directory(join(upper, part), {}, TEST_UID);
  const plan = overlay(place.path, lower, upper);
  const options = { overlays: [plan], moreOptions: ['--bind', `${plan.stage}/merged`, '/o'] };
  assert.equal((await run('echo first > /o/made', options)).code, 0);
  assert.equal((await run('cat /o/made', options)).said, 'first\n');
  assert.equal(statSync(join(upper, 'upper/made')).uid, TEST_UID);
  assert.ok(!existsSync(join(lower.path, 'made')));
});

test('an overlay of something else than the launcher admitted is not made', async () => {
  using place = host();
  const lower = directory(join(place.path, 'lower'), { a: '' });
  const plan = overlay(place.path, { ...lower, identity: '1:1' }, 65_536);
  await using relay = new RelayFixture(program, ['true'], { overlays: [plan], moreOptions: ['--bind', `${plan.stage}/merged`, '/o'] });
  assert.match(await relay.failure(), /overlay: .*lower is not what the launcher admitted/);
  await relay.ended();
});

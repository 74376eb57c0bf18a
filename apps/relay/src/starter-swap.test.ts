// SPDX-License-Identifier: Apache-2.0
// Between the launcher's judgement of a mount source and the mount somebody may swap it: then nothing is mounted.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openatNoSymlinks } from '@bureau/native';
import { planOf, StarterPrograms } from './testing/starter-fixture.ts';

/** For each kind of swap: some hundreds of tries on an idle machine; on a busy one as long as it takes to see all that is to be seen. */
const MILLISECONDS = 2_500;
const MOST_MILLISECONDS = 30_000;
const O_PATH = 0o10000000;
/** What bubblewrap would bind: the first mount source. */
const READS_SOURCE = ['/bin/cat', '/proc/self/fd/7/who'];

/** Swaps two names without end, each time in one step, until its input closes. */
const SWAPPER = `
import ctypes, os, select, sys
libc = ctypes.CDLL(None, use_errno=True)
a, b = (path.encode() for path in sys.argv[1:])
print('ready', flush=True)
while not select.select([0], [], [], 0)[0]:
    for _ in range(200):
        if libc.renameat2(-100, a, -100, b, 2): raise OSError(ctypes.get_errno(), 'renameat2')
`;

const programs = new StarterPrograms();

for (const other of ['link', 'victim'] as const) {
  test(`a directory that is swapped for a ${other === 'link' ? 'link' : 'directory'} in a loop is never mounted`, async (context) => {
    const { asked, victim, swapped } = makePlace(context, other);
    programs.path('hardened');
    const counts = { victim: 0, mounted: 0, refused: 0, control: 0 };
    await withSwapper(asked, swapped, async () => {
      const since = performance.now();
      const isLate = (): boolean => performance.now() - since > (sawAll(counts) ? MILLISECONDS : MOST_MILLISECONDS);
      while (!isLate()) {
        const judged = judge(asked);
        if (judged === undefined) continue;
        const mounted = await mount(asked, judged.identity);
        if (mounted === undefined) counts.refused += 1;
        else counts.mounted += 1;
        if (mounted !== undefined && mounted !== judged.who) counts.victim += 1;
        // Control: the same by path, looked at and then used.
        const looked = statSync(asked).ino === statSync(victim).ino ? 'victim' : 'asked';
        const used = openSync(asked, O_PATH);
        if (read(used) !== looked) counts.control += 1;
        closeSync(used);
      }
    });
    context.diagnostic(JSON.stringify(counts));
    assert.equal(counts.victim, 0, JSON.stringify(counts));
    assert.ok(counts.mounted > 0 && counts.refused > 0, `the attacker was there: ${JSON.stringify(counts)}`);
    assert.ok(counts.control > 0, `control: by path the other one is used: ${JSON.stringify(counts)}`);
  });
}

function sawAll({ mounted, refused, control }: Readonly<Record<'mounted' | 'refused' | 'control', number>>): boolean {
  return mounted > 0 && refused > 0 && control > 0;
}

/** `asked` and `victim`, each with its name in `who`, and what `asked` is swapped for. */
function makePlace(
  context: TestContext,
  other: 'link' | 'victim',
): { readonly asked: string; readonly victim: string; readonly swapped: string } {
  const place = realpathSync(mkdtempSync(join(tmpdir(), 'bureau-swap-')));
  context.after(() => rmSync(place, { recursive: true }));
  const [asked, victim] = [join(place, 'asked'), join(place, 'victim')];
  for (const [path, who] of [
    [asked, 'asked'],
    [victim, 'victim'],
  ] as const) {
    mkdirSync(path);
    writeFileSync(join(path, 'who'), who);
  }
  symlinkSync(victim, join(place, 'link'));
  return { asked, victim, swapped: join(place, other) };
}

/** What a program that the starter gives this source to finds in it; undefined when it was refused. */
async function mount(path: string, identity: string): Promise<string | undefined> {
  await using starter = programs.start('hardened', { rehearsal: true });
  starter.plan(planOf('', { line: READS_SOURCE, mountSources: [{ path, identity }] }));
  const taken = starter.takeOver()!;
  if (taken.failure !== '') {
    assert.match(taken.failure, /: ELOOP$|: it is not what the launcher admitted a moment ago$/);
    return undefined;
  }
  assert.ok('output' in taken.stdio);
  const early = Buffer.concat(taken.early.map(({ data }) => data));
  return early.toString() + (await starter.rest(taken.stdio.output)).toString();
}

/** As `OpenMountSources` of the launcher does; refuses links. */
function judge(path: string): { readonly identity: string; readonly who: string } | undefined {
  let descriptor: number;
  try {
    descriptor = openatNoSymlinks(path, { flags: O_PATH });
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'system_call_failed');
    return undefined;
  }
  try {
    const { dev, ino } = fstatSync(descriptor);
    return { identity: `${dev}:${ino}`, who: read(descriptor) };
  } finally {
    closeSync(descriptor);
  }
}

function read(descriptor: number): string {
  return readFileSync(`/proc/self/fd/${descriptor}/who`, 'utf8');
}

async function withSwapper(a: string, b: string, act: () => Promise<void>): Promise<void> {
  const child = spawn('/usr/bin/python3', ['-c', SWAPPER, a, b], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  try {
    await act();
  } finally {
    child.stdin.end();
  }
  assert.equal(await ended, 0);
}

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openatNoSymlinks } from '@bureau/native';
import { openMountSources } from './mount-sources.ts';

const TRIES = 10_000;
const O_PATH = 0o10000000;

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

async function withSwapper(a: string, b: string, act: () => void): Promise<void> {
  const child = spawn('/usr/bin/python3', ['-c', SWAPPER, a, b], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  try {
    act();
  } finally {
    child.stdin.end();
  }
  assert.equal(await ended, 0);
}

/** What bubblewrap would bind: the file behind the descriptor. */
function read(descriptor: number): string {
  return readFileSync(`/proc/self/fd/${descriptor}/who`, 'utf8');
}

test(`a directory that is swapped for a link (or another directory) in a loop is never mounted: ${TRIES} tries`, async () => {
  const place = realpathSync(mkdtempSync(join(tmpdir(), 'bureau-swap-')));
  try {
    const [asked, victim] = [join(place, 'asked'), join(place, 'victim')];
    for (const [path, who] of [
      [asked, 'asked'],
      [victim, 'victim'],
    ] as const) {
      mkdirSync(path);
      writeFileSync(join(path, 'who'), who);
    }
    symlinkSync(victim, join(place, 'link'));
    const before = readdirSync('/proc/self/fd').length;
    for (const other of ['link', 'victim']) {
      const counts = { mounted: 0, refused: 0, victim: 0, control: 0 };
      await withSwapper(asked, join(place, other), () => {
        for (let at = 0; at < TRIES; at += 1) {
          try {
            // The launcher's judgement, then (after the attacker had his turn) what the relay opens for bubblewrap.
            const judged = judge(asked);
            const [descriptor = -1] = openMountSources([{ path: asked, identity: judged.identity }]);
            if (read(descriptor) !== judged.who) counts.victim += 1;
            counts.mounted += 1;
            closeSync(descriptor);
          } catch (error) {
            if (!/mount_source_changed|system_call_failed/.test(String((error as { code?: unknown }).code))) throw error;
            counts.refused += 1;
          }
          // Control: the same by path, looked at and then used.
          const looked = statSync(asked).ino === statSync(victim).ino ? 'victim' : 'asked';
          const used = openSync(asked, O_PATH);
          if (read(used) !== looked) counts.control += 1;
          closeSync(used);
        }
      });
      assert.equal(counts.victim, 0, `${other}: ${JSON.stringify(counts)}`);
      assert.ok(counts.mounted > 0 && counts.refused > 0, `${other}: the attacker was there: ${JSON.stringify(counts)}`);
      assert.ok(counts.control > 0, `control, ${other}: by path the other one is used: ${JSON.stringify(counts)}`);
    }
    assert.equal(readdirSync('/proc/self/fd').length, before);
  } finally {
    rmSync(place, { recursive: true });
  }
});

/** As `OpenMountSources` of the launcher does; refuses links. */
function judge(path: string): { readonly identity: string; readonly who: string } {
  const descriptor = openatNoSymlinks(path, { flags: O_PATH });
  try {
    const { dev, ino } = fstatSync(descriptor);
    return { identity: `${dev}:${ino}`, who: read(descriptor) };
  } finally {
    closeSync(descriptor);
  }
}

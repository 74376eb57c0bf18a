// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readExitReport, withHits } from './lifecycle-exit.ts';

const LOST = { code: null, signal: null, reason: 'relay_lost' };

test('readExitReport() takes a report, and takes nothing else for one', (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-exit-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const at = (name: string): string => join(directory, name);
  writeFileSync(at('good'), '{"code":3,"signal":null}\n');
  assert.deepEqual(readExitReport(at('good')), { code: 3, signal: null });

  symlinkSync('good', at('link'));
  // Opening a pipe without a writer would wait for ever.
  execFileSync('/usr/bin/mkfifo', [at('pipe')]);
  mkdirSync(at('directory'));
  writeFileSync(at('huge'), '{"code":3,"signal":null}');
  truncateSync(at('huge'), 2 ** 40);
  writeFileSync(at('long'), JSON.stringify({ code: null, signal: null, reason: 'x'.repeat(501) }));
  writeFileSync(at('escape'), JSON.stringify({ code: null, signal: null, reason: '\u001b]52;c;eA==\u0007' }));
  writeFileSync(at('more'), '{"code":3,"signal":null,"constructor":1}');
  writeFileSync(at('code'), '{"code":256,"signal":null}');
  writeFileSync(at('half'), '{"code":3,');
  for (const name of ['link', 'pipe', 'directory', 'huge', 'long', 'escape', 'more', 'code', 'half', 'missing']) {
    assert.deepEqual(readExitReport(at(name)), LOST, name);
  }
});

test('withHits() says what the kernel counted, and believes a relay only about disks', () => {
  const none = { memory: false, pids: false };
  assert.deepEqual(withHits({ code: 0, signal: null }, none), { code: 0, signal: null });
  assert.deepEqual(withHits({ code: 0, signal: null, limits: ['memory', 'pids'] }, none), { code: 0, signal: null });
  assert.deepEqual(withHits({ code: 137, signal: null, limits: ['scratch', 'scratch'] }, { memory: true, pids: true }), {
    code: 137,
    signal: null,
    limits: ['memory', 'pids', 'scratch'],
  });
});

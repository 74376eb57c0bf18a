// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeFileAtomic } from './atomic-write.ts';
import { settleFile } from './settle-file.ts';

test('settleFile leaves the file as it was written, and says when there is none', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-settle-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'record.json');
  writeFileAtomic(path, '{}', { mode: 0o600, durable: false });
  await settleFile(path);
  assert.equal(readFileSync(path, 'utf8'), '{}');
  await assert.rejects(settleFile(join(directory, 'other.json')), { code: 'ENOENT' });
});

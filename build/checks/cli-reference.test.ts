// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { OPERATIONS } from '../../packages/operations/src/index.ts';
import { cliReferenceCheck, staleReferenceFindings } from './cli-reference.ts';
import { cliReference } from './cli-reference-text.ts';
import { anchorsOf } from './links.ts';

test('cliReference has each operation with its arguments, options, defaults and examples', () => {
  const page = cliReference(OPERATIONS);
  for (const { name, examples, fields } of OPERATIONS) {
    const text = page.slice(page.indexOf(`## bureau ${name}\n`)).split('\n## ')[0] ?? '';
    for (const { command } of examples) assert.ok(text.includes(command), command);
    for (const { help } of Object.values(fields))
      assert.ok(text.includes(help.replaceAll('<', '&lt;').replaceAll('|', '\\|')), `${name}: ${help}`);
    assert.ok(anchorsOf(page).has(`bureau-${name.replaceAll(' ', '-')}`), name);
  }
  assert.match(page, /bureau agent deploy <principal> \[options\] -- CMD…/);
  assert.match(page, /\| `--template NAME` \| the template to run it by \| `default` \|/);
  assert.match(page, /\| `--restart always\\\|on-failure\\\|never` \| [^|]+ \| `always` \|/);
  assert.match(page, /\| `--wait, --no-wait` \| [^|]+ \| `true` \|/);
});

test('cliReferenceCheck says when the page is stale, and writes it', async () => {
  const root = mkdtempSync(join(tmpdir(), 'bureau-reference-'));
  try {
    assert.equal((await cliReferenceCheck.run({ root, write: false })).length, 1);
    assert.deepEqual(await cliReferenceCheck.run({ root, write: true }), []);
    assert.deepEqual(await cliReferenceCheck.run({ root, write: false }), []);
    const path = join(root, 'docs/reference/cli.md');
    writeFileSync(path, readFileSync(path, 'utf8').replace('## bureau observe', '## bureau look'));
    const [finding] = await cliReferenceCheck.run({ root, write: false });
    assert.ok((finding?.line ?? 0) > 10);
    assert.match(finding?.remedy ?? '', /--write cli-reference/);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test('staleReferenceFindings points at the first line that differs, also behind the end', () => {
  assert.equal(staleReferenceFindings('a\nb', 'a\nc')[0]?.line, 2);
  assert.equal(staleReferenceFindings('a\nb\nc', 'a\nb')[0]?.line, 3);
  assert.deepEqual(staleReferenceFindings('a', 'a'), []);
});

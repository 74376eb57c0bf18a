// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { readSecrets } from './secret-source.ts';

const surroundings = (text = ''): Parameters<typeof readSecrets>[1] => ({
  input: Readable.from([Buffer.from(text)]),
  variable: (name) => (name === 'THERE' ? 'from the environment' : undefined),
});

test('readSecrets reads files, stdin and variables, without the one line end that an editor adds', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-secret-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'a:b');
  writeFileSync(path, 'key\r\n');
  const words = [`A=file:${path}`, `B=file:raw:${path}`, 'C=env:THERE', 'D=stdin'];
  const set = await readSecrets(words, surroundings('two\n\n'));
  const { bytes } = set;
  assert.deepEqual(
    [...bytes].map(([name, value]) => [name, value.toString()]),
    [
      ['A', 'key'],
      ['B', 'key\r\n'],
      ['C', 'from the environment'],
      ['D', 'two\n'],
    ],
  );
  set[Symbol.dispose]();
  assert.ok(
    [...bytes.values()].every((value) => value.every((byte) => byte === 0)),
    'zeroed',
  );
});

for (const [why, words] of [
  ['a value as an argument', ['A=hunter2']],
  ['a value that looks like a path', ['A=/hunter2']],
  ['no name', ['=file:/hunter2']],
  ['a name that is none', ['hunter2=file:/x']],
  ['no source', ['A']],
  ['a variable that is not there', ['A=env:HUNTER2_NOT']],
  ['two of one name', ['A=env:THERE', 'A=env:THERE']],
  ['two from stdin', ['A=stdin', 'B=stdin']],
  ['raw of a variable', ['A=env:raw:THERE']],
] as const) {
  test(`readSecrets refuses ${why}, and does not quote it`, async () => {
    await assert.rejects(readSecrets(words, surroundings('x')), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'secret_invalid');
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
  });
}

test('readSecrets refuses more on stdin than a bundle holds', async () => {
  await assert.rejects(readSecrets(['A=stdin'], surroundings('x'.repeat(70_000))), { code: 'secret_invalid' });
});

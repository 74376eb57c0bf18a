// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { describeFinding } from './finding.ts';
import { hintFindings, unusedCheck, unusedFindings } from './unused.ts';

const ROOT = join(import.meta.dirname, '../..');

async function found(files: Readonly<Record<string, string>>): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'bureau-unused-'));
  try {
    for (const folder of ['node_modules', '.toolchain']) symlinkSync(join(ROOT, folder), join(root, folder));
    mkdirSync(join(root, 'src'));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(root, file), text);
    return (await unusedCheck.run({ root, write: false })).map(describeFinding).join('\n');
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const CONFIG = '{ "entry": ["src/main.ts"], "project": ["src/**/*.ts"], "treatConfigHintsAsErrors": true }';

test('unusedCheck finds a file, an export, a type and a dependency that nobody needs', async () => {
  const text = await found({
    'package.json': '{\n"name": "a", "type": "module", "dependencies": {\n"valibot": "1.5.0" } }',
    'knip.jsonc': CONFIG,
    'src/main.ts': "import { used } from './b.ts';\nused();",
    'src/b.ts': 'export function used(): void {}\nexport function unused(): void {}\nexport type Unused = string;',
    'src/c.ts': 'export const lost = 1;',
  });
  assert.match(text, /^src\/c\.ts: nothing imports this file$/m);
  assert.match(text, /^src\/b\.ts:2: nothing imports unused$/m);
  assert.match(text, /^src\/b\.ts:3: nothing imports the type Unused$/m);
  assert.match(text, /^package\.json:3: no source imports valibot$/m);
});

test('unusedCheck accepts what is used, and finds an exception that is not needed', async () => {
  const files = { 'package.json': '{ "name": "a", "type": "module" }', 'src/main.ts': 'export {};' };
  assert.equal(await found({ ...files, 'knip.jsonc': CONFIG }), '');
  const needless = CONFIG.replace('{', '{ "ignoreDependencies": ["left-pad"],');
  assert.match(await found({ ...files, 'knip.jsonc': needless }), /^knip\.jsonc: left-pad · .*Remove from ignoreDependencies/m);
});

test('unusedFindings and hintFindings answer nothing for other texts', () => {
  assert.deepEqual(unusedFindings('Error: no'), []);
  assert.deepEqual(hintFindings('Unused files (1)\nsrc/a.ts\n'), []);
});

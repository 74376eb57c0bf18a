// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { readServicesFile } from './services-file.ts';

function fileOf(context: TestContext, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-services-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'services.jsonc');
  writeFileSync(path, text);
  return path;
}

test('readServicesFile reads upstreams and files', (context) => {
  const path = fileOf(
    context,
    '{ "upstreams": { "model": { "url": "https://x.example", "inject": [] } }, "files": { "SSH": "id" } } // done',
  );
  assert.deepEqual(readServicesFile(path), { upstreams: { model: { url: 'https://x.example', inject: [] } }, files: { SSH: 'id' } });
});

for (const [why, text] of [
  ['an unknown key', '{ "secrets": { "A": "hunter2" } }'],
  ['an upstream called matrix', '{ "upstreams": { "matrix": { "url": "https://x.example", "inject": [] } } }'],
  ['a file name that leads elsewhere', '{ "files": { "A": "../x" } }'],
  ['a file name with a newline', '{ "files": { "A": "x\\n" } }'],
  [
    'a header name with a line end',
    '{ "upstreams": { "m": { "url": "https://x.example", "inject": [{ "secret": "A", "header": "X\\r\\nY" }] } } }',
  ],
  [
    'a prefix with a line end',
    '{ "upstreams": { "m": { "url": "https://x.example", "inject": [{ "secret": "A", "header": "X", "prefix": "a\\n" }] } } }',
  ],
] as const) {
  test(`readServicesFile refuses ${why}`, (context) => {
    const path = fileOf(context, text);
    assert.throws(
      () => readServicesFile(path),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'services_malformed');
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      },
    );
  });
}

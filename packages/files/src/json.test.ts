// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import * as v from 'valibot';
import { readJson } from './json.ts';

const schema = v.strictObject({
  v: v.literal(1),
  server: v.strictObject({
    port: v.pipe(v.number(), v.integer(), v.maxValue(65_535)),
    token: v.pipe(v.string(), v.regex(/^[a-z]+$/, 'expected small letters')),
  }),
  list: v.optional(v.array(v.string()), []),
});

function file(context: TestContext, content: string | Uint8Array): string {
  const directory = fs.mkdtempSync(join(tmpdir(), 'bureau-files-'));
  context.after(() => fs.rmSync(directory, { recursive: true }));
  fs.writeFileSync(join(directory, 'settings.json'), content);
  return join(directory, 'settings.json');
}

test('readJson gives what the schema makes of the file', (context) => {
  const path = file(context, '{"v":1,"server":{"port":6167,"token":"abc"}}');
  assert.deepEqual(readJson(path, schema, 1_000), { v: 1, server: { port: 6_167, token: 'abc' }, list: [] });
});

const faults: readonly [content: string, field: string, message: RegExp][] = [
  ['{"v":2,"server":{"port":1,"token":"a"}}', 'v', /field "v": expected 1, found a number/],
  ['{"v":1}', 'server', /field "server": it is missing/],
  ['{"v":1,"server":{"port":"hunter2","token":"a"}}', 'server.port', /field "server.port": expected number, found a string/],
  ['{"v":1,"server":{"port":70000,"token":"a"}}', 'server.port', /field "server.port"/],
  ['{"v":1,"server":{"port":1,"token":"HUNTER2"}}', 'server.token', /field "server.token": expected small letters/],
  ['{"v":1,"server":{"port":1,"token":"a"},"list":["a",null]}', 'list.1', /field "list.1": expected string, found null/],
  ['{"v":1,"server":{"port":1,"token":"a"},"hunter":2}', 'hunter', /field "hunter": it is unknown/],
  ['[]', 'v', /field "v": it is missing/],
  ['null', '', /at the top: expected Object, found null/],
  ['{"v":1,"__proto__":{"server":1}}', '', /settings.json/],
  ['{"token": "hunter2"', '', /expected JSON, found something else \(line 1 column 20\)/],
  ['hunter2', '', /expected JSON/],
  ['', '', /expected JSON/],
];
for (const [content, field, message] of faults) {
  test(`readJson refuses ${content === '' ? 'an empty file' : content} and names the field, never the value`, (context) => {
    const path = file(context, content);
    assert.throws(
      () => readJson(path, schema, 1_000),
      (error: Error & { code: string; data: { field: string } }) => {
        assert.equal(error.code, 'file_malformed');
        assert.match(error.message, message);
        assert.ok(error.message.includes(path));
        if (field !== '') assert.equal(error.data.field, field);
        assert.doesNotMatch(`${error.stack} ${String(error.cause)}`, /hunter2/i);
        return true;
      },
    );
  });
}

test('readJson refuses bytes that are not UTF-8', (context) => {
  assert.throws(() => readJson(file(context, Uint8Array.of(0x22, 0xff, 0x22)), v.string(), 10), { code: 'file_malformed' });
});

test('readJson refuses a file beyond its bound before it is parsed', (context) => {
  assert.throws(() => readJson(file(context, '['.repeat(1_000)), v.unknown(), 999), { code: 'file_too_large' });
});

test('readJson answers any content with a value or file_malformed', (context) => {
  const path = file(context, '');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(text)),
      ),
      (content) => {
        fs.writeFileSync(path, content);
        assert.throws(() => readJson(path, schema, 10_000_000), { code: 'file_malformed' });
      },
    ),
  );
});

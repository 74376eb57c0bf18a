// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { sandboxSpec } from '@bureau/protocol';
import * as v from 'valibot';
import { placePayloadFiles } from './payload-files.ts';
import { specDigest } from './spec-digest.ts';

test('placePayloadFiles() replaces each file whole, and leaves an empty object and no trigger where there is none', (context) => {
  const directory = mkdtempSync('/tmp/payload-');
  context.after(() => rmSync(directory, { recursive: true }));
  const read = (name: string): unknown => JSON.parse(readFileSync(`${directory}/${name}`, 'utf8'));
  placePayloadFiles(directory, {});
  assert.deepEqual(read('payload.json'), {});
  assert.deepEqual(readdirSync(directory), ['payload.json']);
  const before = statSync(`${directory}/payload.json`).ino;
  placePayloadFiles(directory, { payload: { task: 'ü' }, trigger: { by: 'm.room.message' } });
  assert.deepEqual([read('payload.json'), read('trigger.json')], [{ task: 'ü' }, { by: 'm.room.message' }]);
  // A new file, so that one who reads the old one reads it to its end.
  assert.notEqual(statSync(`${directory}/payload.json`).ino, before);
  assert.equal(statSync(`${directory}/payload.json`).mode & 0o777, 0o644);
  const after = statSync(`${directory}/payload.json`).ino;
  placePayloadFiles(directory, { payload: { task: 'ü' } });
  assert.equal(statSync(`${directory}/payload.json`).ino, after, 'what says so already is left alone');
  placePayloadFiles(directory, { payload: { task: 'b' } });
  assert.deepEqual(readdirSync(directory), ['payload.json']);
});

test('sandboxSpec takes a payload that JSON can say, and no other; its digest does not depend on it', () => {
  const spec = (payload: unknown): unknown => ({ v: 1, command: ['x'], payload });
  for (const good of [{}, { a: [1, 'x', null, true, { b: {} }] }]) assert.equal(v.is(sandboxSpec, spec(good)), true);
  const deep = (levels: number): unknown => (levels === 0 ? {} : { a: deep(levels - 1) });
  for (const bad of [
    [],
    'x',
    null,
    { a: 1n },
    { a: new Date() },
    { a: Buffer.from('x') },
    { a: NaN },
    { a: undefined },
    deep(40),
    { a: 'x'.repeat(300_000) },
  ])
    assert.equal(v.is(sandboxSpec, spec(bad)), false);
  const digest = (payload: object): string => specDigest(v.parse(sandboxSpec, spec(payload)));
  assert.equal(digest({ task: 1 }), digest({ task: 2 }));
  assert.equal(digest({ task: 1 }), specDigest(v.parse(sandboxSpec, { v: 1, command: ['x'] })));
});

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { AccessLogReader } from './access-log-reader.ts';
import { accessText } from './access-text.ts';
import { mergeMetrics } from './merge-metrics.ts';

const LINE = {
  time: '2026-01-01T00:00:00.000Z',
  principal: 'probe/one',
  service: 'api',
  method: 'GET',
  path: '/',
  status: 200,
  ms: 1,
  bytes_in: 0,
  bytes_out: 2,
  trace_id: 'a',
};
const line = (ms: number): string => `${JSON.stringify({ ...LINE, ms })}\n`;

function stand(context: TestContext): { directory: string; file: (age: number) => string } {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-log-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return { directory, file: (age) => join(directory, age === 0 ? 'access.jsonl' : `access.${age}.jsonl`) };
}

function numbers(reader: AccessLogReader): number[] {
  return [...reader.read()].map((one) => ('ms' in one ? one.ms : -one.lost));
}

test('AccessLogReader: oldest first over all files, then only what is new, over rotations, never half a line', (context) => {
  const { directory, file } = stand(context);
  writeFileSync(file(2), line(1));
  writeFileSync(file(1), line(2) + line(3));
  writeFileSync(file(0), line(4) + line(5).slice(0, 20));
  const reader = new AccessLogReader(directory);
  assert.deepEqual(numbers(reader), [1, 2, 3, 4]);
  assert.deepEqual(numbers(reader), []);
  appendFileSync(file(0), line(5).slice(20) + line(6));
  assert.deepEqual(numbers(reader), [5, 6]);
  appendFileSync(file(0), line(7));
  renameSync(file(2), file(3));
  renameSync(file(1), file(2));
  renameSync(file(0), file(1));
  writeFileSync(file(0), line(8));
  assert.deepEqual(numbers(reader), [7, 8]);
  for (let age = 3; age >= 0; age -= 1) renameSync(file(age), file(age + 2));
  writeFileSync(file(1), line(9));
  writeFileSync(file(0), '');
  assert.deepEqual(numbers(reader), [9], 'two rotations at once');
  appendFileSync(file(0), line(10));
  assert.deepEqual(numbers(reader), [10]);
});

test('AccessLogReader: what is no line is left out and counted; a gap is shown', (context) => {
  const { directory, file } = stand(context);
  writeFileSync(
    file(0),
    `garbage\n${line(1)}\n{"time":"x"}\n${'x'.repeat(300_000)}\n{"time":"2026-01-01T00:00:00.000Z","lost":4}\n${line(2)}`,
  );
  const reader = new AccessLogReader(directory);
  assert.deepEqual(numbers(reader).slice(0, 1), [1]);
  assert.deepEqual(numbers(new AccessLogReader(directory)), [1, -4, 2]);
  assert.ok(reader.malformed >= 3);
});

test('AccessLogReader: a link or a device in the place of a file is not read', (context) => {
  const { directory, file } = stand(context);
  symlinkSync('/etc/passwd', file(0));
  assert.throws(() => numbers(new AccessLogReader(directory)), { code: 'system_call_failed' });
});

test('accessText: one line that drives no terminal, whatever a proxy that was taken over has written', () => {
  const hostile = {
    ...LINE,
    method: '\u001b]0;owned\u0007',
    service: 'a\nb',
    target: 'evil\u202e',
    code: '\r',
    status: 403,
    rule: 'egress',
  };
  const text = accessText(hostile);
  assert.doesNotMatch(text, /[\u0000-\u001f\u007f-\u009f\u202e]/);
  assert.match(text, /403.*egress/);
  assert.match(
    accessText({ ...LINE, target: 'pypi.org:443', address: '1.2.3.4', operator: true }),
    /pypi\.org:443 \(1\.2\.3\.4\).*by a person$/,
  );
  assert.match(accessText({ time: 'x', lost: 3 }), /3 lines could not be written/);
});

test('mergeMetrics: each metric once, each sample with its principal', () => {
  const text = '# HELP a_total Help.\n# TYPE a_total counter\na_total{x="1"} 2\n# HELP b Help.\n# TYPE b gauge\nb 3\n';
  assert.equal(
    mergeMetrics([
      { principal: 'p/1', text },
      { principal: 'p/2', text },
    ]),
    '# HELP a_total Help.\n# TYPE a_total counter\na_total{principal="p/1",x="1"} 2\na_total{principal="p/2",x="1"} 2\n# HELP b Help.\n# TYPE b gauge\nb{principal="p/1"} 3\nb{principal="p/2"} 3\n',
  );
});

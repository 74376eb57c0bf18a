// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { accessLine, type AccessLine } from '@bureau/protocol';
import * as v from 'valibot';
import type { AccessRecord } from '../access-log.ts';
import { HandClock } from '../testing/hand-clock.ts';
import { ProxyFixture } from '../testing/proxy-fixture.ts';
import { AccessFiles, type AccessFilesOptions } from './access-files.ts';

const RECORD: AccessRecord = {
  service: 'api',
  method: 'GET',
  path: '/v1/http/api/…',
  status: 200,
  milliseconds: 1.234,
  bytes: 7,
  traceId: 'a'.repeat(32),
};

function stand(
  context: TestContext,
  more: Partial<AccessFilesOptions> = {},
): { directory: string; clock: HandClock; open: () => AccessFiles } {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-access-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const clock = new HandClock();
  const onFailure = (): void => undefined;
  const options = { directory, fileBytes: 2_000, batchMilliseconds: 50, batchBytes: 1_000, clock, onFailure, ...more };
  return { directory, clock, open: () => AccessFiles.open(options) };
}

function lines(path: string): AccessLine[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => v.parse(accessLine, JSON.parse(line)));
}

test('AccessFiles: lines wait for each other, at most so long and so many, and are whole', (context) => {
  const { directory, clock, open } = stand(context);
  const files = open();
  const file = join(directory, 'access.jsonl');
  files.write('probe/one', { ...RECORD, rule: 'egress[0]', bytesIn: 3 });
  files.write(undefined, RECORD);
  assert.equal(statSync(file).size, 0);
  clock.advance(50);
  const [first, second] = lines(file);
  assert.deepEqual(first, {
    time: '2026-01-01T00:00:00.000Z',
    principal: 'probe/one',
    service: 'api',
    method: 'GET',
    path: '/v1/http/api/…',
    status: 200,
    rule: 'egress[0]',
    ms: 1.23,
    bytes_in: 3,
    bytes_out: 7,
    trace_id: 'a'.repeat(32),
  });
  assert.ok(second !== undefined && 'principal' in second && second.principal === null);
  for (let index = 0; index < 6; index += 1) files.write('probe/one', RECORD);
  assert.ok(lines(file).length > 2, 'a batch that is full does not wait');
  files.close();
  assert.equal(lines(file).length, 8);
  files.write('probe/one', RECORD);
  assert.equal(lines(file).length, 9, 'after the end nothing waits any more');
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('AccessFiles: files are bounded in size and number, the newest first, and found again', (context) => {
  const { directory, open } = stand(context);
  for (let run = 0; run < 2; run += 1) {
    const files = open();
    for (let index = 0; index < 100; index += 1) files.write('probe/one', { ...RECORD, milliseconds: run * 100 + index });
    files.close();
  }
  const names = readdirSync(directory).toSorted();
  assert.deepEqual(names, [
    'access.1.jsonl',
    'access.2.jsonl',
    'access.3.jsonl',
    'access.4.jsonl',
    'access.5.jsonl',
    'access.6.jsonl',
    'access.7.jsonl',
    'access.jsonl',
  ]);
  for (const name of names) assert.ok(statSync(join(directory, name)).size <= 2_100, name);
  const all = [...names.slice(0, -1).toReversed(), 'access.jsonl'].flatMap((name) => lines(join(directory, name)));
  const numbers = all.map((line) => ('ms' in line ? line.ms : -1));
  assert.deepEqual(
    numbers,
    [...numbers].toSorted((one, other) => one - other),
    'in their order over all files',
  );
  assert.equal(numbers.at(-1), 199);
});

test('AccessFiles: lines that cannot be written are counted, told once, and their number stands in their place', (context) => {
  const failures: unknown[] = [];
  const { directory, clock, open } = stand(context, { onFailure: (error) => failures.push(error), fileBytes: 100 });
  const files = open();
  files.write('probe/one', RECORD);
  clock.advance(50);
  // A directory in the way of the next file: nothing can be put aside, as on a disk that went read-only.
  rmSync(directory, { recursive: true });
  for (let index = 0; index < 3; index += 1) {
    files.write('probe/one', RECORD);
    files.flush();
  }
  assert.equal(files.lost, 3);
  assert.equal(failures.length, 1);
  // What a person does: the directory is back.
  mkdirAgain(directory);
  files.write('probe/one', RECORD);
  files.close();
  const [gap, line] = lines(join(directory, 'access.jsonl'));
  assert.deepEqual(gap, { time: '2026-01-01T00:00:00.050Z', lost: 3 });
  assert.ok(line !== undefined && 'service' in line);
});

test('AccessFiles: a line that was cut off by a kill ends before the next begins', (context) => {
  const { directory, open } = stand(context);
  writeFileSync(join(directory, 'access.jsonl'), '{"time":"2026-01-01T00:00:00.000Z","princ');
  const files = open();
  files.write('probe/one', RECORD);
  files.close();
  const [, second] = readFileSync(join(directory, 'access.jsonl'), 'utf8').split('\n');
  assert.equal(v.is(accessLine, JSON.parse(second ?? '')), true);
});

test('AccessFiles: a link in the place of the file is not followed', (context) => {
  const { directory, open } = stand(context);
  symlinkSync('/dev/null', join(directory, 'access.jsonl'));
  assert.throws(open, { code: 'ELOOP' });
});

test('a proxy with a directory writes there, whole at its end, and nothing of a query, a header or a body', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-access-'));
  context.after(() => rmSync(directory, { recursive: true }));
  {
    await using fixture = await ProxyFixture.start({ accessLogDirectory: directory });
    await fixture.request('GET', '/v1/identity?canary-query', { headers: { 'x-canary': 'canary-header' } });
    await fixture.send('!room:test.local', { body: 'canary-body' });
    await fixture.raw('canary-garbage\r\n\r\n');
  }
  const text = readFileSync(join(directory, 'access.jsonl'), 'utf8');
  assert.doesNotMatch(text, /canary/);
  assert.deepEqual(
    lines(join(directory, 'access.jsonl')).map((line) => ('status' in line ? [line.service, line.status] : line)),
    [
      ['-', 400],
      ['matrix', 200],
      ['-', 400],
    ],
  );
});

function mkdirAgain(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
}

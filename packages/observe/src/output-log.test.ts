// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { OutputLog } from './output-log.ts';

function withLog(run: (descriptor: number, read: () => string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-log-'));
  const file = join(directory, 'output.log');
  const descriptor = openSync(file, 'a+');
  try {
    run(descriptor, () => readFileSync(file, 'latin1'));
  } finally {
    closeSync(descriptor);
    rmSync(directory, { recursive: true });
  }
}
const fail = (message: string): void => assert.fail(message);

test('OutputLog keeps the newest bytes, never more than its bound', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 10 }), { minLength: 1, maxLength: 40 }), (pieces) => {
      withLog((descriptor, read) => {
        const log = new OutputLog(descriptor, { most: 50, keep: 20 }, fail);
        let whole = '';
        for (const piece of pieces) {
          log.append(Buffer.from(piece));
          whole += piece;
          const kept = read();
          assert.ok(kept.length <= 50 && kept.length >= Math.min(whole.length, 20));
          assert.ok(whole.endsWith(kept));
        }
      });
    }),
    { numRuns: 40 },
  );
});

test('OutputLog goes on with a file that is there', () => {
  withLog((descriptor, read) => {
    new OutputLog(descriptor, { most: 10, keep: 4 }, fail).append(Buffer.from('12345678'));
    new OutputLog(descriptor, { most: 10, keep: 4 }, fail).append(Buffer.from('abc'));
    assert.equal(read(), '5678abc');
  });
});

test('OutputLog cuts a file that another has made too long, with nothing to append', () => {
  withLog((descriptor, read) => {
    writeSync(descriptor, '12345678901');
    const log = new OutputLog(descriptor, { most: 10, keep: 4 }, fail);
    log.trim();
    log.trim();
    assert.equal(read(), '8901');
    log.append(Buffer.from('abc'));
    assert.equal(read(), '8901abc');
  });
});

test('OutputLog tells a failure once and stays silent', () => {
  const descriptor = openSync('/dev/full', 'a+');
  const failures: string[] = [];
  const log = new OutputLog(descriptor, { most: 10, keep: 4 }, (message) => failures.push(message));
  log.append(Buffer.from('x'));
  log.append(Buffer.from('y'));
  closeSync(descriptor);
  assert.equal(failures.length, 1);
  assert.match(failures[0] ?? '', /no longer written.*ENOSPC/);
});

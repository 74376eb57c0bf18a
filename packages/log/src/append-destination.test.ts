// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appendTo } from './append-destination.ts';

test('appendTo finishes a line that the kernel took only in part', () => {
  let written = '';
  const destination = appendTo(9, (_descriptor, bytes, offset) => {
    const part = bytes.subarray(offset, offset + 3);
    written += part.toString();
    return part.length;
  });
  destination.write('{"msg":"whole"}\n');
  assert.equal(written, '{"msg":"whole"}\n');
});

test('appendTo loses lines on a full disk, not the process, and says how many', () => {
  let full = true;
  let written = '';
  const destination = appendTo(9, (_descriptor, bytes, offset) => {
    if (full) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    written += bytes.subarray(offset).toString();
    return bytes.length - offset;
  });
  destination.write('{"msg":"one"}\n');
  destination.write('{"msg":"two"}\n');
  full = false;
  destination.write('{"msg":"three"}\n');
  destination.write('{"msg":"four"}\n');
  assert.deepEqual(
    written
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
    [{ level: 'warn', msg: 'log lines were lost', lost: 2 }, { msg: 'three' }, { msg: 'four' }],
  );
});

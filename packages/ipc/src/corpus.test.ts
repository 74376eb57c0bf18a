// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCorpus } from './testing-corpus.ts';
import { checkBody, checkStream, outcomeOf } from './testing-fuzz.ts';

const PREFIX_BYTES = 4;

for (const { name, frames, end, bytes } of readCorpus()) {
  test(`corpus/${name}: ${frames} frames, then ${end}, in one piece, byte by byte, and cut anywhere`, () => {
    const whole = outcomeOf([bytes]);
    assert.deepEqual([whole.values.length, whole.end], [frames, end]);
    checkStream(bytes, bytes.length > 4_096 ? [1, 4, 5, bytes.length - 1] : [...bytes.keys()]);
    for (let place = 0; place <= Math.min(bytes.length, 64); place += 1) checkStream(bytes, [place]);
    for (const body of bodies(bytes)) checkBody(body);
  });
}

/** The bodies of the complete frames, whatever is in them. */
function bodies(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at + PREFIX_BYTES <= bytes.length;) {
    const end = at + PREFIX_BYTES + bytes.readUInt32BE(at);
    if (end > bytes.length || end === at + PREFIX_BYTES) break;
    // Longer than the reference has patience for, or than a frame may be.
    if (end - at < 65_536) found.push(bytes.subarray(at + PREFIX_BYTES, end));
    at = end;
  }
  return found;
}

test('the corpus is there', () => assert.ok(readCorpus().length > 40));

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BwrapStatusReader } from './bwrap-status.ts';
import { failureText, oneLine } from './failure-text.ts';

const LINES = '{ "child-pid": 4711, "cgroup-namespace": 4026532182 }\n\n{ "exit-code": 137 }\n';

test('BwrapStatusReader reads pid and exit code, however the lines are cut', () => {
  for (let cut = 0; cut <= LINES.length; cut += 1) {
    const reader = new BwrapStatusReader();
    const found = [...reader.push(LINES.slice(0, cut)), ...reader.push(LINES.slice(cut))];
    assert.deepEqual(
      found.filter((status) => Object.keys(status).length > 0),
      [{ childPid: 4711 }, { exitCode: 137 }],
    );
  }
});

test('BwrapStatusReader skips what it does not understand', () => {
  const reader = new BwrapStatusReader();
  assert.deepEqual(reader.push('null\n[]\n"x"\nnot json\n{"child-pid":"7","exit-code":-1}\n'), [{}, {}]);
});

test('failureText is what bwrap said last, fit for a report', () => {
  const records = ['noise\r\n\u001b[31mbwrap: first\r\n', "bwrap: Can't find\u0007 source path\n"].map((text) => ({
    from: 'error' as const,
    data: Buffer.from(text),
  }));
  assert.equal(failureText(records, 500), "bwrap: Can't find source path");
  assert.equal(failureText(records, 10), 'bwrap: Can');
  assert.equal(failureText([], 10), '');
  assert.equal(oneLine('a\n\tb\u0000\u009bc ', 100), 'a b c');
});

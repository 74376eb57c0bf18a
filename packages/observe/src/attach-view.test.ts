// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import type { OutputChunk } from '@bureau/protocol';
import { showOutput, type ViewTarget } from './attach-view.ts';
import { terminalResetSequence } from './terminal-reset.ts';

/** A target that collects; `hold` keeps it full until `let go` is called. */
class Target extends Writable {
  readonly isTTY: boolean;
  text = '';
  #held: (() => void) | undefined;
  readonly #hold: boolean;

  constructor(isTTY: boolean, hold = false) {
    super({ highWaterMark: 1 });
    this.isTTY = isTTY;
    this.#hold = hold;
  }

  override _write(data: Buffer, _encoding: string, done: () => void): void {
    this.text += data.toString('latin1');
    if (this.#hold) this.#held = done;
    else done();
  }

  letGo(): void {
    this.#held?.();
  }
}

const output = (text: string, from: 'output' | 'error' = 'output'): OutputChunk => ({
  type: 'output',
  from,
  data: Buffer.from(text, 'latin1'),
});
async function* chunks(...all: OutputChunk[]): AsyncGenerator<OutputChunk> {
  yield* all;
}

test('showOutput gives a file every byte and nothing else, outputs apart', async () => {
  const [out, err] = [new Target(false), new Target(false)];
  await showOutput(chunks(output('\x1b]52;c;x\x07a\xff'), { type: 'dropped', bytes: 5 }, output('e', 'error'), { type: 'live' }), {
    output: out,
    error: err,
  });
  assert.equal(out.text, '\x1b]52;c;x\x07a\xff');
  assert.equal(err.text, 'e');
});

test('showOutput sanitises for a terminal, and marks what is missing', async () => {
  const [out, err] = [new Target(true), new Target(true)];
  await showOutput(chunks(output('\x1b]52;c;x\x07a\x1b[3'), { type: 'dropped', bytes: 5 }, output('1mb\x1b[6nc\xe2')), {
    output: out,
    error: err,
  });
  assert.equal(out.text, `a\r\n[5 bytes skipped]\r\n1mbc\xef\xbf\xbd`, 'nothing that a terminal acts on was shown');
  assert.equal(err.text, '');
});

test('showOutput puts the terminal back when the stream breaks, and passes the error on', async () => {
  const out = new Target(true);
  async function* broken(): AsyncGenerator<OutputChunk> {
    yield output('\x1b[31ma');
    throw new Error('lost');
  }
  await assert.rejects(showOutput(broken(), { output: out as ViewTarget, error: out }), /lost/);
  assert.ok(out.text.endsWith(terminalResetSequence));
});

test('showOutput takes no more chunks than its target takes', async () => {
  const out = new Target(false, true);
  let taken = 0;
  async function* counted(): AsyncGenerator<OutputChunk> {
    for (; taken < 3; taken += 1) yield output('x');
  }
  const shown = showOutput(counted(), { output: out, error: out });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(taken, 0);
  for (let round = 0; round < 3; round += 1) {
    out.letGo();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await shown;
  assert.equal(taken, 3);
});

test('showOutput rejects with target_closed when nobody reads any more', async () => {
  const out = new Target(false, true);
  const shown = showOutput(chunks(output('x'), output('y')), { output: out, error: out });
  await new Promise((resolve) => setImmediate(resolve));
  out.destroy();
  await assert.rejects(shown, { code: 'target_closed' });
});

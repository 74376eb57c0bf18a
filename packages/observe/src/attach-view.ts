// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { BureauError } from '@bureau/core';
import type { OutputChunk } from '@bureau/protocol';
import type { OutputSource } from './ring.ts';
import { TerminalSanitizer } from './sanitize.ts';
import { terminalResetSequence } from './terminal-reset.ts';

/** Where output is shown; `isTTY` decides whether it is sanitised. */
export type ViewTarget = Writable & { readonly isTTY?: boolean };

/** The viewer's two outputs. */
export interface ViewTargets {
  readonly output: ViewTarget;
  readonly error: ViewTarget;
}

/**
 * Shows a payload's output until the chunks end: raw where the target is a file or pipe, sanitised where it is a terminal, as slowly as the
 * targets take it (so that the stream's flow control reaches the payload). Missing output is marked on a terminal only: a file gets the
 * payload's bytes and nothing else. A terminal that was told more than plain text is put back to its defaults at the end, however it ends.
 * Rejects with what the chunks throw, or `target_closed` when nobody reads a target any more.
 */
export async function showOutput(chunks: AsyncIterable<OutputChunk>, targets: ViewTargets): Promise<void> {
  const views: Record<OutputSource, View> = { output: new View(targets.output), error: new View(targets.error) };
  try {
    for await (const chunk of chunks) {
      if (chunk.type === 'output') await views[chunk.from].show(chunk.data);
      else if (chunk.type === 'dropped') await views.output.mark(chunk.bytes);
    }
    for (const view of Object.values(views)) await view.end();
  } finally {
    for (const view of Object.values(views)) view.reset();
  }
}

const ESCAPE = 0x1b;
/** Changes the character set without an escape. */
const SHIFT_OUT = 0x0e;

/** What marks missing output on a terminal. */
function skippedMark(bytes: number): string {
  return `[${bytes} bytes skipped]`;
}

class View {
  readonly #target: ViewTarget;
  readonly #sanitizer: TerminalSanitizer | undefined;
  /** Something was shown that a terminal acts on: plain text needs no putting back. */
  #acted = false;

  constructor(target: ViewTarget) {
    this.#target = target;
    this.#sanitizer = target.isTTY === true ? new TerminalSanitizer() : undefined;
  }

  async show(data: Uint8Array): Promise<void> {
    if (this.#sanitizer === undefined) return write(this.#target, data);
    const safe = this.#sanitizer.push(data);
    this.#acted ||= safe.includes(ESCAPE) || safe.includes(SHIFT_OUT);
    await write(this.#target, safe);
  }

  async mark(bytes: number): Promise<void> {
    if (this.#sanitizer === undefined || bytes === 0) return;
    // What comes next does not continue what came before.
    await write(this.#target, Buffer.concat([this.#sanitizer.end(), Buffer.from(`\r\n${skippedMark(bytes)}\r\n`)]));
  }

  async end(): Promise<void> {
    if (this.#sanitizer !== undefined) await write(this.#target, this.#sanitizer.end());
  }

  reset(): void {
    if (this.#acted && !this.#target.destroyed) this.#target.write(terminalResetSequence);
  }
}

async function write(target: ViewTarget, data: Uint8Array): Promise<void> {
  if (data.length === 0) return;
  if (target.destroyed) throw closed(undefined);
  if (target.write(data)) return;
  const over = new AbortController();
  try {
    // `close` too: a pipe whose reader went away never drains.
    await Promise.race([once(target, 'drain', { signal: over.signal }), once(target, 'close', { signal: over.signal })]);
  } catch (error) {
    throw closed(error);
  } finally {
    over.abort();
  }
}

function closed(cause: unknown): BureauError {
  return new BureauError('target_closed', 'Nobody reads the output any more', { cause });
}

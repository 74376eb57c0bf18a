// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { readFrames } from '@bureau/ipc';
import { listenNameless, openPipe, openSocketPair, receiveBytes, sendDescriptors } from '@bureau/native';
import { Starter, type TakeOver } from '@bureau/observe';

const REPORTS_MAX_BYTES = 1024;

/** How a starter ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A starter in rehearsal with both its neighbours: what the launcher orders and hears, and what the relay takes over. */
export class Rehearsal implements AsyncDisposable {
  readonly starter: Starter;
  readonly ended: Promise<Ended>;
  readonly #launcher = new DisposableStack();
  readonly #instructions: number;
  readonly #heard: number;
  readonly #outputLog: number;
  readonly #log: string;
  readonly #given: readonly string[];
  readonly #reports: Buffer[] = [];
  readonly #open = new DisposableStack();

  /** Starts `program` and gives it a plan with that many bytes, or so it says, in one piece: what refuses it may be gone before a second one. */
  constructor(program: string, directory: string, plan: Uint8Array, length = plan.length) {
    const [[launcher, instructions], [heard, reports], output] = [openSocketPair(), openSocketPair(), openPipe()];
    [this.#instructions, this.#heard, this.#outputLog, this.#log] = [launcher, heard, output.read, join(directory, 'rehearsal.log')];
    this.#launcher.defer(() => closeSync(launcher));
    for (const end of [heard, output.read]) this.#open.defer(() => closeSync(end));
    this.starter = Starter.rehearsal(program, { instructions, reports });
    this.ended = once(this.starter.process, 'exit').then(([code, signal]) => ({ code, signal }) as Ended);
    const sent = [openSync(this.#log, 'w'), listenNameless(), output.write];
    this.#given = sent.map(identityOf);
    sendDescriptors(launcher, Buffer.concat([orderOf('BRO1', length), plan]), sent);
    for (const end of [instructions, reports, ...sent]) closeSync(end);
  }

  /** What the starter said about itself since it has its relay's log. */
  get log(): string {
    return readFileSync(this.#log, 'utf8');
  }

  /** Waits for its next report; false at their end. */
  awaitReport(): boolean {
    try {
      const length = receiveBytes(this.#heard, 4);
      this.#reports.push(length, receiveBytes(this.#heard, length.readUInt32BE(0)));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'peer_gone') return false;
      throw error;
    }
  }

  /** All that it reported, once it has ended. */
  async reports(): Promise<unknown[]> {
    while (this.awaitReport());
    const found: unknown[] = [];
    for await (const report of readFrames(Readable.from([Buffer.concat(this.#reports)]), REPORTS_MAX_BYTES)) found.push(report);
    return found;
  }

  say(word: string): void {
    writeSync(this.#instructions, word);
  }

  /** The launcher's end: give up, or after "go": the relay is to take over. */
  leave(): void {
    this.#launcher.dispose();
  }

  /** Waits until the output log has all of `words`, and nothing takes over before. */
  logged(...words: readonly string[]): void {
    const piece = Buffer.alloc(4096);
    for (let found = ''; words.some((word) => !found.includes(word));) {
      const size = readSync(this.#outputLog, piece);
      if (size === 0) throw new Error(`The output log ends without ${words.join(', ')}: ${found}${this.log}`);
      found += piece.toString('utf8', 0, size);
    }
  }

  /** What the relay takes over, its descriptors open until the end of this; null when the starter has gone without. */
  takeOver(): TakeOver | null {
    const isThere = this.starter.waitForTurn();
    try {
      const taken = this.starter.takeOver();
      const { log, listener, outputLog, status, stdio, gate, scratch } = taken;
      for (const end of [log, listener, outputLog, status, gate ?? [], scratch, Object.values(stdio) as number[]].flat())
        this.#open.defer(() => closeSync(end));
      if (String([log, listener, outputLog].map(identityOf)) === String(this.#given)) return taken;
    } catch (error) {
      if (!isThere) return null;
      throw error;
    }
    throw new Error('Expected the log, the listener and the output log that the launcher gave, found others');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.starter.process.kill('SIGKILL');
    await this.ended;
    this.leave();
    this.#open.dispose();
  }
}

/** A message of the launcher, without its descriptors. */
export function orderOf(magic: string, number: number): Buffer {
  const bytes = Buffer.alloc(magic.length + 4);
  bytes.write(magic, 'latin1');
  bytes.writeUInt32BE(number, magic.length);
  return bytes;
}

/** Which file this is, whatever its number. */
function identityOf(descriptor: number): string {
  const { dev, ino } = fstatSync(descriptor);
  return `${dev}:${ino}`;
}

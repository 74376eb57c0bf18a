// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { BureauError } from '@bureau/core';
import { closeOnExecFrom, sendDescriptors } from '@bureau/native';
import { oneLine } from './failure-text.ts';
import { STARTER_WORDS_MAX_CHARACTERS } from './limits.ts';

/** The starter's end of its socket to us. */
const CONTROL = 3;
const ORDER = 'BRS1';
const RUN = 'BRR1';

/**
 * A process that waits beside a relay to make the sandbox's first one, in its control groups from its first instruction: a move into them would
 * take the kernel 10 ms, and starting a program from Node 2. It ends as that one ends, and with its relay.
 */
export class Starter {
  /** The starter itself; its end is the program's. */
  readonly process: ChildProcess;
  readonly #control: Socket;
  #said = '';

  private constructor(program: string, args: readonly string[]) {
    // Node and its libraries leave descriptors open across exec (a PTY master among them).
    closeOnExecFrom(3);
    // Of its own session: a signal to a relay's group is the relay's.
    this.process = spawn(program, [...args], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'], env: {}, cwd: '/', detached: true });
    // A relay that waits blocks its thread and would never hear of it.
    this.process.on('error', (error) => (this.#said = error.message));
    if (this.process.pid === undefined)
      throw new BureauError(
        'start_failed',
        `Could not start ${program}: expected it in this build, and descriptors and processes left for it`,
      );
    this.#control = this.process.stdio[CONTROL] as Socket;
    this.#control.on('error', () => undefined);
    this.#control.on('data', (piece: Buffer) => (this.#said = (this.#said + piece.toString()).slice(0, STARTER_WORDS_MAX_CHARACTERS)));
    this.process.once('exit', () => this.dismiss());
  }

  /** Starts `program`, bureau-starter of this build (C, apps/c-programs), which waits for {@link enlist}; whoever calls is root still. Throws `start_failed`. */
  static start(program: string): Starter {
    return new Starter(program, []);
  }

  /** Starts one that runs a program as whoever calls, in the caller's groups. */
  static rehearsal(program: string): Starter {
    return new Starter(program, ['rehearsal']);
  }

  /** Why it started nothing; empty when it has not said. */
  get failure(): string {
    return oneLine(this.#said, STARTER_WORDS_MAX_CHARACTERS);
  }

  /** Whom it makes a process for, and in which groups (`LimitedCgroup.openForBirth`; ours to close). Throws `system_call_failed` when it has ended. */
  enlist(uid: number, groups: readonly number[]): void {
    sendDescriptors(this.#control, message(ORDER, uid), groups);
  }

  /**
   * Runs a program (an absolute path and its arguments) with these descriptors as 0, 1, 2, … and an empty environment; the descriptors stay the
   * caller's to close. Once. Throws `system_call_failed` when it has ended: {@link failure} says why.
   */
  run(words: readonly string[], descriptors: readonly number[]): void {
    const bytes = Buffer.from(words.map((word) => `${word}\0`).join(''));
    sendDescriptors(this.#control, message(RUN, bytes.length), descriptors);
    this.#control.write(bytes);
  }

  /** Lets go of one that is not wanted: it ends when nobody is to be started any more. */
  dismiss(): void {
    this.#control.destroy();
  }
}

function message(magic: string, number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.write(magic, 'latin1');
  bytes.writeUInt32BE(number, 4);
  return bytes;
}

// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { BureauError, UsageError } from '@bureau/core';
import { closeOnExecFrom, openSocketPair, receiveDescriptors } from '@bureau/native';
import { receiveTakeOver, type TakeOver } from './take-over.ts';

/** Any byte: the starter hears that its sandbox has been taken over. */
const TAKEN = 't';

/** What a starter hears the launcher on, and what it tells it on; both stay the caller's to close. */
export interface StarterEnds {
  readonly instructions: number;
  readonly reports: number;
}

/**
 * bureau-starter (C, `apps/c-programs/src/starter`), which waits beside a relay, makes a sandbox for the launcher, and wakes the relay when it is needed.
 * It ends as bubblewrap does, and with its relay.
 */
export class Starter {
  /** The starter itself; its end is bubblewrap's. */
  readonly process: ChildProcess;
  /** Undefined: closed. */
  #control: number | undefined;

  private constructor(program: string, args: readonly string[], { instructions, reports }: StarterEnds) {
    // Node and its libraries leave descriptors open across exec.
    closeOnExecFrom(3);
    const [ours, theirs] = openSocketPair();
    this.#control = ours;
    // Of its own session: a signal to a relay's group is the relay's.
    this.process = spawn(program, [...args], {
      stdio: ['ignore', 'ignore', 'inherit', theirs, instructions, reports],
      env: {},
      cwd: '/',
      detached: true,
    });
    closeSync(theirs);
    // A relay that waits blocks its thread: it hears of it by the end of the socket.
    this.process.on('error', () => undefined);
    if (this.process.pid !== undefined) return;
    closeSync(ours);
    throw new BureauError(
      'start_failed',
      `Could not start ${program}: expected it in this build, and descriptors and processes left for it`,
    );
  }

  /** Starts `program`, which waits for the launcher; whoever calls is root still. Throws `start_failed`. */
  static start(program: string, ends: StarterEnds): Starter {
    return new Starter(program, [], ends);
  }

  /** Starts one that makes its program as whoever calls, in the caller's groups. */
  static rehearsal(program: string, ends: StarterEnds): Starter {
    return new Starter(program, ['rehearsal'], ends);
  }

  /** Blocks this thread until there is a sandbox for a relay to take over; false when there will be none. Nothing is read but one byte without a meaning. */
  waitForTurn(): boolean {
    const message = receiveDescriptors(this.#open(), 1, 1);
    message?.descriptors.forEach((descriptor) => closeSync(descriptor));
    return message !== null;
  }

  /** Takes the sandbox over, once; whoever calls has its uid, and from then on its starter ends with it. Throws what {@link receiveTakeOver} does. */
  takeOver(): TakeOver {
    try {
      const taken = receiveTakeOver(this.#open());
      writeSync(this.#open(), TAKEN);
      return taken;
    } finally {
      this.dismiss();
    }
  }

  /** Lets go of one whose sandbox was not taken over: it ends, and what it made with it. Idempotent. */
  dismiss(): void {
    if (this.#control !== undefined) closeSync(this.#control);
    this.#control = undefined;
  }

  #open(): number {
    if (this.#control !== undefined) return this.#control;
    throw new UsageError('starter_dismissed', 'Expected a starter that was not let go of; it gives its sandbox once');
  }
}

// SPDX-License-Identifier: Apache-2.0
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { BureauError, type Clock } from '@bureau/core';
import { sendDescriptors } from '@bureau/native';
import type { Cgroup } from './cgroup.ts';
import type { Child, ChildExit } from './child.ts';
import { endGroup } from './cgroup-end.ts';
import { identityPowers } from './identity-powers.ts';
import { FAILURE_MAX_CHARACTERS, WARM_MILLISECONDS } from './limits.ts';
import { READY_BYTE, encodeOrder } from './member-order.ts';
import { startChild } from './start-child.ts';
import { failureSaid } from './start-failure.ts';

/** What a member runs. Neither may hold anything of a principal: they are the same for all members. */
export interface PoolProgram {
  readonly command: string;
  readonly args: readonly string[];
  /** Further ones for a process that is started because somebody waits for it: there is no time to get warm. */
  readonly hurriedArgs?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Opens the log for what it says while it waits; closed here once it is started. */
  readonly openLog: () => number;
}

const INSTRUCTIONS = 3;
const REPORTS = 4;

/**
 * One process that was started ahead: root with no power but to become somebody else, everything loaded, waiting for an order
 * (`waitForOrder`). It ends when this process does. It stays in the group that it was started in, also once it serves somebody: a move takes
 * the kernel 10 ms.
 */
export class PoolMember {
  readonly pid: number;
  /** Settles when it has ended; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** Resolves when it waits for its order; rejects with `member_not_warm`, as {@link ready}. */
  readonly warm: Promise<void>;
  /** Its own, for life: nothing that it starts leaves it without our help. */
  readonly group: Cgroup;
  readonly #child: Child;
  readonly #clock: Clock;

  private constructor(child: Child, group: Cgroup, clock: Clock) {
    this.pid = child.pid;
    this.exited = child.exited;
    this.#child = child;
    this.group = group;
    this.#clock = clock;
    this.instructions.on('error', () => undefined);
    this.warm = firstByte(this.reports, clock);
    this.warm.catch(() => undefined);
  }

  /** Starts one in `group`, which is made. Throws `child_failed`. */
  static async start(program: PoolProgram, group: Cgroup, clock: Clock): Promise<PoolMember> {
    const log = program.openLog();
    try {
      const child = await startChild({
        ...identityPowers(program.command, program.args),
        env: program.environment,
        cwd: '/',
        stdio: ['ignore', log, log, 'pipe', 'pipe'],
        detached: true,
        clock,
        cgroup: group,
      });
      return new PoolMember(child, group, clock);
    } catch (error) {
      group.tryRemove();
      throw error;
    } finally {
      closeSync(log);
    }
  }

  /** The socket that ends at its descriptor 3; what is written after the order is the program's. */
  get instructions(): Socket {
    return this.#child.process.stdio[INSTRUCTIONS] as Socket;
  }

  /** The socket that ends at its descriptor 4; behind the first byte, which {@link warm} takes, it is the program's. */
  get reports(): Socket {
    return this.#child.process.stdio[REPORTS] as Socket;
  }

  /** Gives it an order (`waitForOrder`), with copies of `descriptors`. Throws `system_call_failed` when it has ended. */
  order(numbers: readonly number[], descriptors: readonly number[]): void {
    sendDescriptors(this.instructions, encodeOrder(numbers), descriptors);
  }

  /**
   * Resolves at the next byte that it writes to {@link reports} (`sayReady`), which is taken; rejects with `member_not_warm`, with the reason
   * as `data.why` when it has said one (`sayFailed`).
   */
  ready(): Promise<void> {
    return firstByte(this.reports, this.#clock);
  }

  /** Kills everything in its group; resolves when nothing is left, the group included. Throws `group_unkillable`. */
  async end(): Promise<void> {
    await this.#child.stop(0).catch(() => undefined);
    await endGroup(this.group, 0, this.#clock);
    await this.group.removeSoon();
    this.close();
  }

  /** Closes our ends of its sockets; a member that still waits ends by that. */
  close(): void {
    for (const stream of this.#child.process.stdio) stream?.destroy();
  }
}

/** Resolves at the first byte, which is taken; the rest stays for the next reader. Instead of it may come why there will be none. */
function firstByte(stream: Socket, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    const end = (fault?: BureauError): void => {
      late.clear();
      stream.off('readable', look).off('end', gone).off('close', gone);
      if (fault === undefined) resolve();
      else reject(fault);
    };
    const look = (): void => {
      if (said === '') said = String(stream.read(1) ?? '');
      if (said === '') return;
      if (said === READY_BYTE) return end();
      said += String(stream.read() ?? '');
      if (said.includes('\n') || said.length > FAILURE_MAX_CHARACTERS) gone();
    };
    const gone = (): void => end(notWarm('it ended', failureSaid(said)));
    const late = clock.setTimer(WARM_MILLISECONDS, () => end(notWarm(`it took more than ${WARM_MILLISECONDS} ms`)));
    stream
      .on('readable', look)
      .on('end', gone)
      .on('close', gone)
      .on('error', () => undefined);
  });
}

function notWarm(happened: string, why?: string): BureauError {
  const found = why === undefined ? `${happened}; its log says why` : `it cannot start: ${why}`;
  return new BureauError('member_not_warm', `Expected a process of the pool to say that it is ready, but ${found}`, {
    data: why === undefined ? {} : { why },
  });
}

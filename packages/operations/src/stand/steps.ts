// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError } from '@bureau/core';
import type { OperationContext } from '../registry/context.ts';

/** What a step says of itself. */
export interface StepResult {
  /** `there`: nothing had to be done. */
  readonly outcome: 'done' | 'there';
  readonly message: string;
}

/** What a failed step tells a person besides its own error. */
export interface StepHelp {
  readonly name: string;
  /** Where to look when the message is not enough. */
  readonly log: string;
}

export interface StepRecord extends StepResult {
  readonly name: string;
  readonly seconds: number;
}

/** Runs steps one after the other and prints a line with seconds for each; the first one that fails ends it with `step_failed`. */
export class Steps {
  readonly #context: OperationContext;
  readonly records: StepRecord[] = [];

  constructor(context: OperationContext) {
    this.#context = context;
  }

  /** What `work` returned. */
  async run<Result extends StepResult>(help: StepHelp, work: () => Promise<Result> | Result): Promise<Result> {
    const { clock, progress, signal } = this.#context;
    const started = clock.monotonic();
    signal.throwIfAborted();
    try {
      const result = await work();
      const { outcome, message } = result;
      const seconds = Math.round((clock.monotonic() - started) / 10) / 100;
      this.records.push({ name: help.name, outcome, message, seconds });
      progress(`${help.name.padEnd(13)} ${outcome === 'there' ? '·' : '✓'} ${message} (${seconds.toFixed(1)} s)`);
      return result;
    } catch (error) {
      if (signal.aborted) throw error;
      throw new BureauError(
        'step_failed',
        `Step "${help.name}" failed: ${describeError(error).replace(/\.$/, '')}. Log: ${help.log}. Running script/up again goes on from here`,
        {
          cause: error,
          data: { step: help.name, log: help.log },
        },
      );
    }
  }
}

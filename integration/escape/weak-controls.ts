// SPDX-License-Identifier: Apache-2.0
import { before, describe, test } from 'node:test';
import { WeakenedBuild, type CommandResult, type Stand } from '@bureau/testkit';
import type { Weakness } from '@bureau/testkit/wall';

/** Sandboxes of a stand whose launcher leaves out one guard. */
export interface WeakSandboxes {
  /** `bureau run` of a principal whose sandboxes are weak from now on. `words` stand before the command (`--template`). */
  run(principal: string, weakness: Weakness, command: readonly string[], words?: readonly string[]): Promise<CommandResult>;
}

/**
 * The controls of one test file that its stand's launcher starts. They come last: until then the launcher is the one that ships, so that
 * no attack is ever made against another.
 */
export class WeakControls implements Disposable {
  readonly #tests: { readonly title: string; readonly control: (weak: WeakSandboxes) => Promise<void> }[] = [];
  #build: WeakenedBuild | undefined;

  add(title: string, control: (weak: WeakSandboxes) => Promise<void>): void {
    this.#tests.push({ title, control });
  }

  /** Declares them as tests; the last thing that a file does. */
  declare(stand: () => Stand): void {
    const weak: WeakSandboxes = {
      run: (principal, weakness, command, words = []) => {
        this.#build?.weaken(principal, weakness);
        return stand().bureau(['run', principal, ...words, '--no-tty', '--', ...command], { timeoutMilliseconds: 90_000 });
      },
    };
    describe('one guard away, by the launcher', () => {
      before(async () => {
        this.#build = await WeakenedBuild.takeOver(stand());
      });
      for (const { title, control } of this.#tests) test(title, () => control(weak));
    });
  }

  /** Once the stand has ended. */
  [Symbol.dispose](): void {
    this.#build?.[Symbol.dispose]();
  }
}

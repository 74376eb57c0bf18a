// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BureauError } from '@bureau/core';
import type { Weakness, Weaknesses } from '@bureau/sandbox/testing';
import { runCommand } from './command.ts';
import { LIBRARY, copyBuild } from './copied-build.ts';
import { CHECKOUT } from './copy-checkout.ts';
import { UP_MILLISECONDS } from './limits.ts';
import type { Stand } from './stand.ts';

/** As long as a build's name. */
const NAME = '3ea4'.repeat(4);

/**
 * A copy of a stand's build whose launcher leaves out one guard where a test says so (`build/weakened-launcher.ts`); all else of it, the
 * relay too, is byte for byte what ships.
 */
export class WeakenedBuild implements Disposable {
  readonly #directory: string;
  readonly #stand: Stand;
  #weaknesses: Weaknesses = {};

  private constructor(stand: Stand) {
    this.#stand = stand;
    this.#directory = mkdtempSync(join(LIBRARY, 'weakened-'));
    chmodSync(this.#directory, 0o755);
  }

  /** Has `stand` go over to such a build, as to any newer one. Dispose of it when the stand has ended. */
  static async takeOver(stand: Stand): Promise<WeakenedBuild> {
    const build = new WeakenedBuild(stand);
    try {
      await build.#start();
      return build;
    } catch (error) {
      build[Symbol.dispose]();
      throw error;
    }
  }

  /** Of the build, as `/usr/lib/bureau/<hash>` is. */
  get path(): string {
    return join(this.#directory, NAME);
  }

  /** From the next start on, until it is said anew, this principal's sandboxes are weak in this way; all others have every guard. */
  weaken(principal: string, weakness: Weakness): void {
    this.#weaknesses = { ...this.#weaknesses, [principal]: weakness };
    this.#write();
  }

  #write(): void {
    const fresh = join(this.#directory, 'weaknesses.new');
    writeFileSync(fresh, JSON.stringify(this.#weaknesses));
    renameSync(fresh, join(this.path, 'weaknesses.json'));
  }

  async #start(): Promise<void> {
    const { name, paths } = this.#stand;
    copyBuild(paths, this.path);
    const lib = join(this.path, 'lib');
    // A hard link to what ships: written into, it would change that.
    rmSync(join(lib, 'launcher.js'));
    await succeeds(join(CHECKOUT, 'script/node'), [join(CHECKOUT, 'build/weakened-launcher.ts'), lib]);
    this.#write();
    const library = realpathSync(`${paths.homeserverStateDirectory}/library`);
    const words = ['--instance', name, 'stand', 'up', '--no-demo', '--homeserver-library', library];
    await succeeds(join(this.path, 'bin/node'), [join(lib, 'cli.js'), ...words]);
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }
}

async function succeeds(program: string, words: readonly string[]): Promise<void> {
  const { code, stderr } = await runCommand(program, words, { timeoutMilliseconds: UP_MILLISECONDS });
  if (code !== 0) throw new BureauError('stand_failed', `Expected ${program} ${words.join(' ')} to succeed: ${stderr}`);
}

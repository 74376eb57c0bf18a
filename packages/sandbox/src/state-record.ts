// SPDX-License-Identifier: Apache-2.0
import { existsSync, renameSync, rmSync } from 'node:fs';
import { readJson, settleFile, writeFileAtomic } from '@bureau/files';
import { digest, exitReport, principalName, principalNumber, sandboxId, sandboxSpec, timestamp } from '@bureau/protocol';
import * as v from 'valibot';
import { RECORD_MAX_BYTES } from './lifecycle-limits.ts';

/**
 * What the launcher writes down of one sandbox before it starts anything of it: enough to find the rest (cgroups, sockets, the
 * relay's exit file) after its own death. `exit` is there once it has ended.
 */
export const sandboxRecord = v.strictObject({
  v: v.literal(1),
  principal: principalName,
  number: principalNumber,
  id: sandboxId,
  startedAt: timestamp,
  /** Of the spec as it was asked for: a bundle that comes later is judged by it. Records of earlier builds have none. */
  specDigest: v.optional(digest),
  secretFiles: sandboxSpec.entries.secretFiles,
  exit: v.optional(exitReport),
});
export type SandboxRecord = v.InferOutput<typeof sandboxRecord>;

/** One file per principal number: `<directory>/<n>.sandbox.json`, 0600. */
export class SandboxRecords {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Written whole or not at all, for every launcher after this one; not forced to disk: after a power cut nothing of a start runs, and a
   * record that is lost or empty says the same as one that is there. An end is told only after {@link settle}.
   */
  write(record: SandboxRecord): void {
    writeFileAtomic(this.#path(record.number), JSON.stringify(record), { mode: 0o600, durable: false });
  }

  /** Resolves when what was written is on disk. Rejects with what the system says. */
  settle(number: number): Promise<void> {
    return settleFile(this.#path(number));
  }

  /** `undefined` when there is none; throws `file_malformed` when it is not one of ours. */
  read(number: number): SandboxRecord | undefined {
    const path = this.#path(number);
    return existsSync(path) ? readJson(path, sandboxRecord, RECORD_MAX_BYTES) : undefined;
  }

  /** Puts a file that is not one of ours aside, for a person to look at: `<n>.sandbox.json.malformed`. Where that fails it stays. */
  setAside(number: number): void {
    try {
      renameSync(this.#path(number), `${this.#path(number)}.malformed`);
    } catch {
      // The disk is read-only or gone; the next record replaces it.
    }
  }

  remove(number: number): void {
    rmSync(this.#path(number), { force: true });
  }

  #path(number: number): string {
    return `${this.#directory}/${number}.sandbox.json`;
  }
}

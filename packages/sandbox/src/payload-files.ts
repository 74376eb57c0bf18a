// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '@bureau/files';
import type { SandboxSpec } from '@bureau/protocol';

/** What an agent is told to do, and what set it off; `/run/bureau/payload.json` and `/run/bureau/trigger.json` inside. */
export type PayloadFiles = Pick<SandboxSpec, 'payload' | 'trigger'>;

/** The run directory is gone after a power cut, whatever is forced to disk. */
const WRITE = { mode: 0o644, durable: false } as const;

/**
 * Puts both files into the directory that the sandbox sees read-only, root's own and readable for the payload. Each is replaced whole:
 * a reader has the old one or the new one. `payload.json` is always there (`{}`), so that a later one is seen by who watches for it;
 * without a trigger there is no `trigger.json`. A file that says it already is left alone: who watches it sees changes only. Throws
 * `file_write_failed`.
 */
export function placePayloadFiles(agentDirectory: string, { payload = {}, trigger }: PayloadFiles): void {
  place(join(agentDirectory, 'payload.json'), payload);
  if (trigger === undefined) rmSync(join(agentDirectory, 'trigger.json'), { force: true });
  else place(join(agentDirectory, 'trigger.json'), trigger);
}

function place(path: string, value: object): void {
  const text = `${JSON.stringify(value)}\n`;
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileAtomic(path, text, WRITE);
}

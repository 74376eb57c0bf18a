// SPDX-License-Identifier: Apache-2.0
import { rmSync } from 'node:fs';
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
 * without a trigger there is no `trigger.json`. Throws `file_write_failed`.
 */
export function placePayloadFiles(agentDirectory: string, { payload = {}, trigger }: PayloadFiles): void {
  writeFileAtomic(join(agentDirectory, 'payload.json'), `${JSON.stringify(payload)}\n`, WRITE);
  if (trigger === undefined) rmSync(join(agentDirectory, 'trigger.json'), { force: true });
  else writeFileAtomic(join(agentDirectory, 'trigger.json'), `${JSON.stringify(trigger)}\n`, WRITE);
}

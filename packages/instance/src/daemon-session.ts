// SPDX-License-Identifier: Apache-2.0
import { rmSync } from 'node:fs';
import { readJson, writeFileAtomic } from '@bureau/files';
import * as v from 'valibot';
import type { InstancePaths } from './paths.ts';

/** `session.json` in the daemon's state directory, 0600, its own: the machine account's access token. */
const daemonSession = v.strictObject({ v: v.literal(1), accessToken: v.pipe(v.string(), v.minLength(1), v.maxLength(1_000)) });

/** Most bytes of `session.json`. */
const SESSION_MAX_BYTES = 4_096;

/** The file itself. */
export function daemonSessionFile(paths: InstancePaths): string {
  return `${paths.daemonStateDirectory}/session.json`;
}

/** The machine account's access token. Throws `file_missing`, `file_malformed`. */
export function readDaemonSession(paths: InstancePaths): string {
  return readJson(daemonSessionFile(paths), daemonSession, SESSION_MAX_BYTES).accessToken;
}

/** The daemon's own note that its session was ended on purpose. */
export function revocationMarkFile(paths: InstancePaths): string {
  return `${paths.daemonStateDirectory}/revoked.json`;
}

/** Writes it whole, for the daemon's uid alone. A new session is a new life: the note of a revocation goes. */
export function writeDaemonSession(paths: InstancePaths, accessToken: string, daemonUid: number): void {
  const owner = { uid: daemonUid, gid: daemonUid };
  writeFileAtomic(daemonSessionFile(paths), JSON.stringify({ v: 1, accessToken }), { mode: 0o600, ...owner });
  rmSync(revocationMarkFile(paths), { force: true });
}

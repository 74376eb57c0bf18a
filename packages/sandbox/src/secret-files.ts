// SPDX-License-Identifier: Apache-2.0
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDirectory, writeFileAtomic } from '@bureau/files';
import { decodeSecrets, type OpenedBundle } from '@bureau/seal';

/** In the directory that the sandbox sees read-only at /run/bureau. It lies in memory, and goes with the sandbox. */
function directoryIn(agentDirectory: string): string {
  return join(agentDirectory, 'secrets');
}

/**
 * Writes the secrets that a judged spec asks for as files of the payload's own, 0400, in a directory of root's. The caller has judged
 * the names and disposes the bundle's secrets. Throws `directory_unsafe`, `file_write_failed`.
 */
export function placeSecretFiles(agentDirectory: string, names: readonly string[], opened: OpenedBundle, payloadUid: number): void {
  const directory = directoryIn(agentDirectory);
  ensureDirectory(directory, { mode: 0o750, uid: 0, gid: payloadUid });
  const secrets = decodeSecrets(opened.secrets.bytes);
  for (const name of names) {
    const file = opened.header.files?.[name];
    const bytes = secrets.get(name);
    if (file === undefined || bytes === undefined) continue;
    writeFileAtomic(join(directory, file), bytes, { mode: 0o400, uid: payloadUid, gid: payloadUid, durable: false });
  }
}

/** After a rotation: the secrets of these names are there with their new values under their new names, and no other file. */
export function renewSecretFiles(agentDirectory: string, names: readonly string[], opened: OpenedBundle, payloadUid: number): void {
  const shown = names.map((name) => opened.header.files?.[name]);
  for (const file of filesIn(directoryIn(agentDirectory)))
    if (!shown.includes(file)) rmSync(join(directoryIn(agentDirectory), file), { force: true });
  if (names.length > 0) placeSecretFiles(agentDirectory, names, opened, payloadUid);
}

/** Takes all of them away, of an earlier sandbox too. */
export function removeSecretFiles(agentDirectory: string): void {
  rmSync(directoryIn(agentDirectory), { recursive: true, force: true });
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // none were asked for
  }
}

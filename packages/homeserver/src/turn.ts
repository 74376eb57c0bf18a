// SPDX-License-Identifier: Apache-2.0
import { UsageError, hasCode } from '@bureau/core';
import { readBounded } from '@bureau/files';
import type { HomeserverLayout } from './layout.ts';
import { SMALL_FILE_MAX_BYTES, TURN_URIS_MAX } from './limits.ts';
import { ensureSecretFile } from './secret-file.ts';

/** A TURN server that is the operator's own affair; the homeserver only hands out credentials for it. */
export interface TurnSettings {
  /** `turn:turn.example.org:3478?transport=udp`. */
  readonly uris: readonly string[];
}

const URI = /^turns?:([a-zA-Z0-9.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(\?transport=(udp|tcp))?$/;

/**
 * What an operator wrote to `turn.json`: `{"uris": ["turn:…"]}`; `undefined` where there is no such file. The secret that homeserver and
 * TURN server share is made when it is missing; it is the 64 digits in `turn-secret`. Throws `turn_settings_malformed`.
 */
export function readTurnSettings(
  layout: HomeserverLayout,
  owner: { readonly uid: number; readonly gid: number },
): TurnSettings | undefined {
  let text: string;
  try {
    text = readBounded(layout.turnFile, SMALL_FILE_MAX_BYTES).toString('utf8');
  } catch (error) {
    if (hasCode(error, 'file_missing')) return undefined;
    throw error;
  }
  const settings = parseTurnSettings(text, layout.turnFile);
  ensureSecretFile(layout.turnSecretFile, owner);
  return settings;
}

/** Settings from the file's text. Pure. Throws `turn_settings_malformed`. */
export function parseTurnSettings(text: string, path: string): TurnSettings {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const uris: unknown = typeof value === 'object' && value !== null && 'uris' in value ? value.uris : undefined;
  if (
    !Array.isArray(uris) ||
    uris.length === 0 ||
    uris.length > TURN_URIS_MAX ||
    !uris.every((uri) => typeof uri === 'string' && URI.test(uri))
  )
    throw new UsageError(
      'turn_settings_malformed',
      `Expected {"uris": ["turn:turn.example.org:3478?transport=udp"]} in ${path}, with 1 to ${TURN_URIS_MAX} such URIs; correct the file, or remove it to do without TURN`,
      { data: { path } },
    );
  return { uris: uris as string[] };
}

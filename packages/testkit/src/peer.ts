// SPDX-License-Identifier: Apache-2.0
import { fileURLToPath } from 'node:url';
import { BureauError } from '@bureau/core';
import { runCommand } from './command.ts';

const PROGRAM = fileURLToPath(new URL('peer.main.ts', import.meta.url));
/** Many steps, some of which wait for a close. */
const PEER_MILLISECONDS = 60_000;

/** One thing that a peer does on one new connection. */
export type PeerStep = { readonly socket: string } & (
  | {
      readonly contract: 'daemon' | 'launcher' | 'proxy' | 'relay' | 'stand';
      readonly method: string;
      readonly input: unknown;
      /** Fields of the input that are bytes, in base64. */
      readonly bytes?: Readonly<Record<string, string>>;
    }
  /** Bytes in base64, as they are; the outcome has `{closed, said}`: after the close, or once `until` was said. */
  | { readonly raw: string; readonly until?: string }
  /** GET of this path; the outcome has `{status, body}`. */
  | { readonly http: string }
);

/** What came of it: `code` is a BureauError's, or the system's (`EACCES`). */
export type PeerOutcome =
  | { readonly ok: true; readonly output: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** Runs the steps one after the other in a process of this uid and gid, without other groups. */
export async function speakAs(who: { readonly uid: number; readonly gid: number }, steps: readonly PeerStep[]): Promise<PeerOutcome[]> {
  const { code, stdout, stderr } = await runCommand(process.execPath, [PROGRAM, `${who.uid}`, `${who.gid}`], {
    input: JSON.stringify(steps),
    timeoutMilliseconds: PEER_MILLISECONDS,
  });
  if (code !== 0) throw new BureauError('peer_failed', `Expected a peer of uid ${who.uid} to do its steps: ${stderr}`);
  return JSON.parse(stdout) as PeerOutcome[];
}

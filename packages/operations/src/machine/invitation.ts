// SPDX-License-Identifier: Apache-2.0
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { UsageError, hasCode } from '@bureau/core';
import { readBounded } from '@bureau/files';
import { machineName, roomId, serverName, text, timestamp, userId } from '@bureau/protocol';
import * as v from 'valibot';

/** Most bytes of an invitation: names, rooms, and at most sixteen public keys. */
const INVITATION_MAX_BYTES = 32 * 1024;

/** What is carried from `bureau machine provision` to a new machine; with a password that is good once. */
export const machineInvitation = v.strictObject({
  v: v.literal(1),
  homeserver_url: v.pipe(v.string(), v.maxLength(2_000), v.url(), v.regex(/^https?:\/\//, 'expected an http or https URL')),
  server_name: serverName,
  machine: machineName,
  user_id: userId,
  /** Pinned by the machine, with its creator: no alias is asked for it. */
  config_room: roomId,
  config_room_creator: userId,
  template_room: roomId,
  agents_room: roomId,
  /** The event that its key must name. */
  provision: text(255),
  provisioned_at: timestamp,
  /** Whose signatures on bundles it believes: name → public key, PEM. */
  operators: v.pipe(
    v.record(v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,40}$/, 'expected the name of an operator')), v.pipe(v.string(), v.maxLength(1_000))),
    v.check((all) => Object.keys(all).length > 0 && Object.keys(all).length <= 16, 'expected one to sixteen operators'),
  ),
  one_time_password: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits')),
});
export type MachineInvitation = v.InferOutput<typeof machineInvitation>;

/** Reads one from a file, or from `input` where the path is `-`. Throws `invitation_malformed`, which quotes nothing of it, and `file_missing`. */
export async function readInvitation(path: string, input: Readable): Promise<MachineInvitation> {
  const bytes = path === '-' ? await readAll(input) : readBounded(path, INVITATION_MAX_BYTES);
  try {
    return parseInvitation(bytes.toString('utf8'));
  } finally {
    bytes.fill(0);
  }
}

function parseInvitation(content: string): MachineInvitation {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw malformed('it is no JSON');
  }
  const parsed = v.safeParse(machineInvitation, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw malformed(`${v.getDotPath(issue) ?? 'it'} is not as it should be`);
}

/** Writes one into a new file, 0600. Throws `file_exists`: an invitation that was not used is not written over. */
export function writeInvitation(path: string, invitation: MachineInvitation): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'wx', 0o600);
  } catch (cause) {
    if (!hasCode(cause, 'EEXIST')) throw cause;
    throw new UsageError('file_exists', `${path} is there already; name a file that is not`, { data: { path }, cause });
  }
  try {
    writeSync(descriptor, `${JSON.stringify(invitation, null, 2)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

async function readAll(input: Readable): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of input) {
    pieces.push(Buffer.from(piece as Buffer));
    size += pieces.at(-1)?.length ?? 0;
    if (size > INVITATION_MAX_BYTES) throw malformed(`it is longer than ${INVITATION_MAX_BYTES} bytes`);
  }
  return Buffer.concat(pieces);
}

function malformed(fault: string): UsageError {
  return new UsageError(
    'invitation_malformed',
    `Expected what "bureau machine provision" has written, and ${fault}; provision the machine again`,
  );
}

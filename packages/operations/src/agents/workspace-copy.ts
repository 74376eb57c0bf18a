// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { BureauError, UsageError, type PrincipalName } from '@bureau/core';
import { PrincipalNumbers, readSettings, uidsOf } from '@bureau/instance';
import { dropPrivileges } from '@bureau/process';
import type { OperationContext } from '../registry/context.ts';

/** tar flags for a tree that nobody trusts: no owners, no absolute names, no devices' worth of surprises, existing links replaced. */
const UNPACK = ['--extract', '--no-same-owner', '--no-overwrite-dir', '--file=-'];

/** Packs `$1` without what is neither file, directory nor link: a named pipe would hold whoever reads it. */
const PACK_PLAIN =
  'cd "$1" && find . "(" -type f -o -type d -o -type l ")" -print0 | tar --create --no-recursion --ignore-failed-read --null --verbatim-files-from --files-from=- --file=-';

/** Most of what tar says that is passed on. */
const SAID_MAX = 500;

/**
 * Copies a directory of the caller's into the principal's workspace. It is unpacked under the payload's own uid: a link that the
 * agent planted there earlier leads nowhere that the agent could not write itself. The sandbox must have been made: it brings the
 * workspace and the uid.
 */
export async function copyIn(directory: string, principal: PrincipalName, context: OperationContext): Promise<void> {
  const source = callersDirectory(directory);
  const workspace = context.paths.workspaceOf(principal);
  const uid = payloadUid(principal, context);
  await pipeTar(
    { command: '/bin/tar', args: ['--create', `--directory=${source}`, '--file=-', '.'] },
    dropPrivileges(uid, '/bin/tar', [`--directory=${workspace}`, ...UNPACK]),
  );
}

/**
 * Copies the workspace back: read under the payload's uid, written under the uid of the directory's owner. Regular files,
 * directories and links come back; what was deleted inside stays here. What the payload has made unreadable for itself stays inside, and
 * is told.
 */
export async function copyOut(directory: string, principal: PrincipalName, context: OperationContext): Promise<void> {
  const target = callersDirectory(directory);
  const uid = payloadUid(principal, context);
  const owner = statSync(target).uid;
  const unpack = { command: '/bin/tar', args: [`--directory=${target}`, ...UNPACK, '--no-same-permissions'] };
  const pack = dropPrivileges(uid, '/bin/sh', ['-c', PACK_PLAIN, 'sh', context.paths.workspaceOf(principal)]);
  const said = await pipeTar(pack, owner === 0 ? unpack : dropPrivileges(owner, unpack.command, unpack.args));
  if (said !== '') context.progress(`some of the workspace stays inside: ${said}`);
}

interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
}

function callersDirectory(directory: string): string {
  const path = resolve(directory);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return path;
  throw new UsageError('workspace_missing', `Cannot use ${JSON.stringify(directory)} as a workspace: expected a directory`);
}

function payloadUid(principal: PrincipalName, { paths }: OperationContext): number {
  const number = new PrincipalNumbers(paths.numbersFile).find(principal);
  if (number === undefined)
    throw new BureauError('not_found', `"${principal}" has no workspace on this machine yet`, { data: { principal } });
  return uidsOf(readSettings(paths).uidBase).payload(number);
}

/** Resolves with what the reader complained of although it succeeded. */
async function pipeTar(from: CommandLine, to: CommandLine): Promise<string> {
  const options = { env: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' } };
  const reader = spawn(from.command, from.args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const writer = spawn(to.command, to.args, { ...options, stdio: [reader.stdout, 'ignore', 'pipe'] });
  // The writer has its own copy: with ours open, the reader would never hear that the writer has gone.
  reader.stdout.destroy();
  const [said] = await Promise.all([ended(reader, 'reading'), ended(writer, 'writing')]);
  return said;
}

async function ended(child: ReturnType<typeof spawn>, what: string): Promise<string> {
  let said = '';
  child.stderr?.on('data', (piece: Buffer) => (said = `${said}${piece.toString('utf8')}`.slice(0, SAID_MAX)));
  const code = await new Promise<number | null>((settle, reject) => child.once('error', reject).once('close', settle));
  // Names in it are the payload's choice.
  const shown = said.trim().replaceAll(/\p{Cc}+/gu, ' ');
  if (code !== 0) throw new BureauError('workspace_copy_failed', `Copying the workspace failed while ${what}: ${shown}`);
  return shown;
}

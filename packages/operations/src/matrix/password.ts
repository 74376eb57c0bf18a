// SPDX-License-Identifier: Apache-2.0
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { UsageError } from '@bureau/core';
import { readBounded } from '@bureau/files';
import type { OperationContext } from '../registry/context.ts';

const PASSWORD_MAX_BYTES = 512;
/** Short ones are guessed; the homeserver itself sets no lower bound. */
const PASSWORD_MIN_CHARACTERS = 8;

/**
 * A password from a file, or for `-` from the caller: asked for twice without echo on a terminal, else the first line of stdin.
 * The caller zeroes it. Throws `password_unusable`.
 */
export async function readPassword(file: string, context: OperationContext): Promise<Buffer> {
  if (file !== '-')
    return judge(
      readBounded(file, PASSWORD_MAX_BYTES)
        .toString('utf8')
        .replace(/\r?\n$/, ''),
    );
  if (context.input.isTTY !== true) return judge(await readLine(context, undefined));
  const first = await readLine(context, 'Password: ');
  const second = await readLine(context, 'Again: ');
  if (first !== second) throw new UsageError('password_unusable', 'The two passwords differ; try again');
  return judge(first);
}

function judge(password: string): Buffer {
  if (password.length < PASSWORD_MIN_CHARACTERS)
    throw new UsageError('password_unusable', `Expected a password of at least ${PASSWORD_MIN_CHARACTERS} characters`);
  return Buffer.from(password, 'utf8');
}

function readLine(context: OperationContext, prompt: string | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    // readline echoes what is typed into its output: a sink keeps it off the screen.
    const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
    const lines = createInterface({ input: context.input, output: sink, terminal: prompt !== undefined });
    if (prompt !== undefined) context.error.write(prompt);
    const finish = (settle: () => void): void => {
      // First what it came to: closing says "nothing came" to whoever still waits.
      settle();
      lines.close();
      if (prompt !== undefined) context.error.write('\n');
    };
    context.signal.addEventListener('abort', () => finish(() => reject(context.signal.reason)), { once: true });
    lines.once('line', (line) => finish(() => resolve(line)));
    lines.once('close', () => reject(new UsageError('password_unusable', 'Expected a password on stdin, found none')));
  });
}

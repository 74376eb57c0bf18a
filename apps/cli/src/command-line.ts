// SPDX-License-Identifier: Apache-2.0
import { basename } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { UsageError, describeError, hasCode, parseInstanceName } from '@bureau/core';
import { instancePaths } from '@bureau/instance';
import { EXIT_CODES, OPERATIONS, type AnyOperation, type OperationContext } from '@bureau/operations';
import { systemClock } from '@bureau/process';
import { Command, CommanderError } from 'commander';
import { addOperation, helpHint } from './commands.ts';

export interface Surroundings {
  readonly buildDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
  readonly error: Writable;
  readonly signal: AbortSignal;
}

/** Reads the words, runs the operation, prints its result; answers with the exit code. Never throws. */
export async function runCommandLine(words: readonly string[], surroundings: Surroundings): Promise<number> {
  const { error, output } = surroundings;
  let exitCode: number = EXIT_CODES.ok;
  const program = new Command('bureau')
    .description('Direct teams of AI agents on your own machines.')
    .version(`bureau ${basename(surroundings.buildDirectory)}`)
    .option('--instance <NAME>', 'the stand to speak to; default: BUREAU_INSTANCE, then the default one')
    .exitOverride()
    .configureOutput({ writeOut: (text) => output.write(text), writeErr: (text) => error.write(text) })
    .showSuggestionAfterError(true)
    .showHelpAfterError(helpHint(''))
    .addHelpText(
      'after',
      `\nExample:\n  bureau run probe/one -- id\n\nExit codes: 0 done · 1 failed · 2 wrong command line · run: the command's, 124 time up, 125 Bureau failed`,
    );
  const run = async (operation: AnyOperation, input: unknown, json: boolean): Promise<void> => {
    const context = contextFor(program.opts<{ instance?: string }>().instance, json, surroundings);
    const result = await operation.handler(input as never, context);
    if (operation.ownOutput !== true) writeText(output, json ? JSON.stringify(result) : (operation.render?.(result as never) ?? ''));
    exitCode = operation.exitCode?.(result as never) ?? EXIT_CODES.ok;
  };
  // What follows `--` is a payload's command: not one word of it is ours to read.
  const at = words.indexOf('--');
  const [ours, rest] = at < 0 ? [words, []] : [words.slice(0, at), words.slice(at + 1)];
  for (const operation of OPERATIONS) addOperation(program, operation, rest, run);
  try {
    await program.parseAsync([...ours], { from: 'user' });
    return exitCode;
  } catch (failure) {
    return report(failure, ours, surroundings);
  }
}

function writeText(output: Writable, text: string): void {
  if (text !== '') output.write(`${text}\n`);
}

function contextFor(instance: string | undefined, json: boolean, surroundings: Surroundings): OperationContext {
  const { buildDirectory, environment, uid, input, output, error, signal } = surroundings;
  return {
    paths: instancePaths(parseInstanceName(instance ?? environment['BUREAU_INSTANCE'] ?? '')),
    buildDirectory,
    build: basename(buildDirectory),
    clock: systemClock,
    signal,
    uid,
    input,
    output,
    error,
    progress: (line) => error.write(`${line}\n`),
    json,
    credentialFileVariable: environment['BUREAU_CREDENTIAL_FILE'],
    variable: (name) => environment[name],
  };
}

/**
 * Says what went wrong in one place, and how it counts. Whatever keeps a run from its payload, a wrong command line included, has one
 * code of its own: a payload gives 1 and 2 itself.
 */
function report(failure: unknown, words: readonly string[], { error, signal }: Surroundings): number {
  const isRun = words.find((word, at) => !word.startsWith('-') && words[at - 1] !== '--instance') === 'run';
  if (failure instanceof CommanderError) {
    if (failure.exitCode === 0) return EXIT_CODES.ok;
    return isRun ? EXIT_CODES.bureau : EXIT_CODES.usage;
  }
  if (signal.aborted || hasCode(failure, 'interrupted')) {
    error.write('bureau: interrupted\n');
    return EXIT_CODES.interrupted;
  }
  error.write(`bureau: ${describeError(failure)}\n`);
  if (isRun) return EXIT_CODES.bureau;
  return failure instanceof UsageError ? EXIT_CODES.usage : EXIT_CODES.failed;
}

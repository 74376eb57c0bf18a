// SPDX-License-Identifier: Apache-2.0
import type { Problem } from './problem.ts';

/** A longer one is no help. */
const EXPLAIN_CHARACTERS = 500;

/** What an operator types to be told more about a refusal; `undefined` where nothing is to be told. */
export function explainCommand(principal: string | undefined, problem: Problem, method: string, target: string): string | undefined {
  if (principal === undefined || problem.status !== 403) return undefined;
  const { action, target: names } = problem.extensions;
  const words = typeof action === 'string' ? [action, ...(Array.isArray(names) ? (names as string[]).slice(0, 1) : [])] : [method, target];
  const command = ['bureau', 'auth', 'explain', principal, ...words].map(inShell).join(' ');
  return command.length > EXPLAIN_CHARACTERS ? undefined : command;
}

/** One word of a command line: an agent chose it, and an operator may paste it. */
function inShell(word: string): string {
  if (/^[A-Za-z0-9_./:@%+=,~-]+$/.test(word)) return word;
  return `'${word.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll("'", String.raw`'\''`)}'`;
}

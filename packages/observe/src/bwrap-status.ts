// SPDX-License-Identifier: Apache-2.0

/** What bwrap says on `--json-status-fd`. */
export interface BwrapStatus {
  /** The sandbox's init in host numbers. */
  readonly childPid?: number;
  /** The command's exit code; bwrap writes it only when the command was really executed. */
  readonly exitCode?: number;
}

/** Longest line; bwrap's are under 300 bytes. */
const LINE_MAX = 16 * 1024;

/** Reads bwrap's JSON lines from pieces cut anywhere. What is not understood is skipped: newer versions may say more. */
export class BwrapStatusReader {
  #line = '';

  /** The statuses of all lines that ended in `piece`. */
  push(piece: string): BwrapStatus[] {
    const lines = (this.#line + piece).split('\n');
    this.#line = (lines.pop() ?? '').slice(0, LINE_MAX);
    return lines.map(parseLine).filter((status) => status !== undefined);
  }
}

function parseLine(line: string): BwrapStatus | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const childPid = integerOf(value, 'child-pid', 1);
  const exitCode = integerOf(value, 'exit-code', 0);
  return { ...(childPid === undefined ? {} : { childPid }), ...(exitCode === undefined ? {} : { exitCode }) };
}

function integerOf(value: object, key: string, least: number): number | undefined {
  const found: unknown = (value as Record<string, unknown>)[key];
  return typeof found === 'number' && Number.isSafeInteger(found) && found >= least ? found : undefined;
}

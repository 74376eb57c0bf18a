// SPDX-License-Identifier: Apache-2.0

/** One thing that is wrong, where, and what to do about it. */
export interface Finding {
  /** Relative to the root of the checkout. */
  readonly file: string;
  /** From 1; absent when the whole file is meant. */
  readonly line?: number;
  readonly problem: string;
  readonly remedy: string;
}

/** What each check is given. */
export interface CheckOptions {
  /** Root of the checkout, absolute. */
  readonly root: string;
  /** True with `script/check --write`: generated files are written anew instead of compared. */
  readonly write: boolean;
}

/** A gate: returns what is wrong, nothing when all is well. Throws only when it cannot do its work. */
export interface Check {
  readonly name: string;
  /** Runs when the others have ended: it needs the machine for itself. */
  readonly isLast?: boolean;
  run(options: CheckOptions): Finding[] | Promise<Finding[]>;
}

/** Returns `file:line: problem; remedy`, the form that editors and terminals make clickable. */
export function describeFinding(finding: Finding): string {
  const place = finding.line === undefined ? finding.file : `${finding.file}:${finding.line}`;
  return `${place}: ${finding.problem}${finding.remedy === '' ? '' : `\n    do: ${finding.remedy}`}`;
}

/** Returns the line, from 1, of an offset in a text. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

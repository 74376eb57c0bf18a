// SPDX-License-Identifier: Apache-2.0

/** One numbered section of the playbook. */
export interface Step {
  readonly number: number;
  readonly title: string;
  /** The text of its `bash` blocks, in order; empty where there is nothing to run. */
  readonly commands: string;
}

/** How one step went. */
export interface StepResult {
  readonly number: number;
  readonly title: string;
  readonly seconds: number;
  /** `none`: the step has no commands. `not run`: an earlier one failed. */
  readonly result: 'ok' | 'failed' | 'none' | 'not run';
}

/**
 * The steps of a Markdown text: sections `## N. Title` with their blocks fenced as `bash`. Blocks of other kinds, and those outside
 * numbered sections, are for people. Pure. Throws when the numbers are not 1, 2, 3, … or a block has no end.
 */
export function readSteps(markdown: string): Step[] {
  const steps: { number: number; title: string; lines: string[] }[] = [];
  let current: (typeof steps)[number] | undefined;
  let fence: { kind: string; line: number } | undefined;
  for (const [index, line] of markdown.split('\n').entries()) {
    const opening = /^```(.*)$/.exec(line);
    if (opening !== null) {
      fence = fence === undefined ? { kind: opening[1] ?? '', line: index + 1 } : undefined;
      continue;
    }
    if (fence !== undefined) {
      if (fence.kind === 'bash') current?.lines.push(line);
      continue;
    }
    const heading = /^## (?:(\d+)\. )?(.+)$/.exec(line);
    if (heading === null) continue;
    current = undefined;
    if (heading[1] === undefined) continue;
    current = { number: Number(heading[1]), title: heading[2] ?? '', lines: [] };
    if (current.number !== steps.length + 1)
      throw new Error(`line ${index + 1}: expected step ${steps.length + 1}, found ${current.number}`);
    steps.push(current);
  }
  if (fence !== undefined) throw new Error(`line ${fence.line}: the block that begins here has no end`);
  return steps.map(({ lines, ...step }) => ({ ...step, commands: lines.join('\n') }));
}

/**
 * One bash program for all steps: a single shell, so that variables and background processes live on from step to step. Each step's
 * output goes to `<logs>/<number>.log`; `begin N` and `end N` go to descriptor 3, which commands do not get. Pure.
 */
export function bashProgram(steps: readonly Step[], logs: string): string {
  const parts = steps
    .filter(({ commands }) => commands.trim() !== '')
    .map(
      ({ number, commands }) =>
        `echo 'begin ${number}' >&3\n{\n${commands}\n} > '${logs}/${number}.log' 2>&1 3>&-\necho 'end ${number}' >&3\n`,
    );
  // What failed is told by its text as written: expanded, it might hold a secret.
  const trap = `trap 'printf "failed with exit code %s: %s\\n" "$?" "$BASH_COMMAND" >&2' ERR`;
  return `set -Eeuo pipefail\numask 077\n${trap}\n${parts.join('')}`;
}

/** The table for a person. Pure. */
export function formatResult({ number, title, seconds, result }: StepResult): string {
  const verdict = { ok: 'ok', failed: 'FAILED', none: 'nothing to run yet', 'not run': 'not run' }[result];
  return `playbook: ${String(number).padStart(2)}. ${title.padEnd(36)} ${seconds.toFixed(1).padStart(6)} s  ${verdict}`;
}

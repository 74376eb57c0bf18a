// SPDX-License-Identifier: Apache-2.0
/**
 * Every gate of the house, side by side; one summary line each, every finding as `file:line: what is wrong; what to do`.
 *   check.ts [--write] [NAME…]   `--write` formats and writes what is generated; NAME selects checks
 *   check.ts --fast             all but Bazel's
 *   check.ts --longest           lists the ten longest sources instead
 */
import { join } from 'node:path';
import { bazelCheck } from './checks/bazel.ts';
import { bazelFilesCheck } from './checks/bazel-files.ts';
import { builtInTemplatesCheck } from './checks/built-in-templates.ts';
import { cliReferenceCheck } from './checks/cli-reference.ts';
import { decisionsCheck } from './checks/decisions.ts';
import { dependenciesCheck } from './checks/dependencies.ts';
import { eventsReferenceCheck } from './checks/events-reference.ts';
import { faultTableCheck } from './checks/fault-table.ts';
import { escapeTableCheck } from './checks/escape-table.ts';
import { describeFinding } from './checks/finding.ts';
import type { Check, CheckOptions, Finding } from './checks/finding.ts';
import { forbiddenCheck } from './checks/forbidden.ts';
import { layersCheck } from './checks/layers.ts';
import { ledgerCheck } from './checks/ledger.ts';
import { linksCheck } from './checks/links.ts';
import { lockfileCheck } from './checks/lockfile.ts';
import { longestFiles } from './checks/longest-files.ts';
import { packageTableCheck } from './checks/package-table.ts';
import { processTableCheck } from './checks/process-table.ts';
import { sourcesCheck } from './checks/sources.ts';
import { formatCheck, lintCheck, pureTypesCheck, typesCheck } from './checks/tools.ts';
import { unusedCheck } from './checks/unused.ts';
import { nearestName } from './nearest-name.ts';

/** Findings that are printed of one check: more than a screen helps nobody. */
const PRINTED_FINDINGS = 40;

const CHECKS: readonly Check[] = [
  typesCheck,
  pureTypesCheck,
  lintCheck,
  formatCheck,
  layersCheck,
  forbiddenCheck,
  ledgerCheck,
  lockfileCheck,
  dependenciesCheck,
  decisionsCheck,
  packageTableCheck,
  processTableCheck,
  cliReferenceCheck,
  eventsReferenceCheck,
  builtInTemplatesCheck,
  faultTableCheck,
  escapeTableCheck,
  linksCheck,
  sourcesCheck,
  unusedCheck,
  bazelFilesCheck,
  bazelCheck,
];

/** What one check came to. */
export interface CheckResult {
  readonly name: string;
  readonly findings: readonly Finding[];
  readonly milliseconds: number;
}

/** Runs checks at the same time, those that want to be last after them; a check that throws counts as a finding of its own. */
export async function runChecks(checks: readonly Check[], options: CheckOptions): Promise<CheckResult[]> {
  const first = await Promise.all(checks.filter((check) => check.isLast !== true).map((check) => runCheck(check, options)));
  const last: CheckResult[] = [];
  for (const check of checks.filter(({ isLast }) => isLast === true)) last.push(await runCheck(check, options));
  return [...first, ...last];
}

async function runCheck(check: Check, options: CheckOptions): Promise<CheckResult> {
  const started = performance.now();
  let findings: Finding[];
  try {
    findings = await check.run(options);
  } catch (error) {
    const problem = `check '${check.name}' could not run: ${error instanceof Error ? error.message : String(error)}`;
    findings = [{ file: 'build/check.ts', problem, remedy: 'if it is not about your change, run script/setup and try again' }];
  }
  return { name: check.name, findings, milliseconds: performance.now() - started };
}

/** Returns the text that is printed for results: findings first, a line per check last. */
export function formatResults(results: readonly CheckResult[]): string {
  const lines: string[] = [];
  for (const { name, findings } of results) {
    if (findings.length === 0) continue;
    lines.push(`--- ${name}`, ...findings.slice(0, PRINTED_FINDINGS).map(describeFinding));
    if (findings.length > PRINTED_FINDINGS) lines.push(`… and ${findings.length - PRINTED_FINDINGS} more`);
    lines.push('');
  }
  for (const { name, findings, milliseconds } of results) {
    const verdict = findings.length === 0 ? 'ok' : `${findings.length} to correct`;
    lines.push(`check: ${name.padEnd(14)} ${(milliseconds / 1000).toFixed(1).padStart(5)} s  ${verdict}`);
  }
  return lines.join('\n');
}

async function main(args: readonly string[]): Promise<number> {
  const root = join(import.meta.dirname, '..');
  if (args.includes('--longest')) {
    console.log(longestFiles(root));
    return 0;
  }
  const started = performance.now();
  const names = args.filter((argument) => !argument.startsWith('--'));
  for (const name of names) {
    if (CHECKS.some((check) => check.name === name)) continue;
    const known = CHECKS.map((check) => check.name);
    console.error(`script/check: there is no check '${name}'; did you mean '${nearestName(name, known)}'? The checks: ${known.join(', ')}`);
    return 2;
  }
  // Bazel's check runs every unit suite: whoever runs them anyhow leaves it out.
  const all = args.includes('--fast') ? CHECKS.filter((check) => check.isLast !== true) : CHECKS;
  const selected = names.length === 0 ? all : CHECKS.filter((check) => names.includes(check.name));
  const results = await runChecks(selected, { root, write: args.includes('--write') });
  console.log(formatResults(results));
  const failed = results.filter((result) => result.findings.length > 0);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    failed.length === 0
      ? `check: all ${results.length} passed in ${seconds} s`
      : `check: FAILED (${failed.map((result) => result.name).join(', ')}) in ${seconds} s`,
  );
  return failed.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));

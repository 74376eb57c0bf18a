// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from 'node:fs';
import { BureauError, hasCode } from '@bureau/core';
import type { OverlayPlan } from '@bureau/protocol';
import type { SandboxPlan } from './bwrap-arguments.ts';
import type { BundleRule } from './explain-guards.ts';
import type { LauncherPolicy } from './policy-file.ts';
import type { EffectiveLimits } from './resource-limits.ts';

/** What the launcher decided, for `sandbox explain`: everything but what the payload was told. Holds no secret; root's alone all the same. */
export interface DecidedSandbox {
  readonly plan: SandboxPlan;
  /** The host's paths behind `--bind-fd`. */
  readonly sources: readonly string[];
  /** What the relay puts together around bubblewrap. */
  readonly overlays: readonly OverlayPlan[];
  readonly limits: EffectiveLimits;
  readonly policy: LauncherPolicy;
  /** Absent for a spec that no launcher judged. */
  readonly bundle?: BundleRule;
}

/** Leaves it in the principal's run directory, 0600; a file that nobody reads to run anything. */
export function writePlanFile(directory: string, decided: DecidedSandbox): void {
  const { payload: _payload, trigger: _trigger, ...spec } = decided.plan.spec;
  writeFileSync(planFile(directory), JSON.stringify({ ...decided, plan: { ...decided.plan, spec } }), { mode: 0o600 });
}

/**
 * What the launcher left there; `undefined` when there is none: nothing of this principal runs, or an older build's launcher started it
 * (before bureau-exec), whose command line this build would tell wrongly. Throws `file_malformed`.
 */
export function readPlanFile(directory: string): DecidedSandbox | undefined {
  const path = planFile(directory);
  try {
    const decided = JSON.parse(readFileSync(path, 'utf8')) as DecidedSandbox;
    return (decided.plan as Partial<SandboxPlan>).toolsDirectory === undefined ? undefined : decided;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw new BureauError('file_malformed', `Expected ${path} as the launcher of this build writes it, found something else`, {
      data: { path },
      cause: error,
    });
  }
}

function planFile(directory: string): string {
  return `${directory}/plan.json`;
}

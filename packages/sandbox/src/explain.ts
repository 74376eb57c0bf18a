// SPDX-License-Identifier: Apache-2.0
import { bwrapOptions } from './bwrap-arguments.ts';
import { sandboxEnvironment, type SandboxVariable } from './environment.ts';
import { explainGuards, type ExplainedGuard } from './explain-guards.ts';
import { explainMounts, type ExplainedMount } from './explain-mounts.ts';
import type { DecidedSandbox } from './plan-file.ts';
import { specDigest } from './spec-digest.ts';

/** What a payload sees and what holds it. */
export interface SandboxExplanation {
  readonly principal: string;
  readonly uid: number;
  readonly hostname: string;
  readonly command: readonly string[];
  readonly directory: string;
  readonly terminal: boolean;
  readonly mounts: readonly ExplainedMount[];
  readonly environment: readonly SandboxVariable[];
  readonly limits: readonly { readonly name: string; readonly value: number; readonly from: 'bureau' | 'spec' }[];
  readonly seccomp: string;
  readonly guards: readonly ExplainedGuard[];
  /** bubblewrap's options, in order, as they go through `--args`. */
  readonly options: readonly string[];
  /** Behind `--`. */
  readonly commandLine: readonly string[];
  /** Of the spec with its variables replaced; what `allowed_specs` lists is the digest of the one that was asked for. */
  readonly digest: string;
}

/** Says what becomes of a decided sandbox. Pure: what bubblewrap gets is computed by the function that the launcher uses. */
export function explainSandbox({ plan, sources, limits, policy, bundle }: DecidedSandbox): SandboxExplanation {
  const { options, command } = bwrapOptions(plan);
  const asked: Readonly<Record<string, unknown>> = plan.spec.resources ?? {};
  return {
    principal: plan.principal,
    uid: plan.uid,
    hostname: plan.hostname,
    command: plan.spec.command,
    directory: plan.spec.directory,
    terminal: plan.spec.terminal,
    mounts: explainMounts(plan, options, sources),
    environment: sandboxEnvironment(plan),
    limits: Object.entries(limits).flatMap(([name, value]: [string, number | undefined]) =>
      value === undefined ? [] : [{ name, value, from: asked[name] === undefined ? ('bureau' as const) : ('spec' as const) }],
    ),
    seccomp: plan.spec.profile,
    guards: explainGuards(plan, policy, bundle),
    options,
    commandLine: command,
    digest: specDigest(plan.spec),
  };
}

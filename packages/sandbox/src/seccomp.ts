// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { writeProgram, type Action, type Node } from './bpf-program.ts';
import { syscallTable, type Architecture } from './syscall-numbers.ts';

/**
 * Whether an argument (0 to 5) fits: its low 32 bits, after `mask` (default: all), are one of `values` (`notOneOf`: none of them).
 * Only the low half is looked at, because the kernel's own handlers take these arguments as 32-bit numbers and ignore the rest
 * (CVE-2019-7303 is a filter that did not).
 */
export interface ArgumentTest {
  readonly argument: 0 | 1 | 2 | 3 | 4 | 5;
  readonly mask?: number;
  readonly oneOf?: readonly number[];
  readonly notOneOf?: readonly number[];
}

/** One reason to treat a call in a special way: all of `when` hold. */
export interface Rule {
  readonly when: readonly ArgumentTest[];
  readonly action: Action;
}

/** What is decided about a few calls: the first rule that fits, otherwise `otherwise`. */
export interface CallRules {
  readonly calls: readonly string[];
  readonly rules?: readonly Rule[];
  readonly otherwise: Action;
}

/** A whole filter. A call may be named once only. */
export interface SeccompProfile {
  readonly name: string;
  /** Known calls that no rule names: `allow` makes a deny list, an errno an allow list. */
  readonly fallback: Action;
  /** Numbers that no table has: calls newer than this build, x32 calls. */
  readonly unknown: Action;
  readonly calls: readonly CallRules[];
}

const AUDIT_ARCHITECTURE: Readonly<Record<Architecture, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };
const OFFSET_NUMBER = 0;
const OFFSET_ARCHITECTURE = 4;
const OFFSET_ARGUMENTS = 16;

/** The kernel's bound (BPF_MAXINSNS). */
const INSTRUCTIONS_MAX = 4_096;

/**
 * Assembles `profile` for one architecture as an array of `struct sock_filter`, which is what bwrap's `--seccomp` reads.
 * A call from another architecture (32-bit code on a 64-bit kernel) kills the process. Calls that this architecture does not have
 * are left out; a name that no architecture has, or that stands twice, throws `seccomp_profile_invalid`.
 */
export function assembleSeccomp(profile: SeccompProfile, architecture: Architecture): Uint8Array {
  const program = writeProgram(decide(profile, architecture));
  if (program.length > INSTRUCTIONS_MAX * 8)
    invalid(profile, `it needs ${program.length / 8} instructions and the kernel takes ${INSTRUCTIONS_MAX}`);
  return program;
}

/** `process.arch` as an architecture that sandboxes run on. Throws `architecture_unsupported`. */
export function seccompArchitecture(processArchitecture: string): Architecture {
  if (processArchitecture === 'x64' || processArchitecture === 'arm64') return processArchitecture;
  throw new BureauError('architecture_unsupported', `Cannot start sandboxes on ${processArchitecture}: expected x64 or arm64`, {
    data: { architecture: processArchitecture },
  });
}

function decide(profile: SeccompProfile, architecture: Architecture): Node {
  const byNumber: Node = { type: 'load', offset: OFFSET_NUMBER, mask: undefined, next: search(stepsOf(profile, architecture)) };
  const kill: Node = { type: 'return', action: { type: 'kill' } };
  const test: Node = { type: 'test', compare: 'equal', value: AUDIT_ARCHITECTURE[architecture], yes: byNumber, no: kill };
  return { type: 'load', offset: OFFSET_ARCHITECTURE, mask: undefined, next: test };
}

/** From number `from` on, `node` decides. */
interface Step {
  readonly from: number;
  readonly node: Node;
}

/** What is decided about every 32-bit number, as the places where it changes. */
function stepsOf(profile: SeccompProfile, architecture: Architecture): Step[] {
  const { numbers } = syscallTable(architecture);
  const everywhere = new Set([...syscallTable('x64').numbers.keys(), ...syscallTable('arm64').numbers.keys()]);
  const fallback: Node = { type: 'return', action: profile.fallback };
  const unknown: Node = { type: 'return', action: profile.unknown };
  const decisions = new Map<number, Node>();
  for (const number of numbers.values()) decisions.set(number, fallback);
  const named = new Set<string>();
  for (const { calls, rules = [], otherwise } of profile.calls) {
    const node = rules.reduceRight<Node>((no, rule) => ruleNode(rule, no), { type: 'return', action: otherwise });
    for (const call of calls) {
      if (!everywhere.has(call)) invalid(profile, `there is no system call "${call}"`);
      if (named.has(call)) invalid(profile, `"${call}" is named twice`);
      named.add(call);
      const number = numbers.get(call);
      if (number !== undefined) decisions.set(number, node);
    }
  }
  const steps: Step[] = [{ from: 0, node: decisions.get(0) ?? unknown }];
  for (const number of [...decisions.keys()].toSorted((one, other) => one - other)) {
    for (const from of [number, number + 1]) {
      const node = decisions.get(from) ?? unknown;
      if (steps.at(-1)?.node !== node) steps.push({ from, node });
    }
  }
  return steps;
}

function ruleNode({ when, action }: Rule, no: Node): Node {
  return when.reduceRight<Node>((yes, test) => argumentNode(test, yes, no), { type: 'return', action });
}

function argumentNode({ argument, mask, oneOf, notOneOf }: ArgumentTest, fits: Node, fails: Node): Node {
  const [values, found, missed] = oneOf === undefined ? [notOneOf ?? [], fails, fits] : [oneOf, fits, fails];
  const tests = values.reduceRight<Node>((no, value) => ({ type: 'test', compare: 'equal', value, yes: found, no }), missed);
  return { type: 'load', offset: OFFSET_ARGUMENTS + argument * 8, mask, next: tests };
}

/** Binary search over the call's number. */
function search(steps: readonly Step[]): Node {
  const middle = steps.length >> 1;
  const step = steps[middle];
  if (step === undefined || middle === 0) return steps[0]?.node ?? { type: 'return', action: { type: 'kill' } };
  return {
    type: 'test',
    compare: 'atLeast',
    value: step.from,
    yes: search(steps.slice(middle)),
    no: search(steps.slice(0, middle)),
  };
}

function invalid(profile: SeccompProfile, reason: string): never {
  throw new BureauError('seccomp_profile_invalid', `Cannot assemble the seccomp profile "${profile.name}": ${reason}`, {
    data: { profile: profile.name },
  });
}

// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { syscallTable, type Architecture } from './syscall-numbers.ts';

/** What happens to a call. `errno`: it fails with this number and does nothing. `kill`: the whole process ends with SIGSYS. */
export type Action = { readonly type: 'allow' } | { readonly type: 'errno'; readonly errno: number } | { readonly type: 'kill' };

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

/** A decision; the program is this tree, written down. */
type Node = { readonly type: 'return'; readonly action: Action } | { readonly type: 'test'; readonly test: Test; readonly yes: Node; readonly no: Node };

interface Test {
  /** Where in `struct seccomp_data` the number lies. */
  readonly offset: number;
  readonly mask?: number;
  readonly compare: 'equal' | 'atLeast';
  readonly value: number;
}

const AUDIT_ARCHITECTURE: Readonly<Record<Architecture, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };
const OFFSET_NUMBER = 0;
const OFFSET_ARCHITECTURE = 4;
const OFFSET_ARGUMENTS = 16;

/** classic BPF: load a word, and, jump always, jump if equal, jump if at least, return. */
const LOAD = 0x20;
const AND = 0x54;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const RETURN = 0x06;

const RETURN_ALLOW = 0x7fff0000;
const RETURN_ERRNO = 0x00050000;
const RETURN_KILL_PROCESS = 0x80000000;

/** The kernel's bound (BPF_MAXINSNS). */
export const INSTRUCTIONS_MAX = 4_096;

interface Instruction {
  readonly code: number;
  readonly jumpTrue?: number;
  readonly jumpFalse?: number;
  readonly constant: number;
}

/**
 * Assembles `profile` for one architecture as an array of `struct sock_filter`, which is what bwrap's `--seccomp` reads.
 * A call from another architecture (32-bit code on a 64-bit kernel) kills the process. Calls that this architecture does not have
 * are left out; a name that no architecture has, or that stands twice, throws `seccomp_profile_invalid`.
 */
export function assembleSeccomp(profile: SeccompProfile, architecture: Architecture): Uint8Array {
  const program = emit(decide(profile, architecture), undefined);
  if (program.length > INSTRUCTIONS_MAX) invalid(profile, `it needs ${program.length} instructions and the kernel takes ${INSTRUCTIONS_MAX}`);
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, jumpTrue = 0, jumpFalse = 0, constant }, index) => {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, jumpTrue);
    view.setUint8(index * 8 + 3, jumpFalse);
    view.setUint32(index * 8 + 4, constant >>> 0, true);
  });
  return bytes;
}

/** `process.arch` as an architecture that sandboxes run on. Throws `architecture_unsupported`. */
export function seccompArchitecture(processArchitecture: string): Architecture {
  if (processArchitecture === 'x64' || processArchitecture === 'arm64') return processArchitecture;
  throw new BureauError('architecture_unsupported', `Cannot start sandboxes on ${processArchitecture}: expected x64 or arm64`, { data: { architecture: processArchitecture } });
}

function decide(profile: SeccompProfile, architecture: Architecture): Node {
  const steps = stepsOf(profile, architecture);
  return {
    type: 'test',
    test: { offset: OFFSET_ARCHITECTURE, compare: 'equal', value: AUDIT_ARCHITECTURE[architecture] },
    yes: search(steps),
    no: { type: 'return', action: { type: 'kill' } },
  };
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
      if (!sameNode(steps.at(-1)?.node, node)) steps.push({ from, node });
    }
  }
  return steps;
}

function sameNode(one: Node | undefined, other: Node): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

function ruleNode({ when, action }: Rule, no: Node): Node {
  return when.reduceRight<Node>((yes, test) => argumentNode(test, yes, no), { type: 'return', action });
}

function argumentNode({ argument, mask, oneOf, notOneOf }: ArgumentTest, fits: Node, fails: Node): Node {
  const [values, found, missed] = oneOf === undefined ? [notOneOf ?? [], fails, fits] : [oneOf, fits, fails];
  const offset = OFFSET_ARGUMENTS + argument * 8;
  return values.reduceRight<Node>(
    (no, value) => ({ type: 'test', test: { offset, compare: 'equal', value, ...(mask === undefined ? {} : { mask }) }, yes: found, no }),
    missed,
  );
}

/** Binary search over the call's number. */
function search(steps: readonly Step[]): Node {
  const middle = steps.length >> 1;
  const step = steps[middle];
  if (step === undefined || middle === 0) return steps[0]?.node ?? { type: 'return', action: { type: 'kill' } };
  return {
    type: 'test',
    test: { offset: OFFSET_NUMBER, compare: 'atLeast', value: step.from },
    yes: search(steps.slice(middle)),
    no: search(steps.slice(0, middle)),
  };
}

/** Writes a tree down: test, then what follows "no", then what follows "yes". `loaded` says what the accumulator holds. */
function emit(node: Node, loaded: string | undefined): Instruction[] {
  if (node.type === 'return') return [{ code: RETURN, constant: returnValue(node.action) }];
  const { offset, mask, compare, value } = node.test;
  const wanted = `${offset}&${mask ?? ''}`;
  const load: Instruction[] = loaded === wanted ? [] : [{ code: LOAD, constant: offset }, ...(mask === undefined ? [] : [{ code: AND, constant: mask }])];
  const no = emit(node.no, wanted);
  const yes = emit(node.yes, wanted);
  const code = compare === 'equal' ? JUMP_EQUAL : JUMP_AT_LEAST;
  // A conditional jump reaches 255 instructions; a plain one reaches any.
  const jump: Instruction[] = no.length <= 255 ? [{ code, jumpTrue: no.length, constant: value }] : [{ code, jumpFalse: 1, constant: value }, { code: JUMP, constant: no.length }];
  return [...load, ...jump, ...no, ...yes];
}

function returnValue(action: Action): number {
  if (action.type === 'allow') return RETURN_ALLOW;
  return action.type === 'kill' ? RETURN_KILL_PROCESS : RETURN_ERRNO | (action.errno & 0xffff);
}

function invalid(profile: SeccompProfile, reason: string): never {
  throw new BureauError('seccomp_profile_invalid', `Cannot assemble the seccomp profile "${profile.name}": ${reason}`, { data: { profile: profile.name } });
}

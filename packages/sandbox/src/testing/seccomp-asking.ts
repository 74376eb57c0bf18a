// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import type { SandboxProfile } from '@bureau/protocol';
import fc from 'fast-check';
import { seccompPrograms } from '../seccomp-profiles.ts';
import { syscallTable, type Architecture } from '../syscall-numbers.ts';
import { runSeccomp, type Verdict } from './bpf-interpreter.ts';

/** What `struct seccomp_data` says of an architecture. */
export const AUDIT = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;
export const ARCHITECTURES = ['x64', 'arm64'] as const;
export const PROFILES = ['strict', 'default', 'debug'] as const;
export const PROGRAMS = { x64: seccompPrograms('x64'), arm64: seccompPrograms('arm64') };

/** Any argument. */
export const word = fc.bigInt(0n, 0xffffffffffffffffn);
export const words = fc.tuple(word, word, word, word, word, word);

/** An argument whose low half is `low`; the high half is anything. */
export function withAnyHighBits(low: number): fc.Arbitrary<bigint> {
  return fc.bigInt(0n, 0xffffffffn).map((high) => (high << 32n) | BigInt(low >>> 0));
}

/** What a profile answers to one call; `undefined` when the architecture has no call of that name. */
export function ask(
  profile: SandboxProfile,
  architecture: Architecture,
  name: string,
  args: readonly (bigint | number)[] = [],
): Verdict | undefined {
  const number = syscallTable(architecture).numbers.get(name);
  if (number === undefined) return undefined;
  return runSeccomp(PROGRAMS[architecture][profile], { number, architecture: AUDIT[architecture], arguments: args.map(BigInt) });
}

/** Asserts a verdict on every architecture that has the call, with any high bits in the given arguments and anything in the others. */
export function always(profile: SandboxProfile, name: string, lows: readonly (number | undefined)[], expected: Verdict): void {
  const args = fc.tuple(...Array.from({ length: 6 }, (_, at) => (lows[at] === undefined ? word : withAnyHighBits(lows[at]))));
  const having = ARCHITECTURES.filter((architecture) => syscallTable(architecture).numbers.has(name));
  assert.ok(having.length > 0, `no architecture has ${name}`);
  for (const architecture of having) {
    fc.assert(
      fc.property(args, (values) =>
        assert.equal(ask(profile, architecture, name, values), expected, `${profile} ${architecture} ${name} ${values.join(' ')}`),
      ),
      { numRuns: 40 },
    );
  }
}

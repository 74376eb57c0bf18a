// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { assembleSeccomp, seccompArchitecture, type SeccompProfile } from './seccomp.ts';
import { syscallTable } from './syscall-numbers.ts';
import { runSeccomp } from './testing/bpf-interpreter.ts';
import { ARCHITECTURES, AUDIT, PROFILES, PROGRAMS, words } from './testing/seccomp-asking.ts';

test('assembleSeccomp answers ENOSYS to numbers that nobody knows, x32 calls among them', () => {
  for (const architecture of ARCHITECTURES) {
    const known = new Set(syscallTable(architecture).numbers.values());
    fc.assert(
      fc.property(
        fc.oneof(
          fc.integer({ min: 0, max: 0xffffffff }),
          fc.integer({ min: 0, max: 600 }),
          fc.integer({ min: 0x40000000, max: 0x40000300 }),
        ),
        words,
        fc.constantFrom(...PROFILES),
        (number, args, profile) => {
          const verdict = runSeccomp(PROGRAMS[architecture][profile], { number, architecture: AUDIT[architecture], arguments: args });
          if (!known.has(number)) assert.equal(verdict, 'errno 38');
        },
      ),
      { numRuns: 2_000 },
    );
  }
});

test('assembleSeccomp kills calls of another architecture', () => {
  for (const architecture of ARCHITECTURES) {
    for (const other of [0x40000003, 0xc000003e, 0xc00000b7, 0x40000028, 0, 0xffffffff].filter((value) => value !== AUDIT[architecture])) {
      for (const number of [0, 1, 11, 59, 0x40000001, 0xffffffff]) {
        assert.equal(runSeccomp(PROGRAMS[architecture].default, { number, architecture: other, arguments: [] }), 'kill');
      }
    }
  }
});

test('assembleSeccomp makes an allow list from the same parts', () => {
  const profile: SeccompProfile = {
    name: 'tiny',
    fallback: { type: 'errno', errno: 1 },
    unknown: { type: 'errno', errno: 38 },
    calls: [{ calls: ['read', 'write', 'exit_group'], otherwise: { type: 'allow' } }],
  };
  for (const architecture of ARCHITECTURES) {
    const program = assembleSeccomp(profile, architecture);
    for (const [name, number] of syscallTable(architecture).numbers) {
      const expected = ['read', 'write', 'exit_group'].includes(name) ? 'allow' : 'errno 1';
      assert.equal(runSeccomp(program, { number, architecture: AUDIT[architecture], arguments: [] }), expected, name);
    }
  }
});

test('assembleSeccomp decides like a plain table for any rules, far jumps included', () => {
  const action = fc.oneof(
    fc.constant({ type: 'allow' } as const),
    fc.integer({ min: 1, max: 130 }).map((errno) => ({ type: 'errno', errno }) as const),
  );
  const small = fc.integer({ min: 0, max: 3 });
  const values = fc.array(small, { minLength: 1, maxLength: 3 });
  const argumentTest = fc.record({
    argument: fc.constantFrom(0, 1, 2, 3, 4, 5),
    mask: fc.constantFrom(undefined, 1, 3, 0xff),
    values,
    negated: fc.boolean(),
  });
  const rule = fc.record({ when: fc.array(argumentTest, { minLength: 1, maxLength: 2 }), action });
  const callRules = fc.record({ rules: fc.array(rule, { maxLength: 4 }), otherwise: action });
  const table = [...syscallTable('x64').numbers.keys()].slice(0, 60);
  fc.assert(
    fc.property(
      fc.array(callRules, { minLength: 40, maxLength: 60 }),
      fc.nat(59),
      fc.array(small, { minLength: 6, maxLength: 6 }),
      (all, chosen, args) => {
        const profile: SeccompProfile = {
          name: 'any',
          fallback: { type: 'kill' },
          unknown: { type: 'errno', errno: 38 },
          calls: all.map(({ rules, otherwise }, at) => ({
            calls: [table[at] ?? ''],
            otherwise,
            rules: rules.map((item) => ({
              action: item.action,
              when: item.when.map(({ argument, mask, values: list, negated }) => ({
                argument,
                ...(mask === undefined ? {} : { mask }),
                ...(negated ? { notOneOf: list } : { oneOf: list }),
              })),
            })),
          })),
        };
        const mine = all[chosen];
        const fits = mine?.rules.find(({ when }) =>
          when.every(({ argument, mask, values: list, negated }) => list.includes((args[argument] ?? 0) & (mask ?? -1)) !== negated),
        );
        const wanted = mine === undefined ? ({ type: 'kill' } as const) : (fits?.action ?? mine.otherwise);
        const verdict = runSeccomp(assembleSeccomp(profile, 'x64'), {
          number: chosen,
          architecture: AUDIT.x64,
          arguments: args.map(BigInt),
        });
        assert.equal(verdict, wanted.type === 'errno' ? `errno ${wanted.errno}` : wanted.type);
      },
    ),
    { numRuns: 200, endOnFailure: true },
  );
});

test('assembleSeccomp refuses names that do not exist and names that stand twice', () => {
  const allow = { type: 'allow' } as const;
  const profile = (calls: string[]): SeccompProfile => ({
    name: 'x',
    fallback: allow,
    unknown: allow,
    calls: [{ calls, otherwise: allow }],
  });
  assert.throws(() => assembleSeccomp(profile(['mountt']), 'x64'), { code: 'seccomp_profile_invalid', message: /"mountt"/ });
  assert.throws(() => assembleSeccomp(profile(['read', 'read']), 'x64'), { code: 'seccomp_profile_invalid', message: /twice/ });
  assert.ok(assembleSeccomp(profile(['iopl']), 'arm64').length > 0, 'a call of one architecture only is left out on the other');
});

test('seccompArchitecture knows the two that sandboxes run on', () => {
  assert.equal(seccompArchitecture('x64'), 'x64');
  assert.equal(seccompArchitecture('arm64'), 'arm64');
  assert.throws(() => seccompArchitecture('ia32'), { code: 'architecture_unsupported' });
});

test('the kernel accepts the programs of both architectures', () => {
  const program = `
import ctypes, os, sys
data = sys.stdin.buffer.read()
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('filter', ctypes.c_char_p)]
libc = ctypes.CDLL(None, use_errno=True)
child = os.fork()
if child == 0:
    libc.prctl(38, 1, 0, 0, 0)
    refused = libc.prctl(22, 2, ctypes.byref(Program(len(data) // 8, data)), 0, 0)
    os._exit(3 if refused else 0)
print(os.waitpid(child, 0)[1])`;
  const load = (bytes: Uint8Array): string => execFileSync('/usr/bin/python3', ['-c', program], { input: bytes, encoding: 'utf8' }).trim();
  const [own, foreign] = process.arch === 'x64' ? ARCHITECTURES : ARCHITECTURES.toReversed();
  assert.equal(load(PROGRAMS[own ?? 'x64'].default), '0', 'loaded, and exit_group is allowed');
  assert.equal(
    Number(load(PROGRAMS[foreign ?? 'arm64'].default)) & 0x7f,
    31,
    'loaded, and every call of this machine is foreign to it: SIGSYS',
  );
  assert.equal(load(PROGRAMS.x64.default.slice(0, -8)), String(3 << 8), 'control: a program with a jump past its end is refused');
});

// SPDX-License-Identifier: Apache-2.0
// Two filters that libseccomp makes from rules written anew in its own words, asked the same questions as ours.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { ALLOWED_CALLS, RARELY_NEEDED_CALLS } from './seccomp-allowed.ts';
import { syscallTable, type Architecture } from './syscall-numbers.ts';
import { runSeccomp, type Verdict } from './testing/bpf-interpreter.ts';
import { ARCHITECTURES, AUDIT, PROGRAMS, withAnyHighBits, word } from './testing/seccomp-asking.ts';

/**
 * libseccomp compares whole 64-bit words unless it is given a mask, so every rule has one. It cannot say "none of these", so that what
 * is "all but a few" (`ioctl`, `unshare`, `mknod`) is asked of a second filter, which allows by default.
 */
const PROGRAM = `
import ctypes, json, sys, tempfile
library = ctypes.CDLL('libseccomp.so.2')
library.seccomp_init.restype = ctypes.c_void_p
library.seccomp_arch_native.restype = ctypes.c_uint32
ALLOW, LOW, MASKED = 0x7fff0000, 0xffffffff, 7
def errno(number): return 0x00050000 | number
class Compare(ctypes.Structure):
    _fields_ = [('arg', ctypes.c_uint), ('op', ctypes.c_int), ('a', ctypes.c_uint64), ('b', ctypes.c_uint64)]
class Filter:
    def __init__(self, default, token):
        self.context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))
        if library.seccomp_arch_native() != token:
            assert library.seccomp_arch_add(self.context, ctypes.c_uint32(token)) == 0
            assert library.seccomp_arch_remove(self.context, ctypes.c_uint32(0)) == 0
        assert library.seccomp_attr_set(self.context, 2, ctypes.c_uint32(0x80000000)) == 0  # SCMP_FLTATR_ACT_BADARCH
    def rule(self, action, name, *compares):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == -1: return
        array = (Compare * max(1, len(compares)))(*[Compare(argument, MASKED, mask, value) for argument, mask, value in compares])
        result = library.seccomp_rule_add_array(self.context, ctypes.c_uint32(action), number, len(compares), array)
        assert result == 0, (name, result)
    def export(self):
        with tempfile.TemporaryFile() as file:
            assert library.seccomp_export_bpf(self.context, file.fileno()) == 0
            file.seek(0)
            return list(file.read())
def allowing(names, token):
    filter = Filter(errno(1), token)
    for name in names: filter.rule(ALLOW, name)
    filter.rule(ALLOW, 'clone', (0, 0x7e020000, 0))
    for persona in (0, LOW): filter.rule(ALLOW, 'personality', (0, LOW, persona))
    filter.rule(ALLOW, 'socketpair', (0, LOW, 1))
    filter.rule(ALLOW, 'socket', (0, LOW, 1))
    filter.rule(ALLOW, 'socket', (0, LOW, 16), (2, LOW, 0))
    for family in (2, 10):
        for type in (1, 2, 3):
            for protocol in (0, 1, 6, 17, 58): filter.rule(ALLOW, 'socket', (0, LOW, family), (1, 0xf, type), (2, LOW, protocol))
    return filter.export()
def refusing(token):
    filter = Filter(ALLOW, token)
    for request in (0x5412, 0x541c, 0x541d, 0x5423): filter.rule(errno(1), 'ioctl', (1, LOW, request))
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x80): filter.rule(errno(1), 'unshare', (0, flag, flag))
    return filter.export()
names = json.load(sys.stdin)
known = [n for n in names if library.seccomp_syscall_resolve_name(n.encode()) != -1]
tokens = {'x64': 0xc000003e, 'arm64': 0xc00000b7}
print(json.dumps({'known': known, **{a: {'allowing': allowing(names, t), 'refusing': refusing(t)} for a, t in tokens.items()}}))`;

const OPEN = ['chmod', 'fchmod', 'fchmodat', 'open', 'openat', 'openat2', 'creat'];
const PLAIN = [...ALLOWED_CALLS, ...RARELY_NEEDED_CALLS, ...OPEN];
type Reference = { readonly known: string[] } & Record<Architecture, { readonly allowing: number[]; readonly refusing: number[] }>;

/** Any refusal is one: libseccomp has one errno for its default, and ours says what a program can act on. */
function allowed(verdict: Verdict): string {
  return verdict.startsWith('errno') ? 'refused' : verdict;
}

const argument = fc.oneof(
  word,
  ...[0, 1, 2, 3, 6, 10, 16, 17, 58, 0x80, 0x11, 0x5412, 0x541c, 0x5401, 0x10000011, 0x3d0f00, 0x80001, 0xffffffff].map(withAnyHighBits),
);

test('the default profile and libseccomp decide alike', () => {
  const answer = execFileSync('/usr/bin/python3', ['-c', PROGRAM], { input: JSON.stringify(PLAIN), encoding: 'utf8' });
  const theirs = JSON.parse(answer) as Reference;
  const newer = PLAIN.filter((name) => !theirs.known.includes(name));
  assert.ok(newer.length <= 12, `libseccomp 2.5.4 knows all but the newest: ${newer.join(' ')}`);
  const byArguments = ['clone', 'personality', 'socket', 'socketpair'];
  for (const architecture of ARCHITECTURES) {
    const { numbers } = syscallTable(architecture);
    const ours = PROGRAMS[architecture].default;
    const { allowing, refusing } = theirs[architecture];
    const compare = (reference: readonly number[], name: string, args: readonly bigint[], foreign: boolean): void => {
      const call = { number: numbers.get(name) ?? 0, architecture: foreign ? 0x40000003 : AUDIT[architecture], arguments: args };
      const shown = `${architecture} ${name} ${args.map((value) => value.toString(16)).join(' ')}`;
      assert.equal(allowed(runSeccomp(ours, call)), allowed(runSeccomp(Uint8Array.from(reference), call)), shown);
    };
    const others = [...numbers.keys()].filter(
      (name) => !newer.includes(name) && !['ioctl', 'unshare', 'mknod', 'mknodat', 'fchmodat2'].includes(name),
    );
    for (const name of others) compare(allowing, name, byArguments.includes(name) ? [0n, 0n, 0n] : [], false);
    const asked = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...byArguments) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
    fc.assert(
      fc.property(asked, fc.tuple(argument, argument, argument), fc.boolean(), (name, args, foreign) =>
        compare(allowing, name, args, foreign),
      ),
      { numRuns: 4_000 },
    );
    fc.assert(
      fc.property(fc.constantFrom('ioctl', 'unshare'), fc.tuple(argument, argument), (name, args) => compare(refusing, name, args, false)),
      { numRuns: 2_000 },
    );
  }
});

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { DENY_LIST_PROFILE } from './seccomp-rules.ts';
import { assembleSeccomp, seccompArchitecture, type SeccompProfile } from './seccomp.ts';
import { syscallTable, type Architecture } from './syscall-numbers.ts';
import { runSeccomp, type Verdict } from './testing/bpf-interpreter.ts';

const AUDIT = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;
const ARCHITECTURES = ['x64', 'arm64'] as const;
const PROGRAMS = { x64: assembleSeccomp(DENY_LIST_PROFILE, 'x64'), arm64: assembleSeccomp(DENY_LIST_PROFILE, 'arm64') };

/** An argument whose low half is `low`; the high half is anything. */
function withAnyHighBits(low: number): fc.Arbitrary<bigint> {
  return fc.bigInt(0n, 0xffffffffn).map((high) => (high << 32n) | BigInt(low >>> 0));
}
const word = fc.bigInt(0n, 0xffffffffffffffffn);
const words = fc.tuple(word, word, word, word, word, word);

function ask(architecture: Architecture, name: string, args: readonly (bigint | number)[] = []): Verdict {
  const number = syscallTable(architecture).numbers.get(name);
  assert.ok(number !== undefined, `${architecture} has ${name}`);
  return runSeccomp(PROGRAMS[architecture], { number, architecture: AUDIT[architecture], arguments: args.map(BigInt) });
}

/** Asserts a verdict on both architectures, with any high bits in the given arguments and anything in the others. */
function always(name: string, lows: readonly (number | undefined)[], expected: Verdict): void {
  const args = fc.tuple(...Array.from({ length: 6 }, (_, at) => (lows[at] === undefined ? word : withAnyHighBits(lows[at]))));
  for (const architecture of ARCHITECTURES) {
    fc.assert(
      fc.property(args, (values) => assert.equal(ask(architecture, name, values), expected, `${architecture} ${name} ${values.join(' ')}`)),
      { numRuns: 40 },
    );
  }
}

const REFUSED =
  `mount umount2 pivot_root chroot fsopen fsmount fsconfig fspick move_mount open_tree open_tree_attr mount_setattr setns ptrace
  process_vm_readv process_vm_writev pidfd_getfd kcmp bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register keyctl add_key
  request_key kexec_load kexec_file_load init_module finit_module delete_module open_by_handle_at name_to_handle_at quotactl quotactl_fd acct swapon
  swapoff reboot syslog settimeofday clock_settime clock_adjtime adjtimex vhangup nfsservctl lookup_dcookie memfd_secret`.split(/\s+/);

test('DENY_LIST_PROFILE refuses each forbidden call whatever its arguments', () => {
  for (const name of REFUSED) always(name, [], 'errno 1');
  for (const name of ['iopl', 'ioperm', 'modify_ldt', 'uselib']) assert.equal(ask('x64', name), 'errno 1');
});

test('DENY_LIST_PROFILE lets libc fall back from clone3', () => {
  always('clone3', [], 'errno 38');
});

test('DENY_LIST_PROFILE refuses every namespace flag of clone and unshare, alone and among others', () => {
  for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]) {
    always('clone', [flag], 'errno 1');
    always('clone', [flag | 0x11], 'errno 1');
    always('clone', [0xffffffff], 'errno 1');
    always('unshare', [flag | 0x400], 'errno 1');
  }
  always('unshare', [0x80], 'errno 1');
  always('clone', [0x3d0f00], 'allow'); // a thread of glibc
  always('clone', [0x1200011], 'allow'); // fork
  always('unshare', [0x400], 'allow'); // CLONE_FILES
});

test('DENY_LIST_PROFILE refuses typing into terminals with any high bits', () => {
  for (const request of [0x5412, 0x541c, 0x541d, 0x5423]) always('ioctl', [undefined, request], 'errno 1');
  for (const request of [0x5401, 0x5413, 0x540e, 0x5411]) always('ioctl', [undefined, request], 'allow');
});

test('DENY_LIST_PROFILE lets through Unix, internet and route sockets only', () => {
  for (let family = 0; family < 64; family += 1) {
    if ([1, 2, 10, 16].includes(family)) continue;
    always('socket', [family], 'errno 97');
  }
  always('socket', [0xffffffff], 'errno 97');
  always('socket', [1], 'allow');
  always('socket', [16, undefined, 0], 'allow');
  for (let protocol = 1; protocol < 32; protocol += 1) always('socket', [16, undefined, protocol], 'errno 97');
  for (const family of [2, 10]) {
    for (const type of [1, 2, 3, 0x80001, 0x802])
      for (const protocol of [0, 1, 6, 17, 58]) always('socket', [family, type, protocol], 'allow');
    for (const type of [0, 4, 5, 6, 10, 0x80005]) always('socket', [family, type], 'errno 22');
    for (const protocol of [33, 132, 136, 256, 262, 0xffffffff]) always('socket', [family, 1, protocol], 'errno 93');
  }
  always('socketpair', [1], 'allow');
  for (const family of [0, 2, 10, 16, 30, 40]) always('socketpair', [family], 'errno 97');
});

test('DENY_LIST_PROFILE allows only the plain personality', () => {
  always('personality', [0], 'allow');
  always('personality', [0xffffffff], 'allow');
  for (const persona of [8, 0x40000, 0x20000, 0x400000, 0xfffffffe]) always('personality', [persona], 'errno 1');
});

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
        (number, args) => {
          const verdict = runSeccomp(PROGRAMS[architecture], { number, architecture: AUDIT[architecture], arguments: args });
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
        assert.equal(runSeccomp(PROGRAMS[architecture], { number, architecture: other, arguments: [] }), 'kill');
      }
    }
  }
});

test('assembleSeccomp leaves no known call of the deny list without the fallback', () => {
  const special = new Set(DENY_LIST_PROFILE.calls.flatMap(({ calls }) => calls));
  for (const architecture of ARCHITECTURES) {
    for (const name of syscallTable(architecture).numbers.keys())
      if (!special.has(name)) assert.equal(ask(architecture, name), 'allow', name);
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
  const profile = (calls: string[]): SeccompProfile => ({ ...DENY_LIST_PROFILE, calls: [{ calls, otherwise: { type: 'allow' } }] });
  assert.throws(() => assembleSeccomp(profile(['mountt']), 'x64'), { code: 'seccomp_profile_invalid', message: /"mountt"/ });
  assert.throws(() => assembleSeccomp(profile(['read', 'read']), 'x64'), { code: 'seccomp_profile_invalid', message: /twice/ });
  assert.ok(assembleSeccomp(profile(['iopl']), 'arm64').length > 0, 'a call of one architecture only is left out on the other');
});

test('seccompArchitecture knows the two that sandboxes run on', () => {
  assert.equal(seccompArchitecture('x64'), 'x64');
  assert.equal(seccompArchitecture('arm64'), 'arm64');
  assert.throws(() => seccompArchitecture('ia32'), { code: 'architecture_unsupported' });
});

test('DENY_LIST_PROFILE and libseccomp decide alike', () => {
  const calls = [...REFUSED, 'read', 'openat', 'execve', 'futex', 'seccomp', 'prctl'];
  const program = `
import ctypes, json, os, sys, tempfile
library = ctypes.CDLL('libseccomp.so.2')
library.seccomp_init.restype = ctypes.c_void_p
class Compare(ctypes.Structure):
    _fields_ = [('arg', ctypes.c_uint), ('op', ctypes.c_int), ('a', ctypes.c_uint64), ('b', ctypes.c_uint64)]
def errno(number): return 0x00050000 | number
def export(token, native):
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(0x7fff0000)))
    if not native:
        assert library.seccomp_arch_add(context, ctypes.c_uint32(token)) == 0
        assert library.seccomp_arch_remove(context, ctypes.c_uint32(0)) == 0
    assert library.seccomp_attr_set(context, 2, ctypes.c_uint32(0x80000000)) == 0  # SCMP_FLTATR_ACT_BADARCH
    def rule(action, name, *compares):
        number = library.seccomp_syscall_resolve_name(name.encode())
        array = (Compare * max(1, len(compares)))(*compares)
        result = library.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(compares), array)
        assert result == 0, (name, result)
    for name in REFUSED: rule(errno(1), name)
    rule(errno(38), 'clone3')
    for request in (0x5412, 0x541c, 0x541d, 0x5423): rule(errno(1), 'ioctl', Compare(1, 7, 0xffffffff, request))
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        rule(errno(1), 'clone', Compare(0, 7, flag, flag))
        rule(errno(1), 'unshare', Compare(0, 7, flag, flag))
    rule(errno(1), 'unshare', Compare(0, 7, 0x80, 0x80))
    with tempfile.TemporaryFile() as file:
        assert library.seccomp_export_bpf(context, file.fileno()) == 0
        file.seek(0)
        return list(file.read())
REFUSED = [n for n in json.load(sys.stdin) if library.seccomp_syscall_resolve_name(n.encode()) != -1]
native = library.seccomp_arch_native
native.restype = ctypes.c_uint32
print(json.dumps({'known': REFUSED, **{a: export(t, native() == t) for a, t in (('x64', 0xc000003e), ('arm64', 0xc00000b7))}}))`;
  const theirs = JSON.parse(execFileSync('/usr/bin/python3', ['-c', program], { input: JSON.stringify(REFUSED), encoding: 'utf8' })) as {
    known: string[];
  } & Record<Architecture, number[]>;
  assert.ok(theirs.known.length >= REFUSED.length - 1, 'libseccomp knows all but open_tree_attr');
  const names = [...calls.filter((name) => theirs.known.includes(name) || !REFUSED.includes(name)), 'clone', 'clone3', 'unshare', 'ioctl'];
  const interesting = fc.oneof(
    word,
    withAnyHighBits(0x5412),
    withAnyHighBits(0x541c),
    withAnyHighBits(0x10000011),
    withAnyHighBits(0x3d0f00),
    withAnyHighBits(0x80),
    withAnyHighBits(0),
  );
  for (const architecture of ARCHITECTURES) {
    const reference = Uint8Array.from(theirs[architecture]);
    const { numbers } = syscallTable(architecture);
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.tuple(interesting, interesting), fc.boolean(), (name, args, foreign) => {
        const call = { number: numbers.get(name) ?? 0, architecture: foreign ? 0x40000003 : AUDIT[architecture], arguments: args };
        assert.equal(
          runSeccomp(PROGRAMS[architecture], call),
          runSeccomp(reference, call),
          `${architecture} ${name} ${args.map((value) => value.toString(16)).join(' ')}`,
        );
      }),
      { numRuns: 3_000 },
    );
  }
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
  assert.equal(load(PROGRAMS[own ?? 'x64']), '0', 'loaded, and exit_group is allowed');
  assert.equal(Number(load(PROGRAMS[foreign ?? 'arm64'])) & 0x7f, 31, 'loaded, and every call of this machine is foreign to it: SIGSYS');
  assert.equal(load(PROGRAMS.x64.slice(0, -8)), String(3 << 8), 'control: a program with a jump past its end is refused');
});

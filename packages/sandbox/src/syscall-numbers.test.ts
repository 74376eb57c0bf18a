// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { syscallTable, type Architecture } from './syscall-numbers.ts';

/** Newest call that this machine's headers and libseccomp 2.5 know; later ones come from the kernel's own table. */
const KNOWN_TO_DEBIAN_12 = 450;

test('syscallTable x64 agrees with every number of the kernel header', () => {
  const header = readFileSync('/usr/include/x86_64-linux-gnu/asm/unistd_64.h', 'utf8');
  const { numbers } = syscallTable('x64');
  const defined = [...header.matchAll(/^#define __NR_(\w+) (\d+)$/gm)].map(([, name, number]) => [name, Number(number)] as const);
  assert.ok(defined.length > 350, `the header defines only ${defined.length} calls`);
  for (const [name, number] of defined) assert.equal(numbers.get(name ?? ''), number, name);
  const ours = [...numbers.keys()].filter((name) => (numbers.get(name) ?? 0) <= KNOWN_TO_DEBIAN_12);
  assert.deepEqual(ours.toSorted(), defined.map(([name]) => name).toSorted());
});

test('syscallTable arm64 agrees with every number of the generic header', () => {
  // As arm64's own unistd.h includes it.
  const wants = ['RENAMEAT', 'NEW_STAT', 'SET_GET_RLIMIT', 'SYS_CLONE3', 'MEMFD_SECRET']
    .map((name) => `#define __ARCH_WANT_${name}\n`)
    .join('');
  const source = `#define __BITS_PER_LONG 64\n${wants}#include <asm-generic/unistd.h>\n`;
  const output = execFileSync('gcc', ['-E', '-dM', '-D_ASM_X86_BITSPERLONG_H', '-'], { input: source, encoding: 'utf8' });
  const macros = new Map([...output.matchAll(/^#define (__NR\w+) (.+)$/gm)].map(([, name, value]) => [name ?? '', value ?? '']));
  const { numbers } = syscallTable('arm64');
  let checked = 0;
  for (const [macro, value] of macros) {
    const name = macro.replace('__NR_', '');
    if (!macro.startsWith('__NR_') || name === 'syscalls' || name === 'arch_specific_syscall') continue;
    assert.equal(numbers.get(name), Number(macros.get(value) ?? value), name);
    checked += 1;
  }
  assert.ok(checked > 300, `the header defines only ${checked} calls`);
});

test('syscallTable agrees with libseccomp on both architectures', () => {
  const names = { x64: [...syscallTable('x64').numbers], arm64: [...syscallTable('arm64').numbers] };
  const program = `
import ctypes, json, sys
library = ctypes.CDLL('libseccomp.so.2')
asked = json.load(sys.stdin)
tokens = {'x64': 0xc000003e, 'arm64': 0xc00000b7}
print(json.dumps({a: {n: library.seccomp_syscall_resolve_name_arch(ctypes.c_uint32(tokens[a]), n.encode()) for n, _ in asked[a]} for a in asked}))`;
  const answer = JSON.parse(
    execFileSync('/usr/bin/python3', ['-c', program], { input: JSON.stringify(names), encoding: 'utf8' }),
  ) as Record<Architecture, Record<string, number>>;
  for (const architecture of ['x64', 'arm64'] as const) {
    for (const [name, number] of names[architecture]) {
      const theirs = answer[architecture][name];
      if (number > KNOWN_TO_DEBIAN_12) assert.ok(theirs === number || theirs === -1, `${architecture} ${name}: ${theirs}`);
      else assert.equal(theirs, number, `${architecture} ${name}`);
    }
  }
});

test('syscallTable has one name for a number', () => {
  for (const architecture of ['x64', 'arm64'] as const) {
    const { numbers, highest } = syscallTable(architecture);
    assert.equal(new Set(numbers.values()).size, numbers.size);
    assert.equal(highest, 469);
  }
});

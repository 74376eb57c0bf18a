// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { syscallTable } from './syscall-numbers.ts';

/** Newest call that the headers of Debian 12 know. */
const KNOWN_TO_DEBIAN_12 = 450;

test('syscallTable arm64 agrees with every number of that processor’s own asm/unistd.h', () => {
  const source = '#include <asm/unistd.h>\n';
  const macros = execFileSync('/usr/bin/aarch64-linux-gnu-gcc', ['-E', '-dM', '-'], { input: source, encoding: 'utf8' });
  const { numbers } = syscallTable('arm64');
  const values = new Map([...macros.matchAll(/^#define (__NR\w*) (\w+)$/gm)].map(([, name = '', value = '']) => [name, value]));
  const defined = [...values.keys()]
    .filter((macro) => macro.startsWith('__NR_') && !['__NR_syscalls', '__NR_arch_specific_syscall'].includes(macro))
    // Some are said by another macro: __NR_fcntl is __NR3264_fcntl.
    .map((macro) => [macro.slice('__NR_'.length), Number(values.get(values.get(macro) ?? '') ?? values.get(macro))] as const);
  assert.ok(defined.length > 300, `the header defines only ${defined.length} calls`);
  for (const [name, number] of defined) assert.equal(numbers.get(name), number, name);
  const ours = [...numbers.keys()].filter((name) => (numbers.get(name) ?? 0) <= KNOWN_TO_DEBIAN_12);
  assert.deepEqual(ours.toSorted(), defined.map(([name]) => name).toSorted());
});

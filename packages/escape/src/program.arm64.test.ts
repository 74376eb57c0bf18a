// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { AttackFacts } from './attack.ts';
import { attackCommand } from './program.ts';

/** The calls that attacks make on a processor, as their program says it. */
function callsOf(program: string, processor: string): [name: string, number: string][] {
  const own = new RegExp(`'${processor}': dict\\(([^)]+)\\)`).exec(program)?.[1] ?? '';
  const shared = /^CALLS\.update\(([^)]+)\)$/m.exec(program)?.[1] ?? '';
  return [...`${own}, ${shared}`.matchAll(/(\w+)=([0-9]+)/g)].map(([, name = '', number = '']) => [name, number]);
}

test('attacks name the system calls by the numbers of their processor', () => {
  const program = attackCommand([], {} as AttackFacts).find((word) => word.includes('CALLS')) ?? '';
  for (const [processor, compiler] of [
    ['x86_64', '/usr/bin/gcc'],
    ['aarch64', '/usr/bin/aarch64-linux-gnu-gcc'],
  ] as const) {
    const calls = callsOf(program, processor);
    assert.ok(calls.length > 30, `${calls.length} calls of ${processor}`);
    const source = calls.map(([name, number]) => `_Static_assert(SYS_${name} == ${number}, "${name}");`).join('\n');
    const compiled = spawnSync(compiler, ['-fsyntax-only', '-xc', '-'], {
      input: `#include <sys/syscall.h>\n${source}\n`,
      encoding: 'utf8',
    });
    assert.equal(compiled.status, 0, compiled.stderr);
  }
});

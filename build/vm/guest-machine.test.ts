// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machineArguments } from './guest-machine.ts';

test('machineArguments gives the machine no network, nothing of the host but its disk, and a clock of its own instructions', () => {
  const words = machineArguments({
    image: { kernel: '/i/vmlinuz', initrd: '/i/initrd.img' },
    disk: '/r/root.img',
    consoleLog: '/r/console.log',
    steps: ['facts', 'escape'],
  });
  const after = (word: string): string | undefined => words[words.indexOf(word) + 1];
  assert.deepEqual([after('-nic'), after('-accel'), after('-icount')], ['none', 'tcg,thread=single', 'shift=0']);
  assert.equal(words.filter((word) => word === '-drive').length, 1);
  assert.equal(
    words.some((word) => /fsdev|virtfs|netdev|hostfwd/.test(word)),
    false,
  );
  assert.match(after('-append') ?? '', /systemd\.unified_cgroup_hierarchy=1 .*bureau\.steps=facts,escape$/);
});

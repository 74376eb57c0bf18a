// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import { MACHINE_LOAD, readEvent } from '@bureau/protocol';
import { LoadMeter, type MeteredPrincipal } from './load-meter.ts';
import { HandClock, systemTree } from './system-tree.testing.ts';

const HOST = {
  'proc/stat': 'cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1 1\n',
  'proc/meminfo': 'MemTotal:       1000 kB\nMemAvailable:    400 kB\n',
  'proc/uptime': '4242.17 8000.00\n',
};
const one: MeteredPrincipal = { principal: parsePrincipalName('demo/one'), number: 0, running: true, startedAt: 1_699_999_990_000 };
const two: MeteredPrincipal = { principal: parsePrincipalName('demo/two'), number: 1, running: false, startedAt: 1_699_999_990_000 };

const LAYOUTS = {
  'version 2 alone': {
    'sys/fs/cgroup/cgroup.controllers': 'memory cpu',
    usage: 'sys/fs/cgroup/bureau-x/sandbox-0/cpu.stat',
    memory: 'sys/fs/cgroup/bureau-x/sandbox-0/memory.current',
  },
  'version 1 beside an empty version 2': {
    'sys/fs/cgroup/unified/cgroup.controllers': '',
    'proc/self/mounts': 'cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n',
    usage: 'sys/fs/cgroup/unified/bureau-x/sandbox-0/cpu.stat',
    memory: 'sys/fs/cgroup/memory/bureau-x/sandbox-0/memory.usage_in_bytes',
  },
} as const;

for (const [name, { usage, memory, ...files }] of Object.entries(LAYOUTS)) {
  test(`LoadMeter reads each sandbox's own usage: ${name}`, async (context) => {
    const tree = systemTree(context, { ...HOST, ...files, [usage]: 'usage_usec 5000000\nuser_usec 1\n', [memory]: '777\n' });
    const clock = new HandClock();
    const meter = new LoadMeter({ clock, cgroupName: 'bureau-x', root: tree.root });
    const first = meter.measure([one, two]);
    assert.deepEqual(
      first.principals,
      [{ principal: 'demo/one', cpuPercent: 50, memoryBytes: 777 }],
      '5 s of processor time in the 10 s since its start',
    );
    assert.deepEqual([first.memoryUsedBytes, first.uptimeSeconds, first.sandboxes], [614_400, 4_242, { running: 1, waiting: 1 }]);

    await clock.pass(10_000);
    tree.write('proc/stat', 'cpu  150 0 125 825 0 0 0 0 0 0\n');
    tree.write(usage, 'usage_usec 20000000\n');
    const second = meter.measure([one, two]);
    assert.deepEqual([second.cpuPercent, second.principals[0]?.cpuPercent], [75, 150], '15 s of processor time in 10 s');
    const reading = readEvent(MACHINE_LOAD, second);
    assert.ok(reading.ok, reading.ok ? '' : reading.message);

    // A sandbox with the same number that was made anew counts from nothing.
    await clock.pass(10_000);
    tree.write(usage, 'usage_usec 1\n');
    assert.equal(meter.measure([one]).principals[0]?.cpuPercent, 0);
  });
}

test('LoadMeter leaves out what the kernel does not tell, and goes on', (context) => {
  const { root } = systemTree(context, { 'proc/stat': 'nothing\n' });
  const meter = new LoadMeter({ clock: new HandClock(), cgroupName: 'bureau-x', root });
  assert.deepEqual(meter.measure([one]), {
    v: 1,
    at: 1_700_000_000_000,
    cpuPercent: 0,
    memoryUsedBytes: 0,
    uptimeSeconds: 0,
    sandboxes: { running: 1, waiting: 0 },
    principals: [],
  });
});

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { hostname, release } from 'node:os';
import { test } from 'node:test';
import { MACHINE_INFO, readEvent } from '@bureau/protocol';
import fc from 'fast-check';
import { parseCpu, readHardware } from './hardware.ts';
import { systemTree } from './system-tree.testing.ts';

const thread = (processor: number, socket: number, core: number): string =>
  `processor\t: ${processor}\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 9575F 64-Core\nphysical id\t: ${socket}\ncore id\t\t: ${core}\n`;

test('readHardware tells this very machine, and it fits the event', () => {
  const hardware = readHardware();
  assert.equal(hardware.hostname, hostname());
  assert.equal(hardware.kernel, release());
  assert.ok(hardware.cpu.threads > 0 && hardware.cpu.cores > 0 && hardware.memoryBytes > 0, JSON.stringify(hardware));
  const reading = readEvent(MACHINE_INFO, { v: 1, build: 'test', ...hardware });
  assert.ok(reading.ok, reading.ok ? '' : reading.message);
});

test('parseCpu counts sockets, cores and threads', () => {
  const threads = [thread(0, 0, 0), thread(1, 0, 1), thread(2, 0, 0), thread(3, 0, 1), thread(4, 1, 0), thread(5, 1, 0)].join('\n');
  assert.deepEqual(parseCpu(threads), { model: 'AMD EPYC 9575F 64-Core', sockets: 2, cores: 3, threads: 6 });
});

test('parseCpu takes a thread of ARM for a core', () => {
  const arm = ['processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41', 'processor\t: 1\nBogoMIPS\t: 50.00', 'Hardware\t: BCM2835'];
  assert.deepEqual(parseCpu(arm.join('\n\n')), { model: 'unknown', sockets: 1, cores: 2, threads: 2 });
});

test('parseCpu never throws, and tells no control characters', () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      const { model, threads } = parseCpu(`processor\t: 0\nmodel name\t: ${name}\n\n${name}`);
      assert.ok(!/[\u0000-\u001f\u007f]/.test(model) && model.length <= 100 && threads >= 0);
    }),
  );
});

test('readHardware reads graphics cards from their PCI device, and no others', (context) => {
  const card = 'sys/class/drm/card1/device';
  const { root } = systemTree(context, {
    'proc/meminfo': 'MemTotal:       1024 kB\nSwapTotal:      2 kB\n',
    [`${card}/vendor`]: '0x1002\n',
    [`${card}/device`]: '0x75a0\n',
    [`${card}/product_name`]: 'AMD Instinct \u001b[31mMI355X\n',
    [`${card}/mem_info_vram_total`]: '309220868096\n',
    [`${card}/uevent`]: 'DRIVER=amdgpu\nPCI_CLASS=38000\nPCI_SLOT_NAME=0000:c1:00.0\n',
    // No name and no memory of its own.
    'sys/class/drm/card0/device/vendor': '0x10de\n',
    'sys/class/drm/card0/device/device': '0x2330\n',
    'sys/class/drm/card0/device/uevent': 'PCI_SLOT_NAME=0000:01:00.0\n',
    // An output of a card, a render node, and a card that is on no PCI bus.
    'sys/class/drm/card1-DP-1/device/vendor': '0x1002\n',
    'sys/class/drm/renderD128/device/vendor': '0x1002\n',
    'sys/class/drm/card2/device/vendor': '0x1234\n',
    'sys/class/drm/card2/device/uevent': 'DRIVER=vkms\n',
  });
  assert.deepEqual(readHardware(root).gpus, [
    { vendor: 'NVIDIA', model: '0x2330', slot: '0000:01:00.0' },
    { vendor: 'AMD', model: 'AMD Instinct  [31mMI355X', slot: '0000:c1:00.0', memoryBytes: 309_220_868_096, driver: 'amdgpu' },
  ]);
  assert.deepEqual([readHardware(root).memoryBytes, readHardware(root).swapBytes], [1_048_576, 2_048]);
});

test('readHardware of an empty tree tells zeros', (context) => {
  const { root } = systemTree(context, {});
  assert.deepEqual(readHardware(root), {
    hostname: '',
    kernel: '',
    cpu: { model: 'unknown', sockets: 0, cores: 0, threads: 0 },
    memoryBytes: 0,
    swapBytes: 0,
    gpus: [],
  });
});

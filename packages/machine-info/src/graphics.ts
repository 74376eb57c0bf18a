// SPDX-License-Identifier: Apache-2.0
import type { MachineInfoContent } from '@bureau/protocol';
import { GPUS_MAX } from './limits.ts';
import { listSystem, plainLine, readSystemFile, readSystemNumber } from './system-file.ts';

type Gpu = MachineInfoContent['gpus'][number];

/** https://pci-ids.ucw.cz: those whose cards people compute with, and what virtual machines have. */
const VENDORS: Readonly<Record<string, string>> = {
  '0x1002': 'AMD',
  '0x10de': 'NVIDIA',
  '0x8086': 'Intel',
  '0x1a03': 'ASPEED',
  '0x1af4': 'Red Hat (virtio)',
  '0x1234': 'QEMU',
};

/** The graphics cards of `/sys/class/drm`, by slot; empty where there is none. A card without a PCI slot is no card of the machine. */
export function readGraphics(root = ''): Gpu[] {
  const directory = `${root}/sys/class/drm`;
  return listSystem(directory)
    .filter((name) => /^card[0-9]{1,3}$/.test(name))
    .flatMap((name) => readCard(`${directory}/${name}/device`) ?? [])
    .toSorted((a, b) => (a.slot < b.slot ? -1 : 1))
    .slice(0, GPUS_MAX);
}

function readCard(device: string): Gpu | undefined {
  const event = readSystemFile(`${device}/uevent`) ?? '';
  const slot = /^PCI_SLOT_NAME=([0-9a-fA-F:.]{1,32})$/m.exec(event)?.[1];
  const vendor = readSystemFile(`${device}/vendor`)?.trim();
  if (slot === undefined || vendor === undefined) return undefined;
  const driver = /^DRIVER=(\S+)$/m.exec(event)?.[1];
  const memory = readSystemNumber(`${device}/mem_info_vram_total`);
  const product = readSystemFile(`${device}/product_name`)?.trim();
  const model = product === undefined || product === '' ? readSystemFile(`${device}/device`)?.trim() : product;
  return {
    vendor: VENDORS[vendor] ?? plainLine(vendor),
    model: plainLine(model ?? 'unknown'),
    slot,
    ...(memory === undefined ? {} : { memoryBytes: memory }),
    ...(driver === undefined ? {} : { driver: plainLine(driver) }),
  };
}

// SPDX-License-Identifier: Apache-2.0
import type { MachineInfoContent } from '@bureau/protocol';
import { readGraphics } from './graphics.ts';
import { plainLine, readSystemFile } from './system-file.ts';

/** What a machine is made of, as `m.bureau.machine_info` says it, without the build that runs there. */
export type Hardware = Omit<MachineInfoContent, 'v' | 'build'>;

/** Reads it from `/proc` and `/sys`, below `root` (tests bring trees of their own). What cannot be read is 0, empty or left out; never throws. */
export function readHardware(root = ''): Hardware {
  const memory = readSystemFile(`${root}/proc/meminfo`) ?? '';
  return {
    hostname: plainLine(readSystemFile(`${root}/proc/sys/kernel/hostname`) ?? ''),
    kernel: plainLine(readSystemFile(`${root}/proc/sys/kernel/osrelease`) ?? ''),
    cpu: parseCpu(readSystemFile(`${root}/proc/cpuinfo`) ?? ''),
    memoryBytes: memoryField(memory, 'MemTotal'),
    swapBytes: memoryField(memory, 'SwapTotal'),
    gpus: readGraphics(root),
  };
}

/** One field of `/proc/meminfo` in bytes; 0 where it is not. Pure. */
export function memoryField(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s*([0-9]{1,12}) kB$`, 'm').exec(text)?.[1] ?? 0) * 1_024;
}

/** `/proc/cpuinfo`: one block for each thread. Kernels of ARM name neither sockets nor cores, so a thread is a core there. Pure. */
export function parseCpu(text: string): Hardware['cpu'] {
  const blocks = text
    .split(/\n{2,}/)
    .map(fieldsOf)
    .filter((fields) => fields.has('processor'));
  const socketOf = (fields: ReadonlyMap<string, string>): string => fields.get('physical id') ?? '0';
  const cores = new Set(blocks.map((fields) => `${socketOf(fields)} ${fields.get('core id') ?? `thread ${fields.get('processor')}`}`));
  const model = blocks.map((fields) => fields.get('model name') ?? fields.get('Processor') ?? '').find((name) => name !== '');
  return {
    model: plainLine(model ?? 'unknown'),
    sockets: new Set(blocks.map(socketOf)).size,
    cores: cores.size,
    threads: blocks.length,
  };
}

function fieldsOf(block: string): ReadonlyMap<string, string> {
  return new Map(
    block.split('\n').flatMap((line) => {
      const at = line.indexOf(':');
      return at < 0 ? [] : [[line.slice(0, at).trim(), line.slice(at + 1).trim()] as const];
    }),
  );
}

// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const STEP_BYTES = 4 * 1024 * 1024;

/** How often `needle` is in the memory of a process that may be read: all of it, heap, buffers and stacks. Root's right, past `dumpable`. */
export function countInMemory(pid: number, needle: string | Uint8Array): number {
  return countIn(pid, needle, () => true);
}

/** {@link countInMemory}, only where the pages are locked against swap. */
export function countInLockedMemory(pid: number, needle: string | Uint8Array): number {
  const areas = readFileSync(`/proc/${pid}/smaps`, 'latin1').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const locked = new Set(areas.filter((area) => /^VmFlags:.* lo\b/m.test(area)).map((area) => area.slice(0, area.indexOf(' '))));
  return countIn(pid, needle, (range) => locked.has(range));
}

function countIn(pid: number, needle: string | Uint8Array, wants: (range: string) => boolean): number {
  const wanted = Buffer.from(needle as string);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    let count = 0;
    const chunk = Buffer.alloc(STEP_BYTES + wanted.length - 1);
    for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
      const found = /^([0-9a-f]+)-([0-9a-f]+) r\S* \S+ \S+ \S+ *(\S*)/.exec(line);
      if (found === null || /^\[v(var|syscall|dso)/.test(found[3] ?? '')) continue;
      if (!wants(`${found[1]}-${found[2]}`)) continue;
      const [start, end] = [Number.parseInt(found[1] ?? '', 16), Number.parseInt(found[2] ?? '', 16)];
      for (let at = start; at < end; at += STEP_BYTES) count += countInBytes(chunk.subarray(0, readAt(memory, chunk, at, end)), wanted);
    }
    return count;
  } finally {
    closeSync(memory);
  }
}

function readAt(memory: number, chunk: Buffer, at: number, end: number): number {
  try {
    return readSync(memory, chunk, 0, Math.min(chunk.length, end - at), at);
  } catch {
    return 0; // a mapping that nothing stands behind, or that went away meanwhile
  }
}

function countInBytes(bytes: Buffer, wanted: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) count += 1;
  return count;
}

// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';
import { checked } from './system-call-error.ts';

/** On every architecture that we run on (x86_64, arm64). */
const TIOCSWINSZ = 0x5414;
/** `struct winsize`: rows, columns, and two of pixels that nobody reads. */
const SIZE_BYTES = 8;

/** Sets the size of the terminal behind one of its descriptors, in characters; the kernel tells its foreground process group. Throws `system_call_failed`. */
export function setTerminalSize(descriptor: number, { columns, rows }: { readonly columns: number; readonly rows: number }): void {
  const size = Buffer.alloc(SIZE_BYTES);
  size.writeUInt16LE(rows, 0);
  size.writeUInt16LE(columns, 2);
  checked(libc().setWindowSize(descriptor, TIOCSWINSZ, size), 'ioctl', 'set the size of a terminal');
}

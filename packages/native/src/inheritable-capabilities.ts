// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';
import { checked } from './system-call-error.ts';

/** x86_64 differs from every later architecture here. */
const SYS_CAPGET: Readonly<Record<string, number>> = { x64: 125, arm64: 90 };
const SYS_CAPSET: Readonly<Record<string, number>> = { x64: 126, arm64: 91 };
const CAPABILITY_VERSION_3 = 0x2008_0522;
/** Two times (effective, permitted, inheritable), 32 bits each. */
const DATA_BYTES = 24;

/**
 * Empties this thread's inheritable set, so that nothing it starts takes a capability along. Needs no privilege; the other sets stay.
 * The kernel keeps capabilities per thread: call it on the thread that starts others.
 */
export function clearInheritableCapabilities(): void {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(CAPABILITY_VERSION_3, 0);
  const data = Buffer.alloc(DATA_BYTES);
  call(SYS_CAPGET, 'capget', header, data);
  data.writeUInt32LE(0, 8);
  data.writeUInt32LE(0, 20);
  call(SYS_CAPSET, 'capset', header, data);
}

function call(numbers: Readonly<Record<string, number>>, name: string, header: Buffer, data: Buffer): void {
  const number = numbers[process.arch];
  if (number === undefined) throw new Error(`No number of ${name} for ${process.arch}`);
  checked(libc().capabilities(number, header, data), name, 'drop inheritable capabilities');
}

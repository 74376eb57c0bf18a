// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';
import { checked } from './system-call-error.ts';

/** Makes `target` name what `from` names; what `target` named before is closed. The copy of 0, 1 or 2 is passed on to children. */
export function replaceDescriptor(from: number, target: number): void {
  checked(libc().dup3(from, target, 0), 'dup3', `replace descriptor ${target}`, { from, target });
}

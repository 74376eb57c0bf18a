// SPDX-License-Identifier: Apache-2.0
import { closeSync, writeSync } from 'node:fs';
import { BureauError } from '@bureau/core';
import { receiveDescriptors } from '@bureau/native';

/** "Bureau order, version 1": what is not from our own parent is not obeyed by accident. */
const MAGIC = Buffer.from('BRO1');
const NUMBER_BYTES = 4;
/** What a member says when it waits, and when it serves. */
export const READY_BYTE = 'w';

/** What a member of a pool is told: who to be, and the descriptors to work on. Their meaning is between parent and program. */
export interface MemberOrder {
  readonly numbers: readonly number[];
  /** Close-on-exec, the member's own. */
  readonly descriptors: readonly number[];
}

/** The one message of a parent to its member; pure. */
export function encodeOrder(numbers: readonly number[]): Buffer {
  const words = numbers.map((number) => {
    const word = Buffer.alloc(NUMBER_BYTES);
    word.writeUInt32BE(number);
    return word;
  });
  return Buffer.concat([MAGIC, ...words]);
}

/** Says on `reports` that the member serves now (`PoolMember.ready`). A parent that has gone is no error. */
export function sayReady(reports: number): void {
  try {
    writeSync(reports, READY_BYTE);
  } catch {
    // Nobody is left to hear it; whoever comes next connects.
  }
}

/**
 * A member's wait, blocking its thread: says on `reports` that it is warm, then takes exactly `numbers` numbers and `descriptors`
 * descriptors from the socket `instructions`. Null when the parent has gone: the member is to end. Throws `bad_order` for anything else.
 * Fixed bytes, nothing to parse: the member is still root here. Nothing is read beyond them.
 */
export function waitForOrder(instructions: number, reports: number, numbers: number, descriptors: number): MemberOrder | null {
  try {
    writeSync(reports, READY_BYTE);
  } catch {
    return null; // nobody reads: the parent has gone
  }
  const message = receiveDescriptors(instructions, MAGIC.length + numbers * NUMBER_BYTES, descriptors);
  if (message === null) return null;
  if (message.descriptors.length === descriptors && message.bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    const words = Array.from({ length: numbers }, (_, index) => message.bytes.readUInt32BE(MAGIC.length + index * NUMBER_BYTES));
    return { numbers: words, descriptors: message.descriptors };
  }
  for (const descriptor of message.descriptors) closeSync(descriptor);
  throw new BureauError(
    'bad_order',
    `Expected an order with ${numbers} numbers and ${descriptors} descriptors, found ${message.descriptors.length} descriptors or other bytes. Parent and member must be of one build`,
  );
}

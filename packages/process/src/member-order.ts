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

/** The message of a parent to its member; pure. */
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
 * A member's wait, blocking its thread: says on `reports` that it is warm, then takes an order as {@link takeOrder} does. Null when the
 * parent has gone: the member is to end. The member is still root here.
 */
export function waitForOrder(instructions: number, reports: number, numbers: number, descriptors: DescriptorCount): MemberOrder | null {
  try {
    writeSync(reports, READY_BYTE);
  } catch {
    return null; // nobody reads: the parent has gone
  }
  return takeOrder(instructions, numbers, descriptors);
}

/** How many descriptors an order has. */
export type DescriptorCount = number | { readonly least: number; readonly most: number };

/**
 * Takes exactly `numbers` numbers and as many descriptors as are said from the socket `instructions`, blocking the thread. Null when the parent has
 * gone. Throws `bad_order` for anything else. Fixed bytes, nothing to parse; nothing is read beyond them.
 */
export function takeOrder(instructions: number, numbers: number, descriptors: DescriptorCount): MemberOrder | null {
  const { least, most } = typeof descriptors === 'number' ? { least: descriptors, most: descriptors } : descriptors;
  const message = receiveDescriptors(instructions, MAGIC.length + numbers * NUMBER_BYTES, most);
  if (message === null) return null;
  if (message.descriptors.length >= least && message.bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    const words = Array.from({ length: numbers }, (_, index) => message.bytes.readUInt32BE(MAGIC.length + index * NUMBER_BYTES));
    return { numbers: words, descriptors: message.descriptors };
  }
  for (const descriptor of message.descriptors) closeSync(descriptor);
  throw new BureauError(
    'bad_order',
    `Expected an order with ${numbers} numbers and ${least === most ? most : `${least} to ${most}`} descriptors, found ${message.descriptors.length} descriptors or other bytes. Parent and member must be of one build`,
  );
}

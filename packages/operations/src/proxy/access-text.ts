// SPDX-License-Identifier: Apache-2.0
import type { AccessLine } from '@bureau/protocol';
import { printable } from '../matrix/printable.ts';

/** One request on one line for a person; nothing in it drives a terminal. */
export function accessText(line: AccessLine): string {
  const time = printable(line.time);
  if (!('status' in line)) return `${time}  ${line.lost} lines could not be written here`;
  const where = line.target ?? line.path;
  const address = line.address === undefined ? '' : ` (${line.address})`;
  const why = [line.code, line.rule, line.cause].filter((part) => part !== undefined).join(' ');
  const who = line.operator === true ? ' by a person' : '';
  const parts = [time, line.status, line.method.padEnd(7), line.service.padEnd(10), `${where}${address}`];
  const cost = `${line.ms} ms, ${line.bytes_in} in, ${line.bytes_out} out`;
  return printable(`${parts.join('  ')}  ${cost}${why === '' ? '' : `  ${why}`}${who}`);
}

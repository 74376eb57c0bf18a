// SPDX-License-Identifier: Apache-2.0
import type { Measure } from '../../../build/bench/measure.ts';
import { contest } from './contest.ts';

/** One-way messages a second that are enough, however fast msgpackr is. */
const ENOUGH_MESSAGES = 100_000;

function fastEnough(ours: number, baseline: number): boolean {
  return ours >= Math.min(ENOUGH_MESSAGES, 0.7 * baseline);
}

/** `@bureau/ipc` beside what it is made of. Client and server are processes of their own. */
export const measures: readonly Measure[] = [
  {
    name: 'ipc: small request and response, p50 (µs); bare node:net echo',
    target: '<= 1.5x',
    rounds: 31,
    prepare: () => contest({ kind: 'ipc-small', server: 'ipc' }, { kind: 'net', server: 'net' }, 'one-cpu'),
    holds: (ours, baseline) => ours <= 1.5 * baseline,
  },
  {
    name: 'ipc: one-way 600-byte terminal chunks (1/s); msgpackr pack+unpack alone',
    target: '>= 100,000/s or 0.7x',
    rounds: 11,
    prepare: () => contest({ kind: 'ipc-output', server: 'ipc' }, { kind: 'msgpackr-output' }, 'any-cpu'),
    holds: fastEnough,
  },
  {
    name: 'ipc: one-way 600-byte text records (1/s); msgpackr pack+unpack alone',
    target: '>= 100,000/s or 0.7x',
    rounds: 11,
    prepare: () => contest({ kind: 'ipc-records', server: 'ipc' }, { kind: 'msgpackr-records' }, 'any-cpu'),
    holds: fastEnough,
  },
  {
    name: 'ipc: 100 small calls at once (1/s); node:net echo of 100 writes',
    target: '',
    rounds: 7,
    prepare: () => contest({ kind: 'ipc-pipelined', server: 'ipc' }, { kind: 'net-pipelined', server: 'net' }, 'any-cpu'),
    holds: () => true,
  },
];

// SPDX-License-Identifier: Apache-2.0
import * as net from '@bureau/ipc';
import { bytes, call, integer, stream } from '@bureau/protocol';
import * as v from 'valibot';

/** What is compared: the same RPC on two ways of making connections. */
export type EngineName = 'node:net' | 'node-ipc';

/** What a round does. */
export type Work = 'small' | 'together' | 'output' | 'connect';

/** Loads an engine; the other one is not in the process. */
export async function loadEngine(name: EngineName): Promise<Pick<typeof net, 'connect' | 'serve'>> {
  return name === 'node:net' ? net : import('../src/index.ts');
}

export const contract = {
  name: 'bench',
  methods: {
    small: call(v.strictObject({ number: integer(0, 2 ** 31) }), v.strictObject({ pid: integer(0, 2 ** 31) })),
    output: stream(v.strictObject({ count: integer(0, 2 ** 31) }), bytes(65_536), v.strictObject({})),
  },
} as const;

/** A chunk of terminal output. */
export const sample = Buffer.alloc(580, 'terminal output ');

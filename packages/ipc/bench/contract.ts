// SPDX-License-Identifier: Apache-2.0
import { bytes, call, integer, stream, text } from '@bureau/protocol';
import * as v from 'valibot';

const record = v.strictObject({
  sequence: integer(0, Number.MAX_SAFE_INTEGER),
  at: integer(0, Number.MAX_SAFE_INTEGER),
  level: v.picklist(['debug', 'info', 'warn', 'error']),
  principal: text(80),
  message: text(2_000),
});
const output = v.strictObject({ type: v.literal('output'), from: v.picklist(['output', 'error']), data: bytes(65_536) });

/** What the benchmark calls. */
export const benchContract = {
  name: 'bench',
  methods: {
    small: call(v.strictObject({ number: integer(0, 2 ** 31) }), v.strictObject({ pid: integer(0, 2 ** 31) })),
    records: stream(v.strictObject({ count: integer(0, 2 ** 31) }), record, v.strictObject({})),
    output: stream(v.strictObject({ count: integer(0, 2 ** 31) }), output, v.strictObject({})),
  },
} as const;

/** A log record of 600 bytes in msgpack. */
export const sampleRecord = {
  sequence: 123_456,
  at: 1_790_000_000_000,
  level: 'info' as const,
  principal: 'iree/amdgpu/pm',
  message: 'The quick brown fox jumps over the lazy dog. '.repeat(12).slice(0, 524),
};

/** A chunk of terminal output of 600 bytes in msgpack. */
export const sampleOutput = { type: 'output' as const, from: 'output' as const, data: Buffer.alloc(566, 'terminal output ') };

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { call, stream } from '@bureau/protocol';
import * as v from 'valibot';
import { connect, serve } from './index.ts';
import { machineClock as clock } from './testing-clock.ts';

test('serve and connect: call, stream, error', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ipc-'));
  const contract = {
    name: 'demo',
    methods: {
      add: call(v.strictObject({ a: v.number(), b: v.number() }), v.strictObject({ sum: v.number() })),
      count: stream(v.strictObject({ to: v.number() }), v.number(), v.strictObject({ done: v.boolean() })),
    },
  } as const;
  const path = join(dir, 's.sock');
  await using server = await serve({
    path, contract, role: 'test', build: 'b1', allowUids: [0], clock,
    handlers: {
      add: ({ a, b }) => ({ sum: a + b }),
      async *count({ to }) { for (let i = 0; i < to; i += 1) yield i; return { done: true }; },
    },
  });
  using client = await connect({ path, contract, role: 'tester', build: 'b2', clock, expectUid: 0 });
  assert.deepEqual(await client.call('add', { a: 1, b: 2 }), { sum: 3 });
  const got: number[] = [];
  const s = client.stream('count', { to: 1000 });
  for await (const n of s) got.push(n);
  assert.equal(got.length, 1000);
  assert.deepEqual(await s.result, { done: true });
  await assert.rejects(client.call('add', { a: 'x' as never, b: 2 }), { code: 'invalid_input', message: /field "a"/ });
  assert.equal(server.connections, 1);
  rmSync(dir, { recursive: true });
});

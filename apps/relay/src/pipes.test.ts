// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { RelayFixture, within } from './testing/relay-fixture.ts';
import { buildRelayProgram, type RelayProgram } from '@bureau/observe/testing';

let program: RelayProgram;
before(async () => {
  program = await buildRelayProgram();
});
after(() => program[Symbol.dispose]());

const shell = (script: string): string[] => ['sh', '-c', script];
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('relay keeps output and errors apart without a terminal, byte for byte', async () => {
  await using relay = new RelayFixture(
    program,
    shell('printf "a\\0b\\377"; printf "oops" >&2; echo by-name >/dev/stderr; test -t 0 || printf no-tty'),
    { holdForObserver: true },
  );
  await relay.go();
  const view = await relay.attach('control');
  assert.equal((await view.all()).code, 0);
  assert.equal(view.bytes('output').toString('latin1'), 'a\0b\xffno-tty');
  assert.equal(view.bytes('error').toString(), 'oopsby-name\n');
  assert.ok(!view.chunks.some((chunk) => chunk.type === 'size'));
});

test('relay passes a large input whole, and its end', async () => {
  await using relay = new RelayFixture(program, ['sha256sum'], { holdForObserver: true });
  await relay.go();
  const view = await relay.attach('control');
  const data = Buffer.alloc(3_000_000, 'payload input ');
  for (let start = 0; start < data.length; start += 60_000) await view.client.call('input', { data: data.subarray(start, start + 60_000) });
  await view.client.call('input', { data: Buffer.alloc(0), end: true });
  assert.equal((await view.all()).code, 0);
  assert.equal(view.text, `${sha256(data)}  -\n`);
});

test('relay refuses input after its end', async () => {
  await using relay = new RelayFixture(program, shell('cat; echo ended; sleep 1000'));
  await relay.running();
  const view = await relay.attach('observe');
  await view.type('x', true);
  await view.until(/xended/);
  await assert.rejects(view.type('y'), { code: 'input_closed' });
});

for (const terminal of [true, false]) {
  test(`relay makes writers wait for a payload that does not read, bounds what waits, and serves others meanwhile, ${terminal ? 'with' : 'without'} a terminal`, async () => {
    await using relay = new RelayFixture(program, shell(`${terminal ? 'stty raw -echo;' : ''} echo ready; while :; do sleep 1; done`), {
      terminal,
    });
    await relay.running();
    const view = await relay.attach('observe');
    await view.until(/ready/);
    const cancel = new AbortController();
    const data = Buffer.alloc(64 * 1024, 'x');
    // A pipe and Node's own buffer take the first; then the writers stand still, and beyond 1 MiB they are refused.
    const writes = Array.from({ length: 24 }, () =>
      view.client.call('input', { data }, { signal: cancel.signal }).then(
        () => 'taken',
        (error: { code: string }) => error.code,
      ),
    );
    const refused = await Promise.race(writes.slice(-1));
    assert.equal(refused, 'too_busy');
    assert.equal((await view.client.call('status', {})).state, 'running');
    assert.ok((await view.client.call('status', {}, { deadlineMilliseconds: 2_000 })).pid !== null);
    cancel.abort();
    const results = await within(Promise.all(writes), 'all writes');
    assert.ok(results.filter((result) => result === 'cancelled').length >= 12, results.join());
    assert.deepEqual(await view.client.call('stop', { graceMilliseconds: 0 }), { code: 137, signal: null, reason: 'stopped' });
  });
}

test('relay loses nothing of 50 MB through a control observer, without a terminal', async () => {
  await using relay = new RelayFixture(
    program,
    shell('head -c 52428800 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null; printf END'),
    { holdForObserver: true },
  );
  await relay.go();
  const view = await relay.attach('control');
  assert.equal((await view.all()).code, 0);
  const { createCipheriv } = await import('node:crypto');
  const expected = Buffer.concat([
    createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(52_428_800)),
    Buffer.from('END'),
  ]);
  const bytes = view.bytes();
  assert.equal(bytes.length, expected.length);
  assert.equal(sha256(bytes), sha256(expected));
  // The log keeps the newest 4 to 8 MiB of it.
  assert.ok(relay.output.length >= 4 * 1024 * 1024 && relay.output.length <= 8 * 1024 * 1024, String(relay.output.length));
  assert.ok(relay.output.equals(bytes.subarray(bytes.length - relay.output.length)));
});

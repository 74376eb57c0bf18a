// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync } from 'node:fs';
import { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { sendDescriptors } from './index.ts';

const RECEIVER = `
import { readSync, fstatSync } from 'node:fs';
import { receiveDescriptors } from ${JSON.stringify(import.meta.resolve('./index.ts'))};
const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
try {
  for (;;) {
    const found = receiveDescriptors(3, 2, 2);
    if (found === null) break;
    const first = found.descriptors.map((descriptor) => { const b = Buffer.alloc(5); readSync(descriptor, b, 0, 5, 0); return b.toString(); });
    say([found.bytes.toString(), first]);
  }
  say('end');
} catch (error) {
  say(error.code);
}
say((await import('node:fs')).readdirSync('/proc/self/fd').length);
`;

/** A child that takes descriptors of two bytes, at most two at a time, and says what came. */
function receiver(): { send: (bytes: string, descriptors: readonly number[]) => void; end: () => Promise<unknown[]> } {
  const child = spawn(process.execPath, ['--input-type=module', '-e', RECEIVER], { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] });
  const socket = child.stdio[3] as Socket;
  const said = text(child.stdout!);
  return {
    send: (bytes, descriptors) => sendDescriptors(socket, Buffer.from(bytes), descriptors),
    end: async () => {
      const exited = once(child, 'exit');
      socket.end();
      const all = await said;
      await exited;
      socket.destroy();
      return all
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
    },
  };
}

test('sendDescriptors() and receiveDescriptors() carry open files in order, close-on-exec, to the end of the socket', async () => {
  const [passwd, status] = [openSync('/etc/passwd', 'r'), openSync('/proc/self/status', 'r')];
  const before = readdirSync('/proc/self/fd').length;
  const child = receiver();
  child.send('ab', [passwd, status]);
  child.send('cd', [status]);
  const said = await child.end();
  assert.deepEqual(said.slice(0, 3), [['ab', ['root:', 'Name:']], ['cd', ['Name:']], 'end']);
  assert.equal(readdirSync('/proc/self/fd').length, before);
  closeSync(passwd);
  closeSync(status);
});

test('receiveDescriptors() with more descriptors or fewer bytes than expected keeps none of them', async () => {
  const file = openSync('/etc/passwd', 'r');
  const none = receiver();
  const [, base] = (await none.end()) as [string, number];
  for (const attempt of [
    (child: ReturnType<typeof receiver>) => child.send('ab', [file, file, file, file]),
    (child: ReturnType<typeof receiver>) => child.send('a', [file]),
  ]) {
    const child = receiver();
    attempt(child);
    assert.deepEqual(await child.end(), ['descriptors_lost', base]);
  }
  closeSync(file);
});

test('sendDescriptors() refuses an empty message, a count that the kernel would refuse, and a closed socket', () => {
  const socket = new Socket();
  assert.throws(() => sendDescriptors(socket, Buffer.from('a'), []), { code: 'bad_descriptor_count' });
  assert.throws(
    () =>
      sendDescriptors(
        socket,
        Buffer.from('a'),
        Array.from({ length: 254 }, () => 0),
      ),
    { code: 'bad_descriptor_count' },
  );
  assert.throws(() => sendDescriptors(socket, Buffer.alloc(0), [0]), { code: 'empty_message' });
  assert.throws(() => sendDescriptors(socket, Buffer.from('a'), [0]), { code: 'peer_unknown' });
});

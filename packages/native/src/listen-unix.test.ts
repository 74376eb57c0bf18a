// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, test } from 'node:test';
import { closeOnExecFrom, listenUnix, peerCredentials } from './index.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync('/tmp/native-');
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** What the server at `path` says to a new connection. */
function ask(path: string): Promise<string> {
  return text(connect(path));
}

async function serve(fd: number, answer: string): Promise<AsyncDisposable> {
  const server = createServer((socket) => socket.end(answer)).listen({ fd });
  await once(server, 'listening');
  return {
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

/** Open flags in octal, as the kernel shows them. */
function flagsOf(fd: number): string {
  return /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '';
}

/** This process's open descriptors, without the one that lists them. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd').filter((name) => lstatSync(`/proc/self/fd/${name}`, { throwIfNoEntry: false }) !== undefined);
}

/** Serves descriptor 3 until stdin ends. */
const SERVE_INHERITED = `
  const server = require('node:net').createServer((socket) => socket.on('error', () => {}).end('from ' + process.pid)).listen({ fd: 3 }, () => process.stdout.write('x'));
  process.stdin.resume().on('end', () => process.exit(0));`;

test('listenUnix() gives a descriptor that another process serves when it inherits it', async () => {
  const path = `${directory}/s.sock`;
  const fd = listenUnix(path, { mode: 0o666 });
  closeOnExecFrom(3);
  const child = spawn(process.execPath, ['-e', SERVE_INHERITED], { stdio: ['pipe', 'pipe', 'inherit', fd] });
  closeSync(fd);
  assert.ok(child.stdin !== null && child.stdout !== null);
  const early = ask(path); // before the child serves: waits in the queue, is not refused
  assert.equal(await early, `from ${child.pid}`);
  await once(child.stdout, 'data');
  const client = connect(path);
  await once(client, 'connect');
  assert.equal(peerCredentials(client).pid, child.pid, 'the peer is whoever called listen last, not who bound the socket');
  client.destroy();
  child.stdin.end();
  await once(child, 'exit');
  await assert.rejects(ask(path), { code: 'ECONNREFUSED' });
});

test('listenUnix() replaces a live listener atomically: the old one keeps its queue, new connections reach the new one', async () => {
  const path = `${directory}/s.sock`;
  const oldDescriptor = listenUnix(path, { mode: 0o600 });
  const queued = ask(path);
  await using _ = await serve(listenUnix(path, { mode: 0o600 }), 'new');
  assert.equal(await ask(path), 'new');
  await using _old = await serve(oldDescriptor, 'old');
  assert.equal(await queued, 'old');
  assert.equal(await ask(path), 'new');
  assert.deepEqual(readdirSync(directory), ['s.sock']);
});

test('listenUnix() replaces the path in one step: it is never missing in between', async () => {
  const path = `${directory}/s.sock`;
  const first = listenUnix(path, { mode: 0o600 });
  const watcher = watch(directory);
  const events: string[] = [];
  const done = new Promise<void>((resolve) => {
    watcher.on('change', (kind, name) => {
      if (kind === 'rename' && name === 's.sock') events.push(name);
      if (name === 'done') resolve();
    });
  });
  const second = listenUnix(path, { mode: 0o600 });
  writeFileSync(`${directory}/done`, '');
  await done;
  watcher.close();
  assert.deepEqual(events, ['s.sock'], 'the kernel reported one arrival at that name and no departure');
  for (const fd of [first, second]) closeSync(fd);
});

test('listenUnix() replaces the socket file of a dead listener', async () => {
  const path = `${directory}/s.sock`;
  closeSync(listenUnix(path, { mode: 0o600 }));
  await assert.rejects(ask(path), { code: 'ECONNREFUSED' });
  await using _ = await serve(listenUnix(path, { mode: 0o600 }), 'alive');
  assert.equal(await ask(path), 'alive');
});

test('listenUnix() sets exactly the mode, whatever the umask', () => {
  const before = process.umask(0o077);
  try {
    const path = `${directory}/s.sock`;
    for (const mode of [0o666, 0o600, 0o660]) {
      closeSync(listenUnix(path, { mode }));
      assert.equal(lstatSync(path).mode & 0o7777, mode);
    }
  } finally {
    process.umask(before);
  }
});

test('listenUnix() refuses a directory, a file or a symlink in the way and leaves it alone', () => {
  mkdirSync(`${directory}/d.sock`);
  writeFileSync(`${directory}/f.sock`, 'kept');
  symlinkSync('/etc/passwd', `${directory}/l.sock`);
  const before = descriptors();
  for (const name of ['d.sock', 'f.sock', 'l.sock'])
    assert.throws(() => listenUnix(`${directory}/${name}`, { mode: 0o666 }), { code: 'socket_path_taken' });
  assert.deepEqual(readdirSync(directory).sort(), ['d.sock', 'f.sock', 'l.sock']);
  assert.deepEqual(descriptors(), before);
});

test('listenUnix() takes 107 bytes and refuses 108 with the limit in the message', async () => {
  const longest = `${directory}/${'s'.repeat(107 - directory.length - 1)}`;
  await using _ = await serve(listenUnix(longest, { mode: 0o666 }), 'long');
  assert.equal(await ask(longest), 'long');
  const before = descriptors();
  assert.throws(() => listenUnix(`${longest}s`, { mode: 0o666 }), { code: 'socket_path_too_long', message: /107/ });
  assert.throws(
    () => listenUnix(`${longest.slice(0, -1)}é`, { mode: 0o666 }),
    { code: 'socket_path_too_long' },
    'bytes count, not characters',
  );
  assert.throws(() => listenUnix('', { mode: 0o666 }), { code: 'socket_path_too_long' });
  assert.deepEqual(descriptors(), before);
});

test('listenUnix() in a missing directory names errno and the path, and keeps no descriptor', () => {
  const before = descriptors();
  const path = `${directory}/none/s.sock`;
  assert.throws(() => listenUnix(path, { mode: 0o666 }), { code: 'system_call_failed', data: { call: 'bind', errno: 'ENOENT', path } });
  assert.deepEqual(descriptors(), before);
});

test('listenUnix() gives a close-on-exec, non-blocking stream socket', () => {
  const path = `${directory}/s.sock`;
  const fd = listenUnix(path, { mode: 0o666 });
  assert.ok(fstatSync(fd).isSocket());
  assert.ok(existsSync(path));
  assert.match(flagsOf(fd), /^0*2004002$/); // O_RDWR, O_NONBLOCK, O_CLOEXEC
  closeSync(fd);
});

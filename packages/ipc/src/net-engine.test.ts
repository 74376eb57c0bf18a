// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { listenUnix } from '@bureau/native';
import { Packr } from 'msgpackr/pack';
import { suiteContract, startStand } from './compliance-stand.ts';
import { ipcCompliance } from './compliance.ts';
import { connect, serve } from './index.ts';
import { machineClock } from './testing-clock.ts';

ipcCompliance('node:net', { serve, connect });

/** Connects as another user, prints what it reads in hexadecimal until the server ends it. */
const STRANGER = `
import socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect(sys.argv[1])
try:
    s.sendall(bytes.fromhex(sys.argv[2]))
except BrokenPipeError:
    pass
data = b''
while True:
    try:
        piece = s.recv(65536)
    except ConnectionResetError:
        break
    if not piece: break
    data += piece
print(data.hex())
`;
const NOBODY = 65_534;

test('serve refuses a peer of a uid that is not allowed, by SO_PEERCRED', { timeout: 20_000 }, async () => {
  await using stand = await startStand({ serve, connect }, { allowUids: [0] });
  chmodSync(stand.directory, 0o755);
  chmodSync(stand.path, 0o666);
  const answerTo = async (uid: number): Promise<{ readonly type: string; readonly code?: string }> => {
    const hello = framed({ type: 'hello', protocol: 2, build: '', role: 'stranger' });
    const child = spawn(
      '/usr/bin/setpriv',
      ['--reuid', String(uid), '--regid', String(uid), '--clear-groups', '/usr/bin/python3', '-c', STRANGER, stand.path, hello],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
    const [code] = await once(child, 'close');
    assert.equal(code, 0);
    const bytes = Buffer.from(printed.trim(), 'hex');
    return new Packr({ useRecords: false }).unpack(bytes.subarray(4, 4 + bytes.readUInt32BE(0)));
  };
  const refused = await answerTo(NOBODY);
  assert.deepEqual([refused.type, refused.code], ['fault', 'peer_refused']);
  // The same program as an allowed user gets as far as hello: it is the uid that was refused.
  assert.equal((await answerTo(0)).type, 'hello');
  assert.ok(stand.witness.logged.some(({ message }) => message.includes('uid that is not allowed')));
});

function framed(value: unknown): string {
  const body = new Packr({ useRecords: false }).pack(value);
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(body.length);
  return Buffer.concat([prefix, body]).toString('hex');
}

test('serve refuses a peer that it cannot identify, and asks the function about the others', async () => {
  await using closed = await startStand(
    { serve, connect },
    {
      peerOf: () => {
        throw new Error('no such socket');
      },
    },
  );
  await assert.rejects(closed.client(), { code: 'peer_refused' });
  await using odd = await startStand(
    { serve, connect },
    { peerOf: () => ({ pid: 1, uid: 7, gid: 7 }), allowUids: (peer) => peer.uid === 8 },
  );
  await assert.rejects(odd.client(), { code: 'peer_refused', message: /does not serve uid 7/ });
});

test('serve takes over an inherited listening descriptor', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-ipc-'));
  const path = join(directory, 'fd.sock');
  {
    const fd = listenUnix(path, { mode: 0o666 });
    await using _server = await serve({ ...minimal, fd });
    using client = await connect({
      path,
      contract: minimal.contract,
      role: 'client',
      build: 'b',
      clock: machineClock,
      expectUid: process.getuid?.() ?? 0,
    });
    assert.deepEqual(await client.call('add', { a: 1, b: 1 }), { sum: 2 });
  }
  await assert.rejects(connect({ path, contract: minimal.contract, role: 'client', build: 'b', clock: machineClock }), {
    code: 'connection_refused',
    message: /ECONNREFUSED/,
  });
  rmSync(directory, { recursive: true });
});

const minimal = {
  contract: { name: 'minimal', methods: { add: suiteContract.methods.add } },
  handlers: { add: ({ a, b }: { readonly a: number; readonly b: number }) => ({ sum: a + b }) },
  role: 'server',
  build: 'b',
  allowUids: [process.getuid?.() ?? 0],
  clock: machineClock,
} as const;

test('serve rejects when the path is taken, and when neither path nor descriptor is given', async () => {
  await using stand = await startStand({ serve, connect });
  await assert.rejects(serve({ ...minimal, path: stand.path }), { code: 'EADDRINUSE' });
  await assert.rejects(serve(minimal), TypeError);
});

test('call and stream give "connection_lost" when the server is killed in the middle', { timeout: 20_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-ipc-'));
  const path = join(directory, 'killed.sock');
  const child = fork(join(import.meta.dirname, 'testing-server.main.ts'), [path], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  try {
    await once(child, 'message');
    const client = await connect({ path, contract: suiteContract, role: 'client', build: 'b', clock: machineClock });
    const held = client.call('hold', { key: 'k' });
    const watch = client.stream('watch', {})[Symbol.asyncIterator]();
    await watch.next();
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await assert.rejects(held, { code: 'connection_lost' });
    await assert.rejects(watch.next(), { code: 'connection_lost' });
    await client.closed;
    await gone;
    await assert.rejects(connect({ path, contract: suiteContract, role: 'client', build: 'b', clock: machineClock }), {
      code: 'connection_refused',
    });
  } finally {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true });
  }
});

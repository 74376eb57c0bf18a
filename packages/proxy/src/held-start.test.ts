// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, openSync, closeSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from '@bureau/ipc';
import { createLogger } from '@bureau/log';
import { listenUnix } from '@bureau/native';
import { systemClock } from '@bureau/process';
import { proxyContract } from '@bureau/protocol';
import { startProxy } from './proxy.ts';
import { HandClock } from './testing/hand-clock.ts';
import { PRINCIPAL, bundle } from './testing/proxy-fixture.ts';

const HOLD = 10_000;

/** A proxy without keys behind listeners that somebody else bound, and one request that is on its way to it. */
async function heldProxy(
  run: (held: { clock: HandClock; socket: string; admin: string; answer: Promise<string> }) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-held-'));
  const [socket, admin] = [join(directory, 'proxy.sock'), join(directory, 'admin.sock')];
  const [agent, launcher] = [listenUnix(socket, { mode: 0o666 }), listenUnix(admin, { mode: 0o666 })];
  const early = ask(socket, '/v1/matrix/rooms/!room:test.local/state');
  const clock = new HandClock();
  const log = openSync(join(directory, 'log'), 'a');
  const logger = createLogger({ name: 'held', destination: log });
  try {
    await using _proxy = await startProxy({
      agent: { fd: agent },
      admin: { fd: launcher },
      payloadUid: 0,
      build: 'b',
      clock,
      logger,
      holdMilliseconds: HOLD,
    });
    await run({ clock, socket, admin, answer: early });
  } finally {
    closeSync(log);
    rmSync(directory, { recursive: true });
  }
}

function ask(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve) => {
    request({ socketPath, path, headers: { host: 'bureau' } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.once('end', () => resolve(`${response.statusCode} ${text}`));
    })
      .once('error', (error) => resolve(`error ${error.message}`))
      .end();
  });
}

test('a proxy with a hold answers nobody before it has keys and denials, and then who came first under both', async () => {
  await heldProxy(async ({ admin, answer, clock }) => {
    let answered = false;
    void answer.then(() => (answered = true));
    using client = await connect({ path: admin, contract: proxyContract, role: 'launcher', build: 'b', clock: systemClock });
    const authorization = { grants: [], denials: [{ actions: ['**'] }] };
    await client.call('authorize', { principal: PRINCIPAL as never, authorization: authorization as never });
    clock.advance(HOLD - 1);
    assert.equal((await client.call('status', {})).requests, 0, 'nothing was read from it');
    assert.equal(answered, false);
    const { header, secrets } = bundle('http://127.0.0.1:1');
    await client.call('configure', { principal: PRINCIPAL as never, header, secrets });
    assert.match(await answer, /^403 /, 'the denial stood before the first answer');
  });
});

test('a proxy whose hold is over says that it has no keys', async () => {
  await heldProxy(async ({ answer, clock }) => {
    clock.advance(HOLD);
    assert.match(await answer, /^503 .*not_configured/);
  });
});

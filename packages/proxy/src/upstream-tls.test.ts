// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ProxyFixture } from './testing/proxy-fixture.ts';

/** A key and a certificate for localhost that nobody signed but itself. */
function selfSigned(): { key: Buffer; cert: Buffer } {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-proxy-tls-'));
  const [key, cert] = [join(directory, 'key'), join(directory, 'cert')];
  try {
    const args = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost',
      '-keyout',
      key,
      '-out',
      cert,
    ];
    execFileSync('/usr/bin/openssl', args, { stdio: 'ignore' });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('an upstream whose certificate nobody vouches for gets no request, whatever the environment says', async () => {
  const { key, cert } = selfSigned();
  let requests = 0;
  const server = createServer({ key, cert }, (_request, response) => {
    requests += 1;
    response.end('{"event_id":"$e"}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  try {
    await using fixture = await ProxyFixture.start({ bundle: { url: `https://localhost:${port}` } });
    const answer = await fixture.send('!room:test.local', { body: 'x' });
    assert.deepEqual([answer.status, answer.json['code'], requests], [502, 'upstream_untrusted', 0], answer.text);
    const direct = request({ host: '127.0.0.1', servername: 'localhost', port, ca: cert }).end();
    const [response] = await once(direct, 'response');
    (response as import('node:http').IncomingMessage).resume();
    assert.equal(requests, 1, 'the control: who knows the certificate is served');
  } finally {
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    server.closeAllConnections();
    server.close();
  }
});

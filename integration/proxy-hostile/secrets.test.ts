// SPDX-License-Identifier: Apache-2.0
// Test 24: after every kind of injection, error, redirect, reflection and rotation, and a crash, no key is in anything that was said,
// written, or can be read of the process; root finds it in its memory, so it was there to be found.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { RealProxy, TOKEN } from '@bureau/testkit/proxy';
import { runCommand, until } from '@bureau/testkit';
import { countInMemory } from '../credentials/memory.testing.ts';
import { exchange, oneRequest, statuses } from './raw-client.testing.ts';
import { Recorder } from './recorder.testing.ts';

const CRLF = '\r\n';
/** With characters that a query must escape; none is a part of another. */
const SECRETS: Readonly<Record<string, string>> = {
  API_KEY: 'sk-live/aaaa+1111=zzzz-canary-one',
  ROTATED: 'sk-live/bbbb+2222=yyyy-canary-two',
  AWS_ID: 'AKIACANARY0THREE0001',
  AWS_KEY: 'aws/cccc+3333=xxxx-canary-three',
  AWS_SESSION: 'awssession/dddd+4444=canary-four',
  CLIENT_SECRET: 'oauth/eeee+5555=wwww-canary-five',
  MINTED: 'minted-token-ffff-6666-canary-six',
};
const WAIT_MILLISECONDS = 60_000;

let upstream: Recorder;
let proxy: RealProxy;
/** Everything that anyone was answered. */
let said = '';
/** What the upstream does with a path. */
const BEHAVIOURS: Readonly<Record<string, (head: string) => string>> = {
  fine: () => `HTTP/1.1 200 OK${CRLF}Content-Length: 2${CRLF}${CRLF}ok`,
  failing: () => `HTTP/1.1 500 No${CRLF}Content-Length: 2${CRLF}${CRLF}no`,
  unauthorized: () => `HTTP/1.1 401 No${CRLF}Content-Length: 0${CRLF}${CRLF}`,
  reflecting: (head) =>
    `HTTP/1.1 200 OK${CRLF}${head
      .trimEnd()
      .split(CRLF)
      .map((line, at) => `X-Echo-${at}: ${line}`)
      .join(CRLF)}${CRLF}Content-Length: 0${CRLF}${CRLF}`,
  echoing: (head) => `HTTP/1.1 200 OK${CRLF}Content-Length: ${head.length}${CRLF}${CRLF}${head}`,
  redirecting: (head) =>
    `HTTP/1.1 302 Found${CRLF}Location: http://elsewhere.invalid${/ (\S+) HTTP/.exec(head)?.[1] ?? ''}${CRLF}Content-Length: 0${CRLF}${CRLF}`,
  broken: (head) => `HTTP/1.1 ${head}${CRLF}${CRLF}`,
  'status-line': (head) => `HTTP/1.1 200 ${head.replaceAll(/[\r\n]+/g, ' ')}${CRLF}Content-Length: 0${CRLF}${CRLF}`,
  resetting: () => '',
};

before(async () => {
  upstream = await Recorder.start();
  upstream.answer = ({ head, body, socket }) => {
    if (head.startsWith('POST /token')) {
      const token = JSON.stringify({ access_token: SECRETS['MINTED'], token_type: 'Bearer', expires_in: 3600 });
      if (head.includes('/token-refused')) socket.write(`HTTP/1.1 400 No${CRLF}Content-Length: ${body.length}${CRLF}${CRLF}${body}`);
      else socket.write(`HTTP/1.1 200 OK${CRLF}Content-Length: ${token.length}${CRLF}${CRLF}${token}`);
      return;
    }
    const behaviour = BEHAVIOURS[/^\S+ \/([a-z-]+)/.exec(head)?.[1] ?? ''];
    const answer = behaviour?.(head) ?? BEHAVIOURS['fine']?.(head) ?? '';
    if (answer === '') socket.resetAndDestroy();
    else socket.write(Buffer.from(answer, 'latin1'));
  };
  proxy = await RealProxy.start();
});
after(async () => {
  await proxy[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

function services(key: string): { readonly upstreams: Record<string, unknown>; readonly secrets: Record<string, string> } {
  const { url } = upstream;
  const secret = 'API_KEY';
  const plain = {
    header: { header: 'X-Api-Key' },
    bearer: { header: 'Authorization', prefix: 'Bearer ' },
    query: { query: 'key' },
    cookie: { cookie: 's' },
    basic: { basic: 'user' },
  };
  const upstreams: Record<string, unknown> = Object.fromEntries(
    Object.entries(plain).map(([name, one]) => [name, { url, inject: [{ secret, ...one }] }]),
  );
  const sigv4 = {
    kind: 'sigv4',
    region: 'us-east-1',
    service: 'test',
    access_key: 'AWS_ID',
    secret_key: 'AWS_KEY',
    session_token: 'AWS_SESSION',
  };
  const oauth2 = { kind: 'oauth2', grant: 'client_credentials', client_id: 'client', client_secret: 'CLIENT_SECRET', client_auth: 'form' };
  upstreams['aws'] = { url, inject: [], auth: sigv4 };
  upstreams['oauth'] = { url, inject: [], auth: { ...oauth2, token_url: `${url}/token` } };
  upstreams['refused'] = { url, inject: [], auth: { ...oauth2, token_url: `${url}/token-refused` } };
  upstreams['down'] = { url: 'http://127.0.0.1:9', inject: [{ secret, header: 'X-Api-Key' }] };
  upstreams['ruled'] = { url, inject: [{ secret, header: 'X-Api-Key' }], methods: ['GET'], paths: ['/only'] };
  const { AWS_ID = '', AWS_KEY = '', AWS_SESSION = '', CLIENT_SECRET = '' } = SECRETS;
  return { upstreams, secrets: { API_KEY: key, AWS_ID, AWS_KEY, AWS_SESSION, CLIENT_SECRET } };
}

async function callAll(): Promise<void> {
  const names = Object.keys(services('').upstreams);
  for (const name of names) {
    for (const behaviour of Object.keys(BEHAVIOURS)) {
      said += await exchange(proxy.agentPath, oneRequest('GET', `/v1/http/${name}/${behaviour}`));
      said += await exchange(proxy.agentPath, oneRequest('POST', `/v1/http/${name}/${behaviour}`, ['Content-Length: 2'], 'ab'));
    }
    said += await exchange(proxy.agentPath, oneRequest('GET', `/v1/http/${name}/../x`));
  }
  for (const path of ['/v1/services', '/v1/identity', '/v1/grants', '/v1/openapi.json', '/healthz', '/v1/matrix/rooms', '/nowhere'])
    said += await exchange(proxy.agentPath, oneRequest('GET', path));
  said += await exchange(proxy.agentPath, 'garbage\r\n\r\n');
  const admin = await proxy.admin();
  for (const method of ['stats', 'metrics', 'status'] as const) said += JSON.stringify(await admin.call(method, {}));
}

/** A secret in every spelling that was thought of. */
function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const inner = [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .slice(4, -4),
  );
  const hex = bytes.toString('hex');
  const halves = [secret.slice(0, 16), secret.slice(-16), secret.slice(4, 20)];
  return [
    ...halves,
    ...inner,
    ...inner.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
    hex,
    hex.toUpperCase(),
    encodeURIComponent(secret).slice(0, 24),
    Buffer.from(bytes).reverse().toString('latin1'),
    bytes.toString('utf16le'),
  ];
}

function found(text: string): string[] {
  return [...Object.values(SECRETS), TOKEN].flatMap((secret) => spellings(secret).filter((form) => text.includes(form)));
}

/** What the kernel shows of the process, as root; the payload and the daemon are shown less. */
function shownByKernel(): string {
  const base = `/proc/${proxy.pid}`;
  const links = readdirSync(`${base}/fd`).map((fd) => {
    try {
      return readlinkSync(`${base}/fd/${fd}`);
    } catch {
      return ''; // A connection that has been closed since.
    }
  });
  const files = ['environ', 'cmdline', 'comm', 'maps', 'mountinfo', 'status', 'limits'].map((name) =>
    readFileSync(`${base}/${name}`, 'latin1'),
  );
  return [...links, ...files].join('\n');
}

test('attack: every kind of key, through every kind of end, and a rotation: nothing says one (test 24)', async () => {
  await proxy.configure(services(SECRETS['API_KEY'] ?? ''));
  await callAll();
  await proxy.configure(services(SECRETS['ROTATED'] ?? ''));
  await callAll();
  const spoiled = await proxy.configure({ ...services(`${SECRETS['ROTATED']}\n`) }).then(() => 'taken', String);
  said += spoiled;
  assert.match(spoiled, /secret_unusable|line end/);
  for (const status of [200, 302, 400, 403, 404, 500, 502])
    assert.ok(statuses(said).includes(status), `no ${status} was among the answers`);
  const admin = await proxy.admin();
  await admin.call('drain', { milliseconds: 0 });
  assert.deepEqual(found(said), []);
  assert.deepEqual(found(proxy.log), []);
  assert.deepEqual(found(proxy.accessLog), []);
  assert.deepEqual(found(shownByKernel()), []);
});

test('control: the upstream was sent each of them', () => {
  for (const name of ['API_KEY', 'ROTATED', 'AWS_ID', 'AWS_SESSION', 'MINTED'])
    assert.ok(upstream.bytes.includes(SECRETS[name] ?? '-'), name);
  assert.ok(upstream.bytes.includes(encodeURIComponent(SECRETS['CLIENT_SECRET'] ?? '')));
});

test('control: root finds those in use in the memory of the process', () => {
  for (const name of ['ROTATED', 'AWS_KEY', 'CLIENT_SECRET', 'MINTED']) assert.ok(countInMemory(proxy.pid, SECRETS[name] ?? '') > 0, name);
});

test('attack: another uid, and the proxy’s own, read nothing of the process and of its directory', async () => {
  for (const uid of [65_534, proxy.uid]) {
    for (const file of ['environ', 'mem', 'maps', 'auxv', 'syscall', 'stack']) {
      const { code, stdout } = await runCommand('/usr/bin/setpriv', [
        '--reuid',
        String(uid),
        '--regid',
        String(uid),
        '--clear-groups',
        '--',
        '/usr/bin/head',
        '-c',
        '64',
        `/proc/${proxy.pid}/${file}`,
      ]);
      assert.ok(code !== 0 && stdout === '', `${uid} reads ${file}`);
    }
  }
  const words = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--', '/bin/cat', join(proxy.directory, 'log')];
  assert.notEqual((await runCommand('/usr/bin/setpriv', words)).code, 0);
});

for (const signal of ['SIGSEGV', 'SIGABRT'] as const) {
  test(`attack: a crash by ${signal} leaves no memory behind (test 24)`, async () => {
    await proxy[Symbol.asyncDispose]();
    proxy = await RealProxy.start();
    await proxy.configure(services(SECRETS['API_KEY'] ?? ''));
    await exchange(proxy.agentPath, oneRequest('GET', '/v1/http/header/fine'));
    const { pid } = proxy;
    const begun = Date.now();
    process.kill(pid, signal);
    assert.equal((await proxy.exited).signal, signal);
    await until(
      'the process to be gone',
      WAIT_MILLISECONDS,
      () => !existsSync(`/proc/${pid}/maps`) || readFileSync(`/proc/${pid}/maps`, 'latin1') === '',
    );
    assert.deepEqual(found(proxy.log), []);
    for (const folder of ['/', '/tmp', '/var/tmp', '/var/crash', '/var/lib/systemd/coredump', proxy.directory]) {
      const cores = existsSync(folder) ? readdirSync(folder).filter((name) => /core/i.test(name) && name.includes(String(pid))) : [];
      assert.deepEqual(cores, [], `${folder}, since ${begun}`);
    }
    assert.ok(!existsSync('/core') && !existsSync(join(proxy.directory, 'core')));
  });
}

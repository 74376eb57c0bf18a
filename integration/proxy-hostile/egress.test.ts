// SPDX-License-Identifier: Apache-2.0
// Tests 29 to 31: no spelling of a host, no answer of a resolver and no trick inside a tunnel leads anywhere but to what is listed.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, beforeEach, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { until } from '@bureau/testkit';
import { RealProxy } from '@bureau/testkit/proxy';
import { certificate } from './certificates.testing.ts';
import { PassThrough, codeOf, exchange, leave, opening, statuses } from './raw-client.testing.ts';
import { Recorder } from './recorder.testing.ts';

const CRLF = '\r\n';
const WAIT_MILLISECONDS = 20_000;
/** An address of this machine that is not loopback; a private one stands in where there is none. */
const OWN = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4');
const NAMES = `127.0.0.1 localhost good.test
127.0.0.2 evil.test
127.0.0.1 two.test
127.0.0.2 two.test
127.0.0.1 loop.test
169.254.169.254 aws.test
100.100.100.200 alibaba.test
fd00:ec2::254 aws6.test
::1 loop6.test
::ffff:127.0.0.1 mapped.test
10.1.2.3 private.test
169.254.7.7 link.test
0.0.0.0 any.test
224.0.0.1 many.test
${OWN?.address ?? '192.168.77.77'} own.test
`;
/** Names that a rule without addresses lists: their addresses must be public, and none is. */
const NOT_PUBLIC = /^\S+ (\S+\.test)$/gm;

const identity = certificate('good.test');
let proxy: RealProxy;
let good: Recorder;
/** Where no rule leads: the same port of another address, and another port. */
let evil: Recorder;
let otherPort: Recorder;
let tls: Recorder;
let careless: PassThrough;
before(async () => {
  good = await Recorder.start();
  evil = await Recorder.start({ host: '127.0.0.2', port: good.port });
  otherPort = await Recorder.start();
  tls = await Recorder.start({ tls: identity });
  careless = await PassThrough.to(good.port);
  proxy = await RealProxy.start({ hosts: NAMES });
  await configure();
});
beforeEach(() => {
  for (const one of all()) one.reset();
});
after(async () => {
  await proxy[Symbol.asyncDispose]();
  for (const one of [careless, ...all()]) await one[Symbol.asyncDispose]();
});

const all = (): Recorder[] => [good, evil, otherPort, tls];

async function configure(more: readonly object[] = []): Promise<void> {
  const local = { ports: [good.port, tls.port], cidr: ['127.0.0.1/32'] };
  const bare = [...NAMES.matchAll(NOT_PUBLIC)].flatMap(([, host]) => (host === 'good.test' ? [] : [{ host, ports: [good.port, 80, 443] }]));
  const egress = [
    { host: 'good.test', ...local },
    { host: 'two.test', ...local },
    ...bare.filter(({ host }) => host !== 'two.test'),
    ...more,
  ];
  await proxy.configure({ header: { egress, limits: { requests_burst: 100_000, tunnels: 1_000 } } });
}

const tunnel = (target: string, host = target): string => `CONNECT ${target} HTTP/1.1${CRLF}Host: ${host}${CRLF}${CRLF}`;
const absolute = (authority: string, host = authority): string =>
  `GET http://${authority}/x HTTP/1.1${CRLF}Host: ${host}${CRLF}Connection: close${CRLF}${CRLF}`;

/** Nothing may have arrived anywhere. */
function nowhere(read: string): void {
  assert.match(String(statuses(read)), /^(400|403|421)$/, read);
  assert.match(read, /application\/problem\+json/);
  assert.deepEqual(
    all().map(({ connections }) => connections),
    [0, 0, 0, 0],
  );
}

/** What comes to 127.0.0.1 or 127.0.0.2 for some reader, and to nothing that is listed for ours. `PORT` is that of both recorders. */
const HOSTS: readonly string[] = [
  '127.0.0.1:PORT',
  '127.1:PORT',
  '127.0.1:PORT',
  '2130706433:PORT',
  '0x7f000001:PORT',
  '0x7f.1:PORT',
  '0177.0.0.1:PORT',
  '017700000001:PORT',
  '127.0.0.1.:PORT',
  '[::ffff:127.0.0.1]:PORT',
  '[::ffff:7f00:1]:PORT',
  '[::127.0.0.1]:PORT',
  '[::1]:PORT',
  '[0:0:0:0:0:0:0:1]:PORT',
  '[::1%25lo]:PORT',
  '[fe80::1%25lo]:PORT',
  '[::]:PORT',
  '0.0.0.0:PORT',
  '0:PORT',
  'good.test@127.0.0.2:PORT',
  'good.test:PORT@127.0.0.2:PORT',
  'user:good.test@evil.test:PORT',
  'good.test%40evil.test:PORT',
  'good.test%2eevil.test:PORT',
  'good.test%00.evil.test:PORT',
  'evil.test#good.test:PORT',
  'evil.test?good.test:PORT',
  'evil.test\\good.test:PORT',
  'evil.test\\@good.test:PORT',
  'good.test.evil.test:PORT',
  'xgood.test:PORT',
  'good..test:PORT',
  '.good.test:PORT',
  'good.test..:PORT',
  'good.t\u00ebst:PORT',
  'xn--.test:PORT',
  'good.test:0',
  'good.test:65536',
  'good.test:-1',
  'good.test:80PORT',
  'good.test:+PORT',
  'good.test:OTHER',
  '169.254.169.254:80',
  '[fd00:ec2::254]:80',
  '100.100.100.200:80',
  '0xa9fea9fe:80',
  '2852039166:80',
  'metadata.google.internal:80',
];
const placed = (text: string): string => text.replaceAll('PORT', String(good.port)).replaceAll('OTHER', String(otherPort.port));

for (const spelled of HOSTS) {
  test(`attack: the host ${JSON.stringify(spelled)}, by CONNECT and by an absolute target (test 29)`, async () => {
    const target = placed(spelled);
    nowhere(await exchange(proxy.agentPath, tunnel(target)));
    nowhere(await exchange(proxy.agentPath, tunnel(target, 'good.test')));
    nowhere(await exchange(proxy.agentPath, absolute(target)));
    nowhere(await exchange(proxy.agentPath, absolute(target, `good.test:${good.port}`)));
  });
}

test('control: the usual resolver of this machine takes many of these spellings for loopback', async () => {
  const hosts = ['127.1', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '017700000001', '0'];
  for (const host of hosts) assert.match((await lookup(host)).address, /^(127\.0\.0\.1|0\.0\.0\.0)$/, host);
  await new Promise<void>((resolve) =>
    connect(good.port, '0x7f.1', resolve).on('connect', function (this: { destroy(): void }) {
      this.destroy();
    }),
  );
  await until('it to have come', WAIT_MILLISECONDS, () => good.connections === 1);
});

test('control: the listed host is reached in each spelling that is its own', async () => {
  for (const host of ['good.test', 'GOOD.Test', 'good.test.']) {
    assert.deepEqual(statuses(await exchange(proxy.agentPath, absolute(`${host}:${good.port}`))), [200], host);
  }
  assert.equal(good.requests, 3);
});

test('attack: an absolute target with another scheme, or the administration of a homeserver', async () => {
  const urls = ['https', 'ftp', 'file', 'ws', 'gopher'].map((scheme) => `${scheme}://good.test:${good.port}/x`);
  const admin = ['/_synapse/admin/v1/users', '/%5fsynapse/admin', '/x/..%2f_SYNAPSE/admin', '/%255fsynapse/admin'];
  for (const url of [...urls, ...admin.map((path) => `http://good.test:${good.port}${path}`)])
    nowhere(
      await exchange(proxy.agentPath, `GET ${url} HTTP/1.1${CRLF}Host: good.test:${good.port}${CRLF}Connection: close${CRLF}${CRLF}`),
    );
});

describe('names that lead home (test 30)', () => {
  for (const [, name = ''] of NAMES.matchAll(NOT_PUBLIC)) {
    if (['good.test', 'two.test'].includes(name)) continue;
    test(`attack: ${name}, which a rule lists without its address`, async () => {
      for (const bytes of [tunnel(`${name}:${good.port}`), absolute(`${name}:${good.port}`)]) {
        const read = await exchange(proxy.agentPath, bytes);
        nowhere(read);
        assert.equal(codeOf(read), 'egress_address_refused', read);
      }
    });
  }

  test('control: with its address in the rule, loop.test is reached', async () => {
    await configure([{ host: 'loop.test', ports: [good.port], cidr: ['127.0.0.1/32'] }]);
    assert.deepEqual(statuses(await exchange(proxy.agentPath, absolute(`loop.test:${good.port}`))), [200]);
    await configure();
  });

  test('attack: of two addresses of a name only the listed one is ever dialled', async () => {
    for (let times = 0; times < 20; times += 1) await exchange(proxy.agentPath, absolute(`two.test:${good.port}`));
    assert.deepEqual([good.requests, evil.connections], [20, 0]);
  });

  test('attack: a name that turns between check and dial leads nowhere else', async () => {
    // By chance: a beat of its own could meet every call at the same moment.
    const turn = setInterval(() => {
      proxy.hosts = randomInt(2) === 0 ? NAMES.replace('127.0.0.1 localhost good.test', '127.0.0.2 good.test') : NAMES;
    }, 1);
    try {
      const reads = [];
      for (let times = 0; times < 200; times += 1) reads.push(await exchange(proxy.agentPath, absolute(`good.test:${good.port}`)));
      assert.equal(evil.connections, 0);
      const codes = new Set(reads.map((read) => codeOf(read) ?? statuses(read)[0]));
      assert.ok(codes.has(200) && codes.has('egress_address_refused'), [...codes].join());
    } finally {
      clearInterval(turn);
      proxy.hosts = NAMES;
    }
  });

  test('control: who looks up again to dial is led away', async () => {
    const names = ['127.0.0.1', '127.0.0.2'];
    const lookUp = (): string => names.shift() ?? '';
    assert.equal(lookUp(), '127.0.0.1', 'checked');
    await leaveAt(lookUp());
    assert.equal(evil.connections, 1);
  });

  async function leaveAt(host: string): Promise<void> {
    await new Promise<void>((resolve) => {
      const socket = connect(good.port, host, () => socket.end());
      socket.resume().on('close', () => resolve());
    });
  }
});

describe('inside a tunnel (test 31)', () => {
  const opened = (port: number): ReturnType<typeof opening> => opening(proxy.agentPath, tunnel(`good.test:${port}`));

  test('attack: a port that is not listed', async () => {
    const read = await exchange(proxy.agentPath, tunnel(`good.test:${otherPort.port}`));
    nowhere(read);
    assert.equal(codeOf(read), 'egress_port_refused');
  });

  test('attack: a Host header that names another host than the target', async () => {
    for (const host of ['evil.test', `good.test:${otherPort.port}`, '127.0.0.1', 'good.test, evil.test', '@evil.test']) {
      const read = await exchange(proxy.agentPath, tunnel(`good.test:${good.port}`, host));
      nowhere(read);
      assert.deepEqual(statuses(read), [421]);
      assert.deepEqual(statuses(await exchange(proxy.agentPath, absolute(`good.test:${good.port}`, host))), [421]);
    }
  });

  const FIRST: Readonly<Record<string, string>> = {
    'plain HTTP': `GET / HTTP/1.1${CRLF}Host: good.test${CRLF}${CRLF}`,
    'another CONNECT': `CONNECT evil.test:22 HTTP/1.1${CRLF}Host: evil.test:22${CRLF}${CRLF}`,
    SSH: `SSH-2.0-OpenSSH_9.2${CRLF}`,
    'a record that is no handshake': '\x17\x03\x03\x00\x05hello',
    'half a ClientHello and HTTP': `\x16\x03\x01\x00\x05\x01\x00\x00\x01\xfcGET / HTTP/1.1${CRLF}${CRLF}`,
    SSLv2: '\x80\x2e\x01\x00\x02',
  };
  for (const [name, bytes] of Object.entries(FIRST)) {
    test(`attack: ${name} in a tunnel that is for TLS`, async () => {
      const { head, socket } = await opened(good.port);
      assert.deepEqual(statuses(head), [200]);
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.resume().write(Buffer.from(bytes, 'latin1'));
      if (name.startsWith('half')) socket.end();
      await closed;
      assert.equal(good.bytes, '', 'not a byte of it arrived');
    });
    test(`control: ${name} arrives through a proxy that looks at nothing`, async () => {
      await leave(careless.port, bytes);
      assert.equal(good.bytes, bytes);
    });
  }

  for (const [name, servername] of [
    ['another name', 'evil.test'],
    ['none', undefined],
  ] as const) {
    test(`attack: TLS that says ${name}`, async () => {
      const { socket } = await opened(tls.port);
      const error = await new Promise<Error>((resolve) => {
        connectTls({ socket, ca: identity.cert, ...(servername === undefined ? {} : { servername }) }, () =>
          resolve(new Error('it stands')),
        ).on('error', resolve);
      });
      assert.match(error.message, /unrecognized name|disconnected|ECONNRESET|alert/i);
      assert.equal(tls.bytes, '');
      socket.destroy();
    });
  }

  test('control: TLS that says the name of the tunnel stands', async () => {
    const { socket } = await opened(tls.port);
    await new Promise<void>((resolve, reject) => {
      const inner = connectTls({ socket, servername: 'good.test', ca: identity.cert }, () => inner.end('hello', () => resolve()));
      inner.on('error', reject);
    });
    socket.destroy();
  });
});

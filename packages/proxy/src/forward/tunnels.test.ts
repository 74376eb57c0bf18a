// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { ForwardStand, LocalServer, localRule, readAll } from '../testing/forward-stand.ts';
import { selfSigned } from '@bureau/testkit/self-signed';

const NAME = 'files.example';
const OTHER = 'other.example';
const tls = selfSigned(NAME, OTHER);

/** A TLS server that echoes. */
function echoServer(): ReturnType<typeof LocalServer.of> {
  const server = createTlsServer(tls, (socket) => socket.on('error', () => undefined).pipe(socket));
  server.on('tlsClientError', () => undefined);
  return LocalServer.of(server);
}

async function secure(socket: Socket, servername: string): Promise<TLSSocket> {
  const secured = connectTls({ socket, servername, ca: tls.cert });
  secured.on('error', () => undefined);
  await Promise.race([once(secured, 'secureConnect'), once(secured, 'close').then(() => assert.fail('no TLS'))]);
  return secured;
}

function problemOf(head: string): Record<string, unknown> {
  return JSON.parse(head.slice(head.indexOf('\r\n\r\n') + 4)) as Record<string, unknown>;
}

test('Tunnels: TLS to a host of the list passes, opaque, and leaves one line', async () => {
  await using server = await echoServer();
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, [localRule(NAME, server.port)]);
  const { status, socket } = await stand.tunnel(`${NAME}:${server.port}`);
  assert.equal(status, 200);
  const secured = await secure(socket, NAME);
  secured.write('hello');
  assert.equal(String((await once(secured, 'data'))[0]), 'hello');
  secured.end();
  await once(secured, 'close');
  await until(() => stand.fixture.accessLines().length === 1);
  const [line] = stand.fixture.accessLines();
  assert.deepEqual(
    [line?.['service'], line?.['method'], line?.['target'], line?.['address'], line?.['status'], line?.['rule'], line?.['code']],
    ['egress', 'CONNECT', `${NAME}:${server.port}`, '127.0.0.1', 200, 'egress[0]', undefined],
  );
  assert.ok(Number(line?.['bytes_in']) > 200 && Number(line?.['bytes_out']) > 200, 'a handshake at the least');
  assert.deepEqual(stand.lookedUp, [NAME], 'one look-up');
});

test('Tunnels: what no rule names is 403 with the reason, the rule and what would allow it, and is never looked up', async () => {
  await using stand = await ForwardStand.start({ 'evil.example': ['8.8.8.8'] }, [{ host: NAME }, { host: '*.wild.example' }]);
  const cases: readonly [string, string, string][] = [
    ['evil.example:443', 'egress_host_refused', 'egress'],
    [`${NAME}:22`, 'egress_port_refused', 'egress[0]'],
    ['wild.example:443', 'egress_host_refused', 'egress'],
    ['notwild.example:443', 'egress_host_refused', 'egress'],
    [`${NAME}.evil.example:443`, 'egress_host_refused', 'egress'],
    ['127.0.0.1:443', 'egress_host_refused', 'egress'],
    ['[::1]:443', 'egress_host_refused', 'egress'],
  ];
  for (const [target, code, rule] of cases) {
    const { status, head, socket } = await stand.tunnel(target);
    assert.equal(status, 403, head);
    assert.match(head, /application\/problem\+json/);
    const problem = problemOf(head);
    assert.deepEqual([problem['code'], problem['rule'], problem['target']], [code, rule, target]);
    assert.match(String(problem['would_allow']), /^\{"host":/);
    await readAll(socket);
  }
  assert.deepEqual(stand.lookedUp, []);
  assert.deepEqual(
    stand.fixture.accessLines().map((line) => line['code']),
    cases.map(([, code]) => code),
  );
});

test('Tunnels: addresses that are not public are refused although the name is listed, in every spelling', async () => {
  const names = Object.fromEntries(
    [
      '127.0.0.1',
      '10.0.0.1',
      '169.254.169.254',
      '198.18.0.9',
      '100.100.100.200',
      '0.0.0.0',
      '::1',
      'fe80::1',
      'fd00:ec2::254',
      '::ffff:127.0.0.1',
      '64:ff9b::7f00:1',
      '2002:7f00:1::',
      '224.0.0.1',
    ].map((address, index) => [`n${index}.rebind.example`, [address]] as const),
  );
  await using stand = await ForwardStand.start(names, [
    { host: '*.rebind.example' },
    { host: '**', ports: [8443], cidr: ['0.0.0.0/0', '::/0'] },
  ]);
  for (const name of Object.keys(names)) {
    const { head } = await stand.tunnel(`${name}:443`);
    assert.equal(problemOf(head)['code'], 'egress_address_refused', `${name} ${head}`);
  }
  for (const target of [
    '0x7f.1',
    '2130706433',
    '0177.1',
    '127.0.0.1.',
    'localhost',
    '[::ffff:7f00:1]',
    '0xa9fea9fe',
    '[fd00:ec2::254]',
    '0',
  ]) {
    const { head, status } = await stand.tunnel(`${target}:8443`);
    assert.ok([403, 502].includes(status), target);
    assert.match(String(problemOf(head)['code']), /egress_(address_refused|name_unknown)/);
  }
});

test('Tunnels: of several addresses only the allowed ones are dialled', async () => {
  await using server = await echoServer();
  const names = { [NAME]: ['169.254.169.254', '127.0.0.1'] };
  await using stand = await ForwardStand.start(names, [localRule(NAME, server.port)]);
  const { status, socket } = await stand.tunnel(`${NAME}:${server.port}`);
  assert.equal(status, 200);
  (await secure(socket, NAME)).destroy();
});

test('Tunnels: malformed targets and Host headers that disagree are refused before anything else', async () => {
  await using server = await echoServer();
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, [localRule(NAME, server.port), { host: '**' }]);
  const good = `${NAME}:${server.port}`;
  const cases: readonly [string, readonly string[], number][] = [
    [NAME, ['Host: x'], 400],
    [`user@${good}`, ['Host: x'], 400],
    [`${NAME}%2e:443`, ['Host: x'], 400],
    ['[fe80::1%25lo]:443', ['Host: x'], 400],
    [`http://${good}/`, [`Host: ${good}`], 400],
    [`${NAME}:0`, ['Host: x'], 400],
    [good, [`Host: ${OTHER}`], 421],
    [good, [`Host: ${NAME}:1`], 421],
    [good, [`Host: ${good}`, `Host: ${good}`], 400],
    [good, [`Host: ${good}`, 'Content-Length: 4'], 400],
    [good, [`Host: ${good}`, 'Transfer-Encoding: chunked'], 400],
  ];
  for (const [target, lines, status] of cases) {
    assert.equal((await stand.tunnel(target, lines)).status, status, `${target} ${lines.join()}`);
  }
  assert.equal(server.connections, 0);
  assert.equal((await stand.tunnel(good, [`Host: ${NAME}`])).status, 200, 'the control; a Host without a port agrees');
  assert.equal((await stand.tunnel(good.toUpperCase(), [`Host: ${NAME}.`])).status, 200, 'case and a last dot are spelling');
});

test('Tunnels: plaintext, another server name and a nested CONNECT end before a byte reaches the upstream', async () => {
  const received: Buffer[] = [];
  await using server = await LocalServer.tcp((socket) => socket.on('data', (piece) => received.push(piece)));
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, [localRule(NAME, server.port)]);
  const target = `${NAME}:${server.port}`;
  for (const bytes of [
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    `CONNECT ${OTHER}:443 HTTP/1.1\r\nHost: x\r\n\r\n`,
    'SSH-2.0-x\r\n',
    '\x16\x03\x01\x00\x00',
  ]) {
    const { socket } = await stand.tunnel(target);
    socket.write(Buffer.from(bytes, 'latin1'));
    assert.equal((await readAll(socket)).length, 0);
  }
  for (const servername of [OTHER, `${NAME}.evil.example`, '']) {
    const { socket } = await stand.tunnel(target);
    const secured = connectTls({ socket, servername, ca: tls.cert });
    const [error] = (await once(secured, 'error')) as [NodeJS.ErrnoException];
    assert.match(`${error.code} ${error.message}`, /UNRECOGNIZED_NAME|unrecognized name/i);
  }
  assert.equal(Buffer.concat(received).length, 0);
  await until(() => stand.fixture.accessLines().length === 7);
  assert.deepEqual(
    stand.fixture.accessLines().map((line) => `${String(line['status'])} ${String(line['code'])}`),
    [...Array.from({ length: 4 }, () => '403 tunnel_not_tls'), ...Array.from({ length: 3 }, () => '421 server_name_mismatch')],
  );
});

test('Tunnels, the control: a rule that allows plaintext or any server name lets the same through', async () => {
  await using plain = await LocalServer.tcp((socket) => socket.pipe(socket));
  await using server = await echoServer();
  const rules = [localRule(NAME, plain.port, { plaintext: true }), localRule(NAME, server.port, { any_server_name: true })];
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, rules);
  const { socket } = await stand.tunnel(`${NAME}:${plain.port}`);
  socket.end('SSH-2.0-x');
  assert.equal(String(await readAll(socket)), 'SSH-2.0-x', 'and a closed direction is passed on');
  const { socket: other } = await stand.tunnel(`${NAME}:${server.port}`);
  (await secure(other, OTHER)).destroy();
});

test('Tunnels: the homeserver is not reached through one', async () => {
  await using stand = await ForwardStand.start({}, [
    { host: '127.0.0.1', ports: [1] },
    { host: '**', cidr: ['127.0.0.1/32'] },
  ]);
  const port = stand.fixture.homeserver.port;
  await stand.fixture.configure({ header: { egress: [localRule('127.0.0.1', port)] } });
  for (const spelling of ['127.0.0.1', '0x7f.1', '2130706433']) {
    const { head } = await stand.tunnel(`${spelling}:${port}`);
    assert.equal(problemOf(head)['code'], 'homeserver_by_tunnel', head);
  }
});

test('Tunnels: caps on count, bytes, idleness and the first words', async () => {
  await using plain = await LocalServer.tcp((socket) => socket.pipe(socket));
  const rules = [localRule(NAME, plain.port, { plaintext: true }), localRule(OTHER, plain.port)];
  const limits = { tunnels: 2, tunnelBytes: 100_000, tunnelIdleMilliseconds: 1_000, clientHelloMilliseconds: 150 };
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'], [OTHER]: ['127.0.0.1'] }, rules, { limits });
  const target = `${NAME}:${plain.port}`;
  const [first, second] = [await stand.tunnel(target), await stand.tunnel(target)];
  const third = await stand.tunnel(target);
  assert.deepEqual([third.status, problemOf(third.head)['code']], [429, 'too_many_tunnels']);
  assert.match(third.head, /retry-after: 1/);
  first.socket.write(Buffer.alloc(200_000));
  await readAll(first.socket);
  await readAll(second.socket);
  const silent = await stand.tunnel(`${OTHER}:${plain.port}`);
  await readAll(silent.socket);
  await until(() => stand.fixture.accessLines().length === 4);
  assert.deepEqual(
    stand.fixture.accessLines().map((line) => line['code']),
    ['too_many_tunnels', 'tunnel_bytes', 'tunnel_idle', 'client_hello_timeout'],
  );
});

test('Tunnels: a bundle that no longer allows a host ends its tunnels; the others go on', async () => {
  await using plain = await LocalServer.tcp((socket) => socket.pipe(socket));
  const keep = localRule(NAME, plain.port, { plaintext: true });
  const drop = localRule(OTHER, plain.port, { plaintext: true });
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'], [OTHER]: ['127.0.0.1'] }, [keep, drop]);
  const kept = await stand.tunnel(`${NAME}:${plain.port}`);
  const dropped = await stand.tunnel(`${OTHER}:${plain.port}`);
  dropped.socket.write('x');
  dropped.socket.resume();
  await stand.fixture.configure({ header: { egress: [keep] } });
  await readAll(dropped.socket);
  kept.socket.write('still here');
  kept.socket.resume();
  assert.equal(String((await once(kept.socket, 'data'))[0]), 'still here');
  assert.equal((await stand.tunnel(`${OTHER}:${plain.port}`)).status, 403);
});

test('Tunnels: a bundle that changes while a name is looked up decides: allowed on, or refused with its own words', async () => {
  await using plain = await LocalServer.tcp((socket) => socket.pipe(socket));
  const rule = localRule(NAME, plain.port, { plaintext: true });
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, [rule]);
  stand.onLookUp = () => stand.fixture.configure({ header: { egress: [{ host: 'first.example' }, rule] } });
  const kept = await stand.tunnel(`${NAME}:${plain.port}`);
  assert.equal(kept.status, 200);
  kept.socket.end();
  await readAll(kept.socket);
  stand.onLookUp = () => stand.fixture.configure({ header: { egress: [{ host: 'first.example' }] } });
  const refused = await stand.tunnel(`${NAME}:${plain.port}`);
  assert.deepEqual([refused.status, problemOf(refused.head)['code']], [403, 'egress_host_refused']);
});

test('Tunnels: a client that never reads holds no more than socket buffers, and stopping the proxy ends what is open', async () => {
  let sent = 0;
  await using flood = await LocalServer.tcp((socket) => {
    const piece = Buffer.alloc(65_536);
    const pour = (): void => {
      while (socket.write(piece)) sent += piece.length;
      sent += piece.length;
    };
    socket.on('drain', pour);
    pour();
  });
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, [localRule(NAME, flood.port, { plaintext: true })]);
  const { socket } = await stand.tunnel(`${NAME}:${flood.port}`);
  let before = -1;
  while (before !== sent) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(sent < 16 * 1024 * 1024, `${sent} bytes were taken although nobody reads`);
  await stand.fixture.proxy.stop();
  await readAll(socket);
});

/** Waits for what the proxy does after its last byte. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'in time');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { ForwardStand, LocalServer, localRule } from '../testing/forward-stand.ts';

const NAME = 'mirror.example';

function statusOf(read: string): number {
  return Number(read.slice(9, 12));
}

function codeOf(read: string): unknown {
  return (JSON.parse(read.slice(read.indexOf('\r\n\r\n') + 4)) as Record<string, unknown>)['code'];
}

test('PlainRequests: a request with an absolute target reaches the host as one to its path, without headers of one hop', async () => {
  const seen: string[] = [];
  await using server = await LocalServer.tcp((socket) => {
    socket.on('data', (piece) => seen.push(piece.toString('latin1')));
    socket.once('data', () =>
      socket.end('HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-End: 2\r\nKeep-Alive: 5\r\nContent-Length: 2\r\n\r\nok'),
    );
  });
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, [localRule(NAME, server.port)]);
  const host = `${NAME}:${server.port}`;
  const lines = [
    `GET http://${host}/a%2Fb%3Ac?q=1 HTTP/1.1`,
    `Host: ${host}`,
    'Connection: close, X-Secret, Host, Content-Length',
    'X-Secret: 1',
    'Proxy-Connection: keep-alive',
    'Proxy-Authorization: Basic eA==',
    'TE: trailers',
    'Keep-Alive: 5',
    'Authorization: Bearer own',
    'traceparent: rubbish',
    'X-Custom: a',
    'X-Custom: b',
    '',
    '',
  ];
  const read = await stand.fixture.raw(lines.join('\r\n'));
  assert.equal(statusOf(read), 200, read);
  assert.match(read, /X-End: 2/);
  assert.doesNotMatch(read, /X-Hop|x-hop|Keep-Alive: 5/);
  assert.deepEqual(seen, [
    `GET /a%2Fb%3Ac?q=1 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer own\r\nX-Custom: a\r\nX-Custom: b\r\nvia: 1.1 bureau\r\n\r\n`,
  ]);
  const [line] = stand.fixture.accessLines();
  assert.deepEqual(
    [line?.['service'], line?.['method'], line?.['path'], line?.['target'], line?.['status'], line?.['rule'], line?.['bytes_out']],
    ['egress', 'GET', '-', host, 200, 'egress[0]', 2],
  );
  assert.doesNotMatch(stand.fixture.log(), /q=1/, 'a query is never written down');
});

test('PlainRequests: bodies stream both ways, and a connection to the proxy is kept', async () => {
  await using server = await LocalServer.http((request, response) => {
    response.writeHead(200, { 'x-length': request.headers['content-length'] ?? request.headers['transfer-encoding'] ?? '-' });
    request.pipe(response);
  });
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, [localRule(NAME, server.port)]);
  const host = `${NAME}:${server.port}`;
  const chunked = `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n`;
  const sized = `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc`;
  const socket = connect(stand.fixture.agentPath);
  socket.write(chunked);
  let read = '';
  socket.on('data', (piece) => (read += piece.toString('latin1')));
  while (!read.includes('0\r\n\r\n')) await once(socket, 'data');
  assert.match(read, /x-length: chunked[^]*hello/);
  assert.doesNotMatch(read, /x=y|X-Trailer/);
  socket.write(sized);
  await once(socket, 'close');
  assert.match(read, /x-length: 3[^]*abc/);
  assert.equal(server.connections, 2);
});

test('PlainRequests: a connection is kept for the next GET to the same place, and for nothing else', async () => {
  await using server = await LocalServer.http((request, response) => request.resume().once('end', () => response.end('reached')));
  const rules = [localRule(NAME, server.port), localRule('other.example', server.port)];
  const names: Record<string, string[]> = { [NAME]: ['127.0.0.1'], 'other.example': ['127.0.0.1'] };
  await using stand = await ForwardStand.start(names, rules);
  const ask = async (method: string, name: string, body = ''): Promise<void> => {
    const host = `${name}:${server.port}`;
    const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
    const read = await stand.fixture.raw(
      `${method} http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n${length}Connection: close\r\n\r\n${body}`,
    );
    assert.match(read, method === 'HEAD' ? /^HTTP\/1\.1 200/ : /reached$/);
  };
  for (const method of ['GET', 'HEAD', 'GET']) await ask(method, NAME);
  assert.equal(server.connections, 1);
  await ask('GET', 'other.example');
  assert.equal(server.connections, 2, 'another name may be another server at the same address');
  await ask('POST', NAME, 'body');
  assert.equal(server.connections, 3, 'what may not be sent twice does not go where the other side may be about to close');
  await ask('GET', NAME);
  assert.equal(server.connections, 3);
  names[NAME] = ['127.0.0.2'];
  const host = `${NAME}:${server.port}`;
  const moved = await stand.fixture.raw(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  assert.deepEqual([statusOf(moved), codeOf(moved)], [403, 'egress_address_refused'], 'each request is judged by what its name means now');
  await stand.fixture.configure({ header: { egress: [rules[1]] } });
  names[NAME] = ['127.0.0.1'];
  const refused = await stand.fixture.raw(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  assert.deepEqual([statusOf(refused), codeOf(refused)], [403, 'egress_host_refused'], 'and by the bundle in use');
});

test('PlainRequests: a kept connection that its server closes at the next request: a GET is sent once more', async () => {
  let connections = 0;
  await using server = await LocalServer.tcp((socket) => {
    connections += 1;
    let requests = 0;
    socket.on('data', () => {
      requests += 1;
      if (requests === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      else socket.destroy();
    });
  });
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, [localRule(NAME, server.port)]);
  const host = `${NAME}:${server.port}`;
  for (let times = 0; times < 3; times += 1) {
    const read = await stand.fixture.raw(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    assert.match(read, /ok$/, read);
  }
  assert.equal(connections, 3);
});

test('PlainRequests: an event stream comes piece by piece', async () => {
  let next = (): void => undefined;
  await using server = await LocalServer.http((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let count = 0;
    next = () => void response.write(`data: ${(count += 1)}\n\n`);
    response.flushHeaders();
  });
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, [localRule(NAME, server.port)]);
  const socket = connect(stand.fixture.agentPath);
  socket.write(`GET http://${NAME}:${server.port}/ HTTP/1.1\r\nHost: ${NAME}:${server.port}\r\n\r\n`);
  assert.match(String((await once(socket, 'data'))[0]), /200/, 'the head comes before the first event');
  for (const event of ['data: 1', 'data: 2', 'data: 3']) {
    next();
    assert.match(String((await once(socket, 'data'))[0]), new RegExp(event));
  }
  socket.destroy();
});

test('PlainRequests: refusals are answers, and keep the rules of CONNECT', async () => {
  await using server = await LocalServer.http((_request, response) => response.end('reached'));
  const rules = [localRule(NAME, server.port), { host: 'meta.example' }];
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'], 'meta.example': ['169.254.169.254'] }, rules);
  const host = `${NAME}:${server.port}`;
  const cases: readonly [target: string, hostHeader: string, status: number, code: string][] = [
    [`http://evil.example/`, 'evil.example', 403, 'egress_host_refused'],
    ['http://meta.example/latest/', 'meta.example', 403, 'egress_address_refused'],
    [`http://${NAME}/`, NAME, 403, 'egress_port_refused'],
    [`http://${host}/`, 'evil.example', 421, 'host_mismatch'],
    [`http://${host}/`, NAME, 421, 'host_mismatch'],
    [`https://${host}/`, host, 403, 'scheme_unavailable'],
    [`ftp://${host}/`, host, 403, 'scheme_unavailable'],
    [`http://${NAME}@evil.example/`, host, 400, 'invalid'],
    [`http://evil.example\\@${host}/`, host, 400, 'invalid'],
    [`http://${host}/a\\b`, 'other.example', 421, 'host_mismatch'],
    [`http://${host}#/x`, host, 400, 'invalid'],
    [`http:${host}/`, host, 400, 'invalid'],
    ['http:///x', host, 400, 'invalid'],
    [`http://${host}/_synapse/admin/v1/users`, host, 403, 'synapse_admin_refused'],
    [`http://${host}/x/..%2f%5Fsynapse%2Fadmin`, host, 403, 'synapse_admin_refused'],
    [`http://${host}/%255fSYNAPSE/admin`, host, 403, 'synapse_admin_refused'],
  ];
  for (const [target, hostHeader, status, code] of cases) {
    const read = await stand.fixture.raw(`GET ${target} HTTP/1.1\r\nHost: ${hostHeader}\r\nConnection: close\r\n\r\n`);
    // Node's parser and ours share the work on what is no target at all.
    const found = String(codeOf(read)).replace(/^invalid_(http|target)$/, 'invalid');
    assert.deepEqual([statusOf(read), found], [status, code], `${target}\n${read}`);
  }
  assert.equal(server.connections, 0);
  const read = await stand.fixture.raw(
    `GET HTTP://${NAME.toUpperCase()}.:${server.port}?q HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
  );
  assert.match(read, /reached/, 'the control: spelling alone refuses nothing');
});

test('PlainRequests: an upgrade is 426, TRACE 400: neither goes anywhere', async () => {
  await using server = await LocalServer.http((_request, response) => response.end('reached'));
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, [localRule(NAME, server.port)]);
  const host = `${NAME}:${server.port}`;
  const upgrade = await stand.fixture.raw(
    `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  );
  assert.equal(statusOf(upgrade), 426);
  const trace = await stand.fixture.raw(`TRACE http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  assert.deepEqual([statusOf(trace), codeOf(trace)], [405, 'method_not_allowed']);
  assert.equal(server.connections, 0);
});

const BROKEN: Readonly<Record<string, readonly [answer: string, status: number, code: string | undefined]>> = {
  'says nothing': ['', 502, 'egress_unreachable'],
  'speaks something else': ['SSH-2.0-x\r\n\r\n', 502, 'upstream_malformed'],
  'has both lengths': [
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    502,
    'upstream_malformed',
  ],
  'has a head without end': [`HTTP/1.1 200 OK\r\n${'X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(2_000)}`, 502, 'upstream_malformed'],
  'floods with 1xx': ['HTTP/1.1 102 Processing\r\n\r\n'.repeat(100), 502, 'upstream_malformed'],
  'changes protocols': ['HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n', 502, 'upstream_malformed'],
};

for (const [name, [answer, status, code]] of Object.entries(BROKEN)) {
  test(`PlainRequests: an upstream that ${name} is ${status} ${code ?? ''}`, async () => {
    await using server = await LocalServer.tcp((socket) => socket.once('data', () => socket.end(answer)));
    await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, [localRule(NAME, server.port)]);
    const host = `${NAME}:${server.port}`;
    const read = await stand.fixture.raw(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    assert.deepEqual([statusOf(read), codeOf(read)], [status, code], read);
  });
}

test('PlainRequests: an answer shorter than promised ends in a broken connection, never in a whole answer', async () => {
  await using server = await LocalServer.tcp((socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort')),
  );
  await using chunked = await LocalServer.tcp((socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n')),
  );
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, [localRule(NAME, server.port), localRule(NAME, chunked.port)]);
  const ask = (port: number): Promise<string> =>
    stand.fixture.raw(`GET http://${NAME}:${port}/ HTTP/1.1\r\nHost: ${NAME}:${port}\r\nConnection: close\r\n\r\n`);
  assert.match(await ask(server.port), /Content-Length: 10[^]*short$/);
  assert.doesNotMatch(await ask(chunked.port), /\r\n0\r\n\r\n$/);
  assert.equal((await stand.fixture.request('GET', '/healthz')).status, 200);
});

test('PlainRequests: a malformed body ends the call upstream', async () => {
  await using server = await LocalServer.http((request, response) => request.resume().once('end', () => response.end('reached')));
  await using stand = await ForwardStand.start({ [NAME]: ['127.0.0.1'] }, [localRule(NAME, server.port)]);
  const host = `${NAME}:${server.port}`;
  const read = await stand.fixture.raw(
    `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n`,
  );
  assert.deepEqual([statusOf(read), codeOf(read)], [400, 'invalid_http']);
});

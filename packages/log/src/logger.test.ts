// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { BureauError } from '@bureau/core';
import fc from 'fast-check';
import { capture } from './capture.testing.ts';

const secret = 'hunter2hunter2';

test('createLogger writes one JSON object a line with level, time, name and pid', (context) => {
  const { logger, text, last } = capture(context);
  logger.info({ number: 3 }, 'sandbox created');
  assert.deepEqual(last(), {
    level: 'info',
    time: '2023-11-14T22:13:20.000Z',
    pid: process.pid,
    name: 'test',
    number: 3,
    msg: 'sandbox created',
  });
  assert.equal(text().split('\n').length, 2);
});

test('a child carries its fields, and traceId is written as trace_id', (context) => {
  const { logger, last } = capture(context);
  logger.child({ traceId: 'abc', principal: 'iree/pm' }).child({ number: 3 }).warn('slow');
  assert.deepEqual([last()['trace_id'], last()['principal'], last()['number'], last()['msg']], ['abc', 'iree/pm', 3, 'slow']);
});

const secretKeys = [
  'token',
  'access_token',
  'accessToken',
  'refresh_tokens',
  'X-Access-Token',
  'authorization',
  'Authorization',
  'proxy-authorization',
  'password',
  'newPassword',
  'passphrase',
  'secret',
  'client_secret',
  'secrets',
  'identity',
  'machineIdentity',
  'private_key',
  'privateKey',
  'api_key',
  'x-api-key',
  'cookie',
  'Set-Cookie',
  'credential',
  'credentials',
];

for (const key of secretKeys) {
  test(`the value of ${key} is masked at every depth, in fields, bound fields, lists and errors`, (context) => {
    const { logger, text, last } = capture(context);
    const value = { [key]: secret };
    for (let depth = 0, nested: object = value; depth < 8; depth += 1, nested = { a: nested }) {
      logger.info(nested);
      logger.info({ list: [nested] });
      logger.child(nested).info('bound');
    }
    logger.info({ [key]: { deep: [secret] } });
    logger.info({ [key]: 12_345_678 });
    (logger.info as (...parameters: unknown[]) => void)('%o', value);
    logger.error({ err: new BureauError('x', 'y', { data: value }) });
    assert.doesNotMatch(text(), /hunter2|12345678/);
    logger.info(value);
    assert.equal(last()[key], '[secret]');
  });
}

for (const [key, value] of [
  ['credentialFile', '/etc/bureau/credentials'],
  ['tokenCount', 3],
  ['secretNames', ['MATRIX_TOKEN']],
  ['identityStore', 'file'],
  ['token', null],
  ['token', true],
  ['principal', 'iree/pm'],
  ['key', 'value'],
] as const) {
  test(`${key} ${JSON.stringify(value)} tells no secret and is written`, (context) => {
    const { logger, last } = capture(context);
    logger.info({ [key]: value });
    assert.deepEqual(last()[key], value);
  });
}

const shapes = [
  'AGE-SECRET-KEY-18APPQQQQQQQQQQQQQQQQ',
  'syt_aHVudGVy_abcdefGHIJ_1a2b3c',
  'Bearer hunter2hunter2',
  'bearer hunter2.hunter2-_~+/==',
  'https://example.org/?access_token=hunter2hunter2&x=1',
  'https://user:hunter2@example.org/x',
  'eyJhbGciOiJFZERTQSJ9.hunter2.hunter2',
  'sk-ant-hunter2hunter2hunter2',
  'ghp_hunter2hunter2hunter2',
  '-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n',
];

for (const shape of shapes) {
  test(`what looks like ${shape.slice(0, 14)} is masked wherever it stands`, (context) => {
    const { logger, text } = capture(context);
    logger.info(shape);
    logger.info(`before ${shape} after`);
    logger.info({ a: { b: [shape] } }, shape);
    logger.info({ [shape]: 1 });
    (logger.child({ bound: shape }).info as (...parameters: unknown[]) => void)('%s', shape);
    logger.error(new Error(shape, { cause: new BureauError('x', shape, { data: { path: shape }, cause: shape }) }));
    assert.doesNotMatch(text(), /hunter2|18APP|aHVudGVy/);
    for (const line of text().trimEnd().split('\n')) JSON.parse(line);
  });
}

test('bytes are written as their number', (context) => {
  const { logger, text, last } = capture(context);
  const bytes = Buffer.from(secret);
  logger.info({
    a: bytes,
    b: [new Uint8Array(bytes)],
    c: { d: bytes.buffer.slice(0, 5) },
    e: JSON.parse(JSON.stringify({ f: bytes })) as object,
  });
  assert.deepEqual(
    [last()['a'], last()['b'], last()['c'], last()['e']],
    [
      `[${secret.length} bytes]`,
      [`[${secret.length} bytes]`],
      { d: '[5 bytes]' },
      { f: { type: 'Buffer', data: `[${secret.length} bytes]` } },
    ],
  );
  assert.doesNotMatch(text(), /104,117/);
});

test('an error is written with code, data and causes; a stack only when it is a bug', (context) => {
  const { logger, last } = capture(context);
  const bug = new TypeError('undefined is not a function');
  logger.info({ err: new BureauError('bundle_expired', 'Refused', { data: { principal: 'a' }, cause: bug }) }, 'refused');
  const err = last()['err'] as { stack?: string; causes: { stack?: string }[] };
  assert.deepEqual(
    { ...err, causes: err.causes.map(({ stack, ...rest }) => ({ ...rest, stack: typeof stack })) },
    {
      type: 'BureauError',
      message: 'Refused',
      code: 'bundle_expired',
      data: { principal: 'a' },
      causes: [{ type: 'TypeError', message: 'undefined is not a function', stack: 'string' }],
    },
  );
  logger.error(new BureauError('x', 'expected'));
  assert.equal('stack' in (last()['err'] as object), false);
  assert.equal(last()['msg'], 'expected');
});

test('a logger at debug writes stacks of our own errors too', (context) => {
  const { logger, last } = capture(context, 'debug');
  logger.info(new BureauError('x', 'y'));
  assert.match((last()['err'] as { stack: string }).stack, /BureauError: y|Error: y/);
});

test('only known fields of an error are written: a client library hangs its whole request on it', (context) => {
  const { logger, text, last } = capture(context);
  logger.error(
    Object.assign(new Error('request failed'), { code: 'ECONNRESET', syscall: 'read', request: { headers: [secret] }, body: secret }),
  );
  assert.doesNotMatch(text(), /hunter2/);
  assert.equal((last()['err'] as { code: string }).code, 'ECONNRESET');
});

test('rings, getters that throw, huge and deep values are written within bounds', (context) => {
  const { logger, text } = capture(context);
  const ring: Record<string, unknown> = {};
  ring['self'] = ring;
  const error = new Error('ring');
  error.cause = error;
  let deep: object = {};
  for (let depth = 0; depth < 10_000; depth += 1) deep = { deep };
  logger.info({
    ring,
    error,
    deep,
    huge: 'x'.repeat(1_000_000),
    wide: Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, index])),
    long: Array.from({ length: 5_000 }, () => 1),
    big: 10n,
    fn: () => 1,
    symbol: Symbol('x'),
    nan: Number.NaN,
    date: new Date(0),
    map: new Map([[secret, secret]]),
    bare: Object.create(null),
    get bad(): never {
      throw new Error('no');
    },
    json: {
      toJSON(): never {
        throw new Error('no');
      },
    },
  });
  assert.equal(text().trimEnd().split('\n').length, 1);
  assert.ok(text().length < 30_000, `${text().length}`);
  assert.doesNotMatch(text(), /hunter2/);
});

test('a message is cut at the bound', (context) => {
  const { logger, text } = capture(context);
  logger.info('x'.repeat(1_000_000));
  logger.info({}, 'x'.repeat(1_000_000));
  assert.ok(text().length < 20_000);
});

test('a field cannot pass for what the logger itself writes', (context) => {
  const { logger, last } = capture(context);
  logger.child({ name: 'launcher', pid: 1 }).info({ level: 'fatal', time: 'never', msg: 'forged' }, 'real');
  assert.deepEqual(
    [last()['level'], last()['name'], last()['pid'], last()['msg'], last()['name_'], last()['msg_']],
    ['info', 'test', process.pid, 'real', 'launcher', 'forged'],
  );
});

test('a line holds nothing that a terminal or a line reader would obey', (context) => {
  const { logger, text, last } = capture(context);
  const hostile = 'a\u001b]52;c;x\u0007\u009b31m\u007f\u2028\r\nb';
  logger.info({ [hostile]: hostile }, hostile);
  assert.doesNotMatch(text().slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028]/);
  assert.equal(last()['msg'], hostile);
});

test('anything that is logged becomes exactly one line of JSON, without the secret', (context) => {
  const { logger, text } = capture(context);
  let lines = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        fc.object({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withTypedArray: true,
          withNullPrototype: true,
          key: fc.oneof(
            fc.string(),
            fc.constantFrom('token', 'toJSON', '__proto__', 'constructor', 'hasOwnProperty', 'toString', 'err', 'traceId', 'serializers'),
          ),
        }),
        fc.string({ unit: 'binary' }),
      ),
      (value) => {
        if (typeof value === 'string') logger.info(value);
        else logger.child(value).info({ ...value, token: secret });
        lines += 1;
      },
    ),
  );
  const written = text().trimEnd().split('\n');
  assert.equal(written.length, lines);
  for (const line of written) JSON.parse(line);
  assert.doesNotMatch(text(), /hunter2/);
});

test('records below the level are not written, and their fields are not looked at', (context) => {
  const { logger, text } = capture(context, 'warn');
  logger.info({
    get bad(): never {
      throw new Error('looked at');
    },
  });
  assert.equal(text(), '');
});

test('the last record before a process kills itself is in the file', () => {
  const program = `
    import { createLogger } from ${JSON.stringify(new URL('./logger.ts', import.meta.url).href)};
    createLogger({ name: 'dying', destination: 1 }).error('last words');
    process.kill(process.pid, 'SIGKILL');
  `;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', timeout: 30_000 });
  assert.equal(child.signal, 'SIGKILL');
  assert.match(child.stdout, /"msg":"last words"\}\n$/);
});

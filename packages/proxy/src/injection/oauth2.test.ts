// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecretBytes } from '@bureau/secret';
import { TokenSource } from './oauth2.ts';

/** A source whose clock and server are moved by hand. */
function sourceAt(): { source: TokenSource; clock: { time: number }; asked: { answer(body: object, status?: number): void }[] } {
  const clock = { time: 1_000 };
  const asked: { answer(body: object, status?: number): void }[] = [];
  const source = new TokenSource({
    rule: { kind: 'oauth2', grant: 'client_credentials', token_url: 'https://t', client_id: 'me', client_auth: 'basic' },
    secretOf: () => SecretBytes.from(Buffer.from('x')),
    clock: { now: () => clock.time, monotonic: () => clock.time, setTimer: () => ({ clear: () => undefined }) },
    request: () =>
      new Promise((resolve) => {
        asked.push({ answer: (body, status = 200) => resolve({ status, body: Buffer.from(JSON.stringify(body)) }) });
      }),
    where: 'api',
  });
  return { source, clock, asked };
}

const token = (number: number, expires_in?: number): object => ({ access_token: `token-${number}`, token_type: 'Bearer', expires_in });
const shown = (source: TokenSource): string | undefined => source.current?.bytes.toString();

test('TokenSource: callers share one request; the token serves until it is renewed behind their backs, before it lapses', async () => {
  const { source, clock, asked } = sourceAt();
  assert.equal(shown(source), undefined);
  const waiting = [source.renew(), source.renew()];
  assert.equal(asked.length, 1);
  asked[0]?.answer(token(1, 100));
  await Promise.all(waiting);
  clock.time += 69_000;
  assert.deepEqual([shown(source), asked.length], ['token-1', 1]);
  clock.time += 1_500;
  assert.deepEqual([shown(source), shown(source), asked.length], ['token-1', 'token-1', 2], 'asked once, the old one serves meanwhile');
  const renewed = source.renew();
  asked[1]?.answer(token(2, 100));
  await renewed;
  assert.equal(shown(source), 'token-2');
  clock.time += 100_000;
  assert.equal(shown(source), undefined, 'a token that lapsed is never used');
});

test('TokenSource: after a failure it fails at once for a while, then asks again; what is disposed of keeps no token', async () => {
  const { source, clock, asked } = sourceAt();
  const first = source.renew();
  asked[0]?.answer({ error: 'invalid_client' }, 401);
  await assert.rejects(first, { code: 'oauth_refused', status: 502 });
  await assert.rejects(source.renew(), { code: 'oauth_refused' });
  assert.equal(asked.length, 1);
  clock.time += 2_001;
  const second = source.renew();
  source[Symbol.dispose]();
  asked[1]?.answer(token(1, 100));
  await second;
  assert.equal(shown(source), undefined);
});

test('TokenSource refuses what is no bearer token', async () => {
  for (const body of [{ access_token: 'a b' }, { access_token: 'a\r\nx: y' }, { access_token: 'a', token_type: 'mac' }]) {
    const { source, asked } = sourceAt();
    const waiting = source.renew();
    asked[0]?.answer(body);
    await assert.rejects(waiting, { code: 'oauth_malformed' });
  }
  for (const body of [{}, { access_token: 5 }, { error: 'Not a code' }]) {
    const { source, asked } = sourceAt();
    const waiting = source.renew();
    asked[0]?.answer(body);
    await assert.rejects(waiting, { code: 'oauth_refused' });
  }
});

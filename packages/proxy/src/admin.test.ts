// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { PRINCIPAL, ProxyFixture, TOKEN, bundle } from './testing/proxy-fixture.ts';

const ROOM = '!room:test.local';

test('configure answers with the digest of the header; status counts', async () => {
  await using fixture = await ProxyFixture.start({ unconfigured: true });
  const admin = await fixture.admin();
  assert.deepEqual(await admin.call('status', {}), { build: 'test-build', principal: null, requests: 0 });
  const { header } = bundle(fixture.homeserver.url);
  assert.deepEqual(await fixture.configure(), { digest: createHash('sha256').update(header).digest('hex') });
  await fixture.request('GET', '/v1/identity');
  assert.deepEqual(await admin.call('status', {}), { build: 'test-build', principal: PRINCIPAL, requests: 1 });
  assert.match(fixture.log(), /"what":"proxy.configure"/);
});

test('configure for another principal is refused with a code, logged, and changes nothing', async () => {
  await using fixture = await ProxyFixture.start();
  await assert.rejects(fixture.configure({ principal: 'probe/two', token: 'anotherSecretToken' }), { code: 'principal_mismatch' });
  assert.equal((await fixture.request('GET', '/v1/identity')).json['principal'], PRINCIPAL);
  assert.equal((await fixture.send(ROOM, { body: 'x' })).status, 200);
  assert.match(fixture.log(), /"result":"refused","reason":"principal_mismatch"/);
  assert.ok(!fixture.log().includes('anotherSecretToken'));
});

test('the admin socket serves uid 0 only', async () => {
  await using fixture = await ProxyFixture.start({ unconfigured: true, adminUids: [65_534] });
  await assert.rejects(fixture.configure(), { code: 'peer_refused' });
  assert.equal((await fixture.request('GET', '/healthz')).status, 503);
});

test('rotation: what runs ends on the old key, what starts after the acknowledgement has the new one', async () => {
  await using fixture = await ProxyFixture.start({ bundle: { token: 'token-0-xxxxxxxx' } });
  const { homeserver } = fixture;
  homeserver.tokens.add('token-0-xxxxxxxx').add('token-1-xxxxxxxx');
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    homeserver.script = () => {
      resolve();
      return new Promise((answer) => {
        release = () => answer(false);
      });
    };
  });
  const old = fixture.send(ROOM, { body: 'old' });
  await held;
  homeserver.script = undefined;
  await fixture.configure({ token: 'token-1-xxxxxxxx' });
  assert.equal((await fixture.send('!other:test.local', { body: 'new' })).status, 200);
  release();
  assert.equal((await old).status, 200);
  assert.deepEqual(
    homeserver.seen.map((seen) => seen.headers.authorization),
    ['Bearer token-0-xxxxxxxx', 'Bearer token-1-xxxxxxxx'],
  );
});

test('rotation under load: no request that starts after an acknowledgement carries an older key, and none fails', async () => {
  await using fixture = await ProxyFixture.start({ bundle: { token: tokenOf(0) } });
  const { homeserver } = fixture;
  const rotations = 20;
  for (let index = 0; index <= rotations; index += 1) homeserver.tokens.add(tokenOf(index));
  let acknowledged = 0;
  let asked = 0;
  let running = true;
  const worker = async (): Promise<void> => {
    while (running) {
      const answer = await fixture.send(ROOM, { body: `sent at ${acknowledged}` });
      assert.equal(answer.status, 200, answer.text);
    }
  };
  const workers = Array.from({ length: 8 }, worker);
  for (let index = 1; index <= rotations; index += 1) {
    asked = index;
    await fixture.configure({ token: tokenOf(index) });
    acknowledged = index;
    await fixture.send(ROOM, { body: `sent at ${acknowledged}` });
  }
  running = false;
  await Promise.all(workers);
  assert.equal(asked, rotations);
  assert.ok(homeserver.seen.length > rotations * 2, 'there was load');
  for (const seen of homeserver.seen) {
    const sentAt = Number(/sent at (\d+)/.exec(seen.body)?.[1]);
    const carried = Number(/token-(\d+)-/.exec(seen.headers.authorization ?? '')?.[1]);
    assert.ok(carried >= sentAt, `sent at ${sentAt} with key ${carried}`);
  }
});

function tokenOf(index: number): string {
  return `token-${index}-aSecretOfThisTest`;
}

test('no key is in any log line, answer or error after a run of everything that can go wrong', async () => {
  await using fixture = await ProxyFixture.start();
  const { homeserver } = fixture;
  await fixture.send(ROOM, { body: 'x' });
  await fixture.send(ROOM, { body: TOKEN.slice(0, 4) });
  for (const status of [401, 403, 404, 429, 500, 302, 200]) {
    homeserver.script = (seen, response) => {
      response.writeHead(status, { 'x-echo': seen.headers.authorization ?? '', location: `/?${seen.headers.authorization}` });
      response.end(JSON.stringify({ errcode: 'M_FORBIDDEN', error: `echo ${seen.headers.authorization}`, event_id: `$${TOKEN}` }));
      return true;
    };
    await fixture.send(ROOM, { body: 'x' });
    await fixture.send('#a:test.local', { body: 'x' });
  }
  homeserver.script = (_seen, response) => {
    response.destroy();
    return true;
  };
  await fixture.send(ROOM, { body: 'x' });
  await fixture.raw('garbage\r\n\r\n');
  await assert.rejects(fixture.configure({ url: 'http://example.org' }), { code: 'upstream_insecure' });
  await assert.rejects(fixture.configure({ token: `${TOKEN}\n` }), { code: 'secret_unusable' });
  await fixture.configure({ url: 'http://127.0.0.1:1' });
  await fixture.send(ROOM, { body: 'x' });
  const everything = fixture.log() + fixture.received.join('\n');
  assert.ok(
    homeserver.seen.some((seen) => seen.headers.authorization === `Bearer ${TOKEN}`),
    'the control: the key was in use',
  );
  assert.ok(everything.length > 5_000, 'the control: there is something to search');
  for (const form of [
    TOKEN,
    TOKEN.slice(0, 20),
    Buffer.from(TOKEN).toString('base64').slice(0, 24),
    encodeURIComponent(`Bearer ${TOKEN}`),
  ]) {
    assert.ok(!everything.includes(form), `found ${form}`);
  }
});

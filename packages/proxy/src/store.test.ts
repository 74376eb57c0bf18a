// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '@bureau/core';
import { pack } from 'msgpackr';
import { PROXY_LIMITS } from './limits.ts';
import { CredentialStore } from './store.ts';
import { bundle, type BundleOverrides } from './testing/proxy-fixture.ts';

const URL = 'http://127.0.0.1:1';
const NOW = 1_000_000;

function clockAt(): Clock & { time: number } {
  const clock = { time: NOW, now: () => clock.time, monotonic: () => clock.time, setTimer: () => ({ clear: () => undefined }) };
  return clock;
}

function configure(store: CredentialStore, overrides: BundleOverrides = {}): { readonly digest: string } {
  const { principal, header, secrets } = bundle(URL, overrides);
  return store.configure(principal, header, secrets);
}

test('CredentialStore: leases keep their keys over a rotation, which are zeroed with the last of them', () => {
  using store = new CredentialStore(PROXY_LIMITS, clockAt());
  configure(store, { token: 'old-token-1' });
  const [first, second] = [store.lease(), store.lease()];
  configure(store, { token: 'new-token-2' });
  using third = store.lease();
  assert.deepEqual(third.credentials.injectedHeaders('matrix'), { authorization: 'Bearer new-token-2' });
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.deepEqual(second.credentials.injectedHeaders('matrix'), { authorization: 'Bearer old-token-1' });
  second[Symbol.dispose]();
  assert.throws(() => second.credentials.injectedHeaders('matrix'), { code: 'secret_disposed' });
});

test('CredentialStore: unused keys are zeroed at once by a rotation and by its end', () => {
  const store = new CredentialStore(PROXY_LIMITS, clockAt());
  configure(store);
  const lease = store.lease();
  lease[Symbol.dispose]();
  configure(store);
  assert.throws(() => lease.credentials.injectedHeaders('matrix'), { code: 'secret_disposed' });
  const last = store.lease();
  store[Symbol.dispose]();
  assert.doesNotThrow(() => last.credentials.injectedHeaders('matrix'), 'a lease that runs keeps its keys');
  last[Symbol.dispose]();
  assert.throws(() => last.credentials.injectedHeaders('matrix'), { code: 'secret_disposed' });
  assert.throws(() => store.lease(), { code: 'not_configured' });
});

test('CredentialStore.configure zeroes what it was handed, also when it refuses', () => {
  using store = new CredentialStore(PROXY_LIMITS, clockAt());
  for (const [overrides, code] of [
    [{}, undefined],
    [{ header: { v: 2 } }, 'header_malformed'],
    [{ url: 'http://example.org' }, 'upstream_insecure'],
  ] as const) {
    const { principal, header, secrets } = bundle(URL, overrides);
    if (code === undefined) store.configure(principal, header, secrets);
    else assert.throws(() => store.configure(principal, header, secrets), { code });
    assert.ok(secrets.every((byte) => byte === 0));
  }
});

test('CredentialStore.configure refuses another principal for life, and changes nothing then', () => {
  using store = new CredentialStore(PROXY_LIMITS, clockAt());
  const other = bundle(URL, { principal: 'probe/two' });
  assert.throws(() => store.configure('probe/one', other.header, other.secrets), { code: 'principal_mismatch' });
  assert.equal(store.header, undefined);
  configure(store, { token: 'first-token' });
  assert.throws(() => configure(store, { principal: 'probe/two' }), { code: 'principal_mismatch' });
  using lease = store.lease();
  assert.deepEqual(lease.credentials.injectedHeaders('matrix'), { authorization: 'Bearer first-token' });
});

test('CredentialStore: keys that lapsed are refused when they come and when they are used', () => {
  const clock = clockAt();
  using store = new CredentialStore(PROXY_LIMITS, clock);
  assert.throws(() => configure(store, { header: { expires_at: NOW } }), { code: 'bundle_expired' });
  configure(store, { header: { expires_at: NOW + 1 } });
  store.lease()[Symbol.dispose]();
  clock.time += 1;
  assert.throws(() => store.lease(), { code: 'credentials_expired', status: 403 });
});

test('CredentialStore.configure refuses bundles that could not be used safely, without a byte of them in the message', () => {
  using store = new CredentialStore(PROXY_LIMITS, clockAt());
  const inject = (header: string, secret = 'MATRIX_TOKEN'): Record<string, unknown> => ({ inject: [{ secret, header, prefix: '' }] });
  const secret = (text: string): { secrets: Record<string, Uint8Array> } => ({ secrets: { MATRIX_TOKEN: Buffer.from(text) } });
  const cases: [BundleOverrides, string][] = [
    [{ url: 'http://example.org' }, 'upstream_insecure'],
    [{ url: 'http://127.0.0.1.example.org' }, 'upstream_insecure'],
    [{ url: 'http://10.0.0.1' }, 'upstream_insecure'],
    [{ url: 'http://0.0.0.0:80' }, 'upstream_insecure'],
    [{ url: 'http://[::ffff:7f00:1]' }, 'upstream_insecure'],
    [{ url: 'ftp://127.0.0.1' }, 'upstream_invalid'],
    [{ url: 'file:///etc/passwd' }, 'upstream_invalid'],
    [{ url: 'https://user:pw@example.org' }, 'upstream_invalid'],
    [{ url: 'https://example.org/?x=1' }, 'upstream_invalid'],
    [{ url: 'https://example.org/#x' }, 'upstream_invalid'],
    [{ upstream: inject('Host') }, 'injection_unsafe'],
    [{ upstream: inject('Transfer-Encoding') }, 'injection_unsafe'],
    [{ upstream: inject('content-length') }, 'injection_unsafe'],
    [{ upstream: inject('x-key', 'OTHER') }, 'secret_missing'],
    [secret('hidden\r\nx: y'), 'secret_unusable'],
    [secret('hidden with space'), 'secret_unusable'],
    [secret('hidden\0'), 'secret_unusable'],
    [secret('hidd\u00e9n'), 'secret_unusable'],
    [secret(''), 'secrets_malformed'],
    [{ secrets: { 'lower-hidden': Buffer.from('hidden') } }, 'secrets_malformed'],
    [{ secrets: Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`S${index}`, Buffer.from('hidden')])) }, 'secrets_malformed'],
    [{ header: { user_id: 'hidden' } }, 'header_malformed'],
    [{ header: { extra: 1 } }, 'header_malformed'],
  ];
  for (const [overrides, code] of cases) {
    assert.throws(
      () => configure(store, overrides),
      (error: Error & { code?: string }) =>
        error.code === code && !/hidden.*(x: y|space)|hidd\u00e9n/.test(error.message + String(error.cause)),
      `${JSON.stringify(overrides)} → ${code}`,
    );
  }
  const { principal, header } = bundle(URL);
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from([0xc1]),
    Buffer.from(pack(['a'])),
    Buffer.from(pack(new Map([['A', 'text']]))),
    Buffer.from(pack(new Map([[1, Buffer.from('x')]]))),
  ]) {
    assert.throws(() => store.configure(principal, header, bytes), { code: 'secrets_malformed' });
  }
  for (const bytes of [Buffer.alloc(0), Buffer.from('{'), Buffer.from([0xff]), Buffer.from('null')]) {
    assert.throws(() => store.configure(principal, bytes, bundle(URL).secrets), { code: 'header_malformed' });
  }
  for (const url of ['http://localhost:1', 'http://127.8.9.1', 'http://[::1]:5', 'https://example.org/base/']) configure(store, { url });
});

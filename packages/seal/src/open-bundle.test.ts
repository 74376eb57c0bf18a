// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import { BUNDLE_LIFE_MAX, BUNDLE_MAX_BYTES, BUNDLE_SKEW_MAX, HEADER_MAX_BYTES, SECRETS_MAX_BYTES } from '@bureau/protocol';
import { Encrypter } from 'age-encryption';
import fc from 'fast-check';
import { generateIdentity } from './age-identity.ts';
import { decodeBinMap, encodeBinMap } from './bin-map.ts';
import { collect } from './decrypt.ts';
import { decodeSecrets, openBundle, openPlaintext, type BundleRules } from './open-bundle.ts';
import { generateOperatorKey, operatorSigner } from './operator-keys.ts';
import { sealBundle } from './seal-bundle.ts';
import { NOW, goodHeader, goodSecrets, plaintext, standIn } from './stand-in.testing.ts';

const stand = await standIn();
const sealed = await sealBundle({ header: goodHeader, secrets: goodSecrets() }, { signer: stand.signer, recipients: [stand.recipient] });

test('openBundle gives header, secrets and digests of what sealBundle sealed', async () => {
  const opened = await openBundle(sealed, { ...stand.rules, identity: stand.identity });
  using secrets = opened.secrets;
  assert.deepEqual(opened.header, goodHeader);
  assert.deepEqual(JSON.parse(Buffer.from(opened.headerBytes).toString()), goodHeader);
  assert.equal(opened.digest, createHash('sha256').update(sealed).digest('hex'));
  assert.equal(decodeSecrets(secrets.bytes).get('MATRIX_TOKEN')?.toString(), 'hunter2-hunter2-hunter2');
});

test('openBundle lets the escrow open too, and nobody else', async () => {
  const escrow = await generateIdentity();
  const both = await sealBundle(
    { header: goodHeader, secrets: goodSecrets() },
    { signer: stand.signer, recipients: [stand.recipient, escrow.recipient] },
  );
  for (const identity of [stand.identity, escrow.identity])
    (await openBundle(both, { ...stand.rules, identity })).secrets[Symbol.dispose]();
  const stranger = await generateIdentity();
  await assert.rejects(openBundle(both, { ...stand.rules, identity: stranger.identity }), { code: 'bundle_unreadable' });
});

test('openBundle refuses every changed byte and every truncation', async () => {
  for (let index = 0; index < sealed.length; index += 1) {
    const flipped = Uint8Array.from(sealed);
    flipped[index] = (flipped[index] ?? 0) ^ (1 << (index % 8));
    await assert.rejects(openBundle(flipped, { ...stand.rules, identity: stand.identity }), { code: 'bundle_unreadable' }, `byte ${index}`);
  }
  for (let length = 0; length < sealed.length; length += 7) {
    await assert.rejects(
      openBundle(sealed.subarray(0, length), { ...stand.rules, identity: stand.identity }),
      { code: 'bundle_unreadable' },
      `length ${length}`,
    );
  }
});

test('openBundle answers any bytes with a refusal', async () => {
  const start = Buffer.from('age-encryption.org/v1\n-> X25519 ');
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }).map((rest) => Buffer.concat([start, rest, Buffer.from('\n--- '), rest])),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (ciphertext) => {
      await assert.rejects(openBundle(ciphertext, { ...stand.rules, identity: stand.identity }), { code: 'bundle_unreadable' });
    }),
  );
});

test('openBundle refuses an age file with thousands of recipients before it tries any', async () => {
  const stanza = `-> X25519 ${'A'.repeat(43)}\n${'A'.repeat(43)}\n`;
  const crowded = Buffer.from(`age-encryption.org/v1\n${stanza.repeat(2_000)}--- ${'A'.repeat(43)}\n`);
  await assert.rejects(openBundle(crowded, { ...stand.rules, identity: stand.identity }), {
    code: 'bundle_unreadable',
    message: /very many recipients/,
  });
});

test('openBundle refuses what is too large before it decrypts', async () => {
  await assert.rejects(openBundle(new Uint8Array(BUNDLE_MAX_BYTES + 1), { ...stand.rules, identity: stand.identity }), {
    code: 'bundle_malformed',
  });
});

test('openBundle refuses an age file for this machine that is not a bundle', async () => {
  const encrypter = new Encrypter();
  encrypter.addRecipient(stand.recipient);
  for (const content of ['', 'hello', '{"header":{}}', 'x'.repeat(200_000)]) {
    await assert.rejects(openBundle(await encrypter.encrypt(content), { ...stand.rules, identity: stand.identity }), {
      code: 'bundle_malformed',
    });
  }
});

type Case = readonly [why: string, code: string, plain: () => Buffer, rules?: Partial<BundleRules>];
const stranger = operatorSigner(generateOperatorKey().privatePem);
const withHeader =
  (changes: object): (() => Buffer) =>
  () =>
    plaintext(stand.signer, { ...goodHeader, ...changes });
const parts = (): Map<string, Uint8Array> => new Map(decodeBinMap(plaintext(stand.signer, goodHeader), 3));
const changed = (change: (map: Map<string, Uint8Array>) => void) => (): Buffer => {
  const map = parts();
  change(map);
  return encodeBinMap(map);
};
const good = withHeader({});
const goodDigest = openPlaintext(good(), stand.rules).contentDigest;

const refusals: readonly Case[] = [
  ['a part missing', 'bundle_malformed', changed((map) => map.delete('signature'))],
  ['a part too many', 'bundle_malformed', changed((map) => map.set('more', new Uint8Array(1)))],
  ['a part under another name', 'bundle_malformed', changed((map) => map.delete('secrets') && map.set('secret', new Uint8Array(1)))],
  ['a header that is too large', 'bundle_malformed', changed((map) => map.set('header', new Uint8Array(HEADER_MAX_BYTES + 1)))],
  ['secrets that are too large', 'bundle_malformed', changed((map) => map.set('secrets', new Uint8Array(SECRETS_MAX_BYTES + 1)))],
  ['an empty signature', 'bundle_signature', changed((map) => map.set('signature', new Uint8Array()))],
  ['a signature of zeros', 'bundle_signature', changed((map) => map.set('signature', new Uint8Array(64)))],
  [
    'a signature with a byte too many',
    'bundle_signature',
    changed((map) => map.set('signature', Buffer.concat([map.get('signature') ?? Buffer.of(), Buffer.of(0)]))),
  ],
  [
    'other secrets under the signature',
    'bundle_signature',
    changed((map) => map.set('secrets', encodeBinMap([['MATRIX_TOKEN', Buffer.from('other')]]))),
  ],
  [
    'header and secrets exchanged',
    'bundle_signature',
    changed((map) => map.set('header', map.get('secrets') ?? Buffer.of()).set('secrets', parts().get('header') ?? Buffer.of())),
  ],
  ['an operator who is not pinned', 'bundle_signature', () => plaintext(stranger, goodHeader)],
  ['no pinned operator at all', 'bundle_signature', good, { operators: [] }],
  [
    'a pinned key of another kind',
    'bundle_signature',
    good,
    { operators: [generateKeyPairSync('x25519').publicKey, generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey] },
  ],
  ['a header that is not UTF-8', 'bundle_malformed', () => plaintext(stand.signer, Uint8Array.of(0x7b, 0xff, 0x7d))],
  ['a header that is not JSON', 'bundle_malformed', () => plaintext(stand.signer, Buffer.from('{'))],
  ['a header of a newer version', 'bundle_malformed', withHeader({ v: 2 })],
  ['a header with an unknown field', 'bundle_malformed', withHeader({ allow_everything: true })],
  ['a header without upstreams', 'bundle_malformed', withHeader({ upstreams: undefined })],
  [
    'an injection without its secret',
    'bundle_malformed',
    withHeader({ upstreams: { x: { url: 'http://x', inject: [{ secret: 'MISSING', header: 'A' }] } } }),
  ],
  ['secrets that are not a map', 'bundle_malformed', () => plaintext(stand.signer, goodHeader, Buffer.from('hunter2'))],
  [
    'a secret under a name that is none',
    'bundle_malformed',
    () => plaintext(stand.signer, { ...goodHeader, upstreams: {} }, encodeBinMap([['lower', Buffer.from('hunter2')]])),
  ],
  ['another principal', 'bundle_principal', good, { principal: parsePrincipalName('iree/amdgpu/pm2') }],
  ['a principal above', 'bundle_principal', good, { principal: parsePrincipalName('iree/amdgpu') }],
  ['another machine', 'bundle_machine', good, { machine: 'machine/other' }],
  ['expiry', 'bundle_expired', good, { now: goodHeader.expires_at }],
  ['a life beyond the longest', 'bundle_malformed', withHeader({ expires_at: goodHeader.issued_at + BUNDLE_LIFE_MAX + 1 })],
  ['the farthest expiry that a number holds', 'bundle_malformed', withHeader({ expires_at: Number.MAX_SAFE_INTEGER })],
  [
    'an issue time ahead of the clock',
    'bundle_not_yet_valid',
    withHeader({ issued_at: NOW + BUNDLE_SKEW_MAX + 1, expires_at: NOW + BUNDLE_SKEW_MAX + 2 }),
  ],
  ['an issue time before the last', 'bundle_replayed', good, { lastIssuedAt: goodHeader.issued_at + 1 }],
  ['the same issue time with other content', 'bundle_replayed', good, { lastIssuedAt: goodHeader.issued_at, lastDigest: '0'.repeat(64) }],
];

for (const [why, code, plain, rules] of refusals) {
  test(`openPlaintext refuses ${why}: ${code}; all is zeroed, and nothing quoted`, () => {
    const bytes = plain();
    assert.throws(
      () => openPlaintext(bytes, { ...stand.rules, ...rules }),
      (error: Error & { code: string }) => {
        assert.equal(error.code, code);
        assert.match(error.message, /^Refused the credential bundle: /);
        assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /hunter2/);
        return true;
      },
    );
    assert.deepEqual(new Uint8Array(bytes.buffer), new Uint8Array(bytes.buffer.byteLength), 'plaintext is left in memory');
  });
}

for (const [why, plain, rules] of [
  ['the last moment of its life', good, { now: goodHeader.expires_at - 1 }],
  ['the longest life', withHeader({ expires_at: goodHeader.issued_at + BUNDLE_LIFE_MAX }), {}],
  ['a clock that is behind within the skew', withHeader({ issued_at: NOW + BUNDLE_SKEW_MAX }), {}],
  ['the same bundle again', good, { lastIssuedAt: goodHeader.issued_at, lastDigest: goodDigest }],
  ['the same issue time when no digest was kept', good, { lastIssuedAt: goodHeader.issued_at }],
  ['a newer one', good, { lastIssuedAt: goodHeader.issued_at - 1, lastDigest: '0'.repeat(64) }],
  ['one of several operators', good, { operators: [createPublicKey(stranger), ...stand.rules.operators] }],
] as const) {
  test(`openPlaintext accepts ${why}, and zeroes the plaintext`, () => {
    const bytes = plain();
    const opened = openPlaintext(bytes, { ...stand.rules, ...rules });
    assert.equal(decodeSecrets(opened.secrets.bytes).get('MATRIX_TOKEN')?.toString(), 'hunter2-hunter2-hunter2');
    assert.deepEqual(new Uint8Array(bytes.buffer), new Uint8Array(bytes.buffer.byteLength));
    opened.secrets[Symbol.dispose]();
  });
}

test('openPlaintext refuses any one changed byte of the plaintext', () => {
  const whole = good();
  for (let index = 0; index < whole.length; index += 1) {
    const flipped = Buffer.from(whole);
    flipped[index] = (flipped[index] ?? 0) ^ (1 << (index % 8));
    assert.throws(
      () => openPlaintext(flipped, stand.rules),
      (error: { code?: string }) => error.code === 'bundle_malformed' || error.code === 'bundle_signature',
      `byte ${index}`,
    );
  }
});

test('openPlaintext answers any header that an operator may sign with a bundle or a refusal', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(goodHeader), '__proto__', 'allowed_specs', 'note'), fc.jsonValue(), (field, value) => {
      const text = JSON.stringify(goodHeader).slice(0, -1);
      const bytes = plaintext(stand.signer, Buffer.from(`${text},${JSON.stringify(field)}:${JSON.stringify(value)}}`));
      try {
        openPlaintext(bytes, stand.rules).secrets[Symbol.dispose]();
      } catch (error) {
        assert.match((error as { code?: string }).code ?? '', /^bundle_/);
      }
    }),
  );
});

test('the order of judgement: what is not signed is not read', () => {
  const unsigned = plaintext(stranger, { ...goodHeader, principal: 'other', expires_at: 0 });
  assert.throws(() => openPlaintext(unsigned, stand.rules), { code: 'bundle_signature' });
  const wrong = plaintext(stand.signer, { ...goodHeader, principal: 'other', machine: 'machine/other', expires_at: 1, issued_at: 0 });
  assert.throws(() => openPlaintext(wrong, { ...stand.rules, lastIssuedAt: NOW }), { code: 'bundle_principal' });
});

test('collect zeroes each chunk, and all of it when the stream fails', async () => {
  const chunks = [Buffer.from('hunter2'), Buffer.from('hunter3')];
  const whole = await collect(ReadableStream.from(chunks), 20);
  assert.equal(whole.toString(), 'hunter2hunter3');
  assert.deepEqual(chunks, [Buffer.alloc(7), Buffer.alloc(7)]);
  const late = Buffer.from('hunter4');
  async function* failing(): AsyncGenerator<Buffer> {
    yield late;
    throw new Error('damaged');
  }
  await assert.rejects(collect(ReadableStream.from(failing()), 20), /damaged/);
  assert.deepEqual(late, Buffer.alloc(7));
  const over = Buffer.from('hunter5');
  await assert.rejects(collect(ReadableStream.from([over]), 3));
  assert.deepEqual(over, Buffer.alloc(7));
});

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseAuthority, parseHost } from './host-name.ts';

const READ: Readonly<Record<string, string>> = {
  'Example.ORG': 'example.org',
  'example.org.': 'example.org',
  '127.0.0.1': '127.0.0.1',
  '0x7f.1': '127.0.0.1',
  '0177.0.0.1': '127.0.0.1',
  '2130706433': '127.0.0.1',
  '0x7f000001': '127.0.0.1',
  '127.0.0.1.': '127.0.0.1',
  '0xa9fea9fe': '169.254.169.254',
  '0': '0.0.0.0',
  '0x': '0.0.0.0',
  '[::1]': '[::1]',
  '[0:0:0:0:0:0:0:1]': '[::1]',
  '[::ffff:127.0.0.1]': '[::ffff:7f00:1]',
  '[FD00:EC2::254]': '[fd00:ec2::254]',
  'xn--bcher-kva.example': 'xn--bcher-kva.example',
  a_b: 'a_b',
};

for (const [text, expected] of Object.entries(READ)) {
  test(`parseHost reads ${text} as ${expected}, as the URL parser does`, () => {
    assert.equal(parseHost(text)?.text, expected);
    assert.equal(new URL(`http://${text}/`).hostname.replace(/\.$/, ''), expected);
  });
}

const REFUSED: readonly string[] = [
  '',
  '.',
  '..',
  'a..b',
  '.example.org',
  'ex%61mple.org',
  'example.org%00',
  '[fe80::1%25eth0]',
  '[fe80::1%eth0]',
  'fe80::1',
  '[::1',
  '::1]',
  '[127.0.0.1]',
  '1.2.3.4.5',
  '256.0.0.1',
  '1.2.3.08',
  '0xg.0.0.1',
  'foo.0x1',
  'a b',
  'a\\b',
  'a/b',
  'a@b',
  'user@example.org',
  'bücher.example',
  'exam\u200dple.org',
  `${'a'.repeat(64)}.org`,
  `${'a.'.repeat(130)}org`,
  'a\0b',
];

for (const text of REFUSED) {
  test(`parseHost refuses ${JSON.stringify(text.slice(0, 30))}`, () => assert.equal(parseHost(text), undefined));
}

test('parseHost, differential: whatever it takes, the WHATWG URL parser reads as the same host', () => {
  const label = fc.oneof(
    fc.stringMatching(/^[a-zA-Z0-9._%-]{0,12}$/),
    fc.constantFrom('0x7f', '010', '08', '255', '256', '1', '0', '0x', 'xn--nxasmq6b', 'xn--', '%31', '4294967295', '4294967296'),
    fc.string({ maxLength: 4 }),
  );
  const host = fc.oneof(
    fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.')),
    fc.ipV4(),
    fc.ipV6().map((text) => `[${text}]`),
    fc.ipV4Extended(),
    fc.domain(),
  );
  let taken = 0;
  fc.assert(
    fc.property(host, (text) => {
      const ours = parseHost(text);
      if (ours === undefined) return;
      taken += 1;
      assert.equal(new URL(`http://${text}/`).hostname.replace(/\.$/, ''), ours.text);
      assert.equal(parseHost(ours.text)?.text, ours.text, 'its spelling is its own');
    }),
    { numRuns: 5_000 },
  );
  assert.ok(taken > 1_000, `only ${taken} were taken: the test says too little`);
});

test('parseAuthority: a port is a port, and nothing hides beside the host', () => {
  assert.deepEqual([parseAuthority('a.org:443')?.host.text, parseAuthority('a.org:443')?.port], ['a.org', 443]);
  assert.deepEqual([parseAuthority('[::1]:80')?.host.text, parseAuthority('[::1]:80')?.port], ['[::1]', 80]);
  assert.equal(parseAuthority('a.org')?.port, undefined);
  for (const text of [
    'a.org:',
    'a.org:0',
    'a.org:65536',
    'a.org:-1',
    'a.org:+1',
    'a.org:443:443',
    'x@a.org:443',
    'a.org:443/x',
    'a.org:443?x',
    ':443',
    '::1:443',
    'a.org:0x1bb',
  ]) {
    assert.equal(parseAuthority(text), undefined, text);
  }
});

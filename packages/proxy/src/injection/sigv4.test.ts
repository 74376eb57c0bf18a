// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY_PAYLOAD, amzDate, authorizationOf, type SignableRequest } from './sigv4.ts';

const SCOPE = {
  region: 'us-east-1',
  service: 'service',
  accessKey: 'AKIDEXAMPLE',
  secretKey: Buffer.from('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'),
};
const AT = Date.UTC(2015, 7, 30, 12, 36);

/** A request of AWS's own test suite: all are to this host at this time. */
function suite(request: Partial<SignableRequest>): SignableRequest {
  const headers = [['host', 'example.amazonaws.com'], ['x-amz-date', '20150830T123600Z'], ...(request.headers ?? [])] as [string, string][];
  return { method: 'GET', path: '/', query: '', payload: EMPTY_PAYLOAD, ...request, headers };
}

test("authorizationOf gives the signatures of AWS's published suite", () => {
  const cases: [string, Partial<SignableRequest>, string, string][] = [
    ['get-vanilla', {}, 'host;x-amz-date', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    ['post-vanilla', { method: 'POST' }, 'host;x-amz-date', '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
    [
      'get-vanilla-query-order-key-case',
      { query: 'Param2=value2&Param1=value1' },
      'host;x-amz-date',
      'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    ],
    [
      'get-vanilla-query-unreserved',
      {
        query:
          '-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
      },
      'host;x-amz-date',
      '9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197',
    ],
    [
      'get-utf8',
      { path: Buffer.from('/\u1234').toString('latin1') },
      'host;x-amz-date',
      '8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85',
    ],
    [
      'get-header-value-multiline',
      {
        headers: [
          ['my-header1', 'value1'],
          ['my-header1', 'value2'],
          ['my-header1', 'value3'],
        ],
      },
      'host;my-header1;x-amz-date',
      'ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790',
    ],
    [
      'get-header-key-duplicate',
      {
        headers: [
          ['my-header1', 'value2'],
          ['my-header1', 'value2'],
          ['my-header1', 'value1'],
        ],
      },
      'host;my-header1;x-amz-date',
      'c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea',
    ],
  ];
  for (const [name, request, signed, signature] of cases) {
    assert.equal(
      authorizationOf(suite(request), SCOPE, AT),
      `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=${signed}, Signature=${signature}`,
      name,
    );
  }
});

test("authorizationOf gives the signature of S3's documented GET Object", () => {
  const headers: [string, string][] = [
    ['host', 'examplebucket.s3.amazonaws.com'],
    ['range', 'bytes=0-9'],
    ['x-amz-content-sha256', EMPTY_PAYLOAD],
    ['x-amz-date', '20130524T000000Z'],
  ];
  const scope = {
    ...SCOPE,
    service: 's3',
    accessKey: 'AKIAIOSFODNN7EXAMPLE',
    secretKey: Buffer.from('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'),
  };
  const request = { method: 'GET', path: '/test.txt', query: '', headers, payload: EMPTY_PAYLOAD };
  assert.match(
    authorizationOf(request, scope, Date.UTC(2013, 4, 24)),
    /Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/,
  );
});

test('amzDate has no fractions', () => {
  assert.equal(amzDate(AT + 999), '20150830T123600Z');
});

// SPDX-License-Identifier: Apache-2.0
import { HOP_HEADERS } from '../hop-headers.ts';

/** Headers that belong to one hop or frame a message; never injected, never passed on. */
export const MESSAGE_HEADERS: readonly string[] = [...HOP_HEADERS, 'content-length', 'expect', 'host'];

/** Headers in which clients put keys. What an agent sends there is a placeholder or stolen: it never leaves. */
export const CREDENTIAL_HEADERS: readonly string[] = [
  'api-key',
  'authorization',
  'cookie',
  'private-token',
  'proxy-authorization',
  'x-access-token',
  'x-amz-security-token',
  'x-api-key',
  'x-auth-token',
  'x-goog-api-key',
];

/**
 * Headers by which a hop in front says where a request came from and what it was. Upstreams that trust the proxy before them believe these, so an
 * agent's never leave.
 */
export const ORIGIN_HEADERS: readonly string[] = [
  'cf-connecting-ip',
  'client-ip',
  'fastly-client-ip',
  'forwarded',
  'true-client-ip',
  'via',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-forwarded',
  'x-forwarded-by',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-proto',
  'x-forwarded-scheme',
  'x-forwarded-server',
  'x-forwarded-ssl',
  'x-forwarded-user',
  'x-host',
  'x-original-forwarded-for',
  'x-original-host',
  'x-real-ip',
  'x-remote-addr',
  'x-remote-ip',
  'x-remote-user',
];

/** Headers that make some servers take a request for one with another method or path: dropped where a bundle has rules for these. */
export const OVERRIDE_HEADERS: readonly string[] = [
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-method',
  'x-original-uri',
  'x-original-url',
  'x-override-url',
  'x-rewrite-url',
];

/** Headers of an answer that belong to the hop between us and the upstream. Its length is passed on: it is that of the body. */
export const ANSWER_HOP_HEADERS: readonly string[] = MESSAGE_HEADERS.filter((name) => name !== 'content-length');

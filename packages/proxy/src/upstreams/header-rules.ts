// SPDX-License-Identifier: Apache-2.0

/** Headers that belong to one hop or frame a message; never injected, never passed on. */
export const HOP_HEADERS: readonly string[] = [
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

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

/** Headers of an answer that belong to the hop between us and the upstream. Its length is passed on: it is that of the body. */
export const ANSWER_HOP_HEADERS: readonly string[] = HOP_HEADERS.filter((name) => name !== 'content-length');

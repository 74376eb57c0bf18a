// SPDX-License-Identifier: Apache-2.0

/** Headers of one hop only (RFC 9110, 7.6.1 and 11.7, and what clients of proxies add); lower case. */
export const HOP_HEADERS: readonly string[] = [
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

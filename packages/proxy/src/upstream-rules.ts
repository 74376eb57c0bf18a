// SPDX-License-Identifier: Apache-2.0
import { BureauError, matchGlob } from '@bureau/core';
import type { UpstreamRule } from '@bureau/protocol';
import { CREDENTIAL_HEADERS, MESSAGE_HEADERS } from './upstreams/header-rules.ts';

/** True for a header that a bundle must not inject into. */
export function forbiddenInjection(header: string): boolean {
  return MESSAGE_HEADERS.includes(header.toLowerCase());
}

/**
 * What may be called: `https`, or `http` to this machine itself or to a socket on it; no user name, query or fragment. TLS is always verified.
 * Throws `upstream_insecure` or `upstream_invalid`.
 */
export function checkUpstreamUrl(service: string, rule: Pick<UpstreamRule, 'url' | 'unix'>): URL {
  const url = new URL(rule.url);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new BureauError('upstream_invalid', `Upstream ${service} must have an http or https URL, found ${JSON.stringify(url.protocol)}`);
  }
  if (rule.unix !== undefined && url.protocol !== 'http:') {
    throw new BureauError(
      'upstream_invalid',
      `Upstream ${service} has a socket on this host, which is called without TLS: give it an http URL`,
    );
  }
  if (url.protocol === 'http:' && rule.unix === undefined && !isLoopback(url.hostname)) {
    throw new BureauError(
      'upstream_insecure',
      `Upstream ${service} at ${url.host} has an http URL: keys would cross the network in the open; use https (http only for 127.0.0.1, [::1] and localhost)`,
    );
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new BureauError(
      'upstream_invalid',
      `The URL of upstream ${service} must not have a user name, a query or a fragment; keys belong among the secrets`,
    );
  }
  return url;
}

/** The URL parser has already made every spelling of an IPv4 address dotted decimal. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname);
}

/**
 * Which rule of the bundle forbids this call, or `undefined`. `path` is as it will be sent, percent-encoding included, without query;
 * globs are matched against these very bytes, so what is checked is what the upstream reads.
 */
export function refusedBy(rule: UpstreamRule, method: string, path: string): 'methods' | 'paths' | undefined {
  if (rule.methods !== undefined && !rule.methods.includes(method)) return 'methods';
  if (rule.paths !== undefined && !rule.paths.some((pattern) => matchGlob(pattern, path))) return 'paths';
  return undefined;
}

/** True when a segment reads as `.` or `..` to any server, however it is encoded, or a separator hides in it as a backslash. */
export function hasDotSegment(path: string): boolean {
  return path.split(/\/|%2f|\\|%5c/i).some((segment) => /^(\.|%2e){1,2}(;|$)/i.test(segment));
}

/**
 * The headers of a call to an upstream: the given ones without hop-by-hop headers, those that `Connection` names, and credentials;
 * then the injected ones, which nothing can override. Names come out in lower case.
 */
export function outgoingHeaders(
  given: Readonly<Record<string, string>>,
  injected: Readonly<Record<string, string>>,
): Record<string, string> {
  const lowered = Object.entries(given).map(([name, value]) => [name.toLowerCase(), value] as const);
  const named = lowered
    .filter(([name]) => name === 'connection')
    .flatMap(([, value]) =>
      value
        .toLowerCase()
        .split(',')
        .map((part) => part.trim()),
    );
  const kept = lowered.filter(([name]) => !MESSAGE_HEADERS.includes(name) && !CREDENTIAL_HEADERS.includes(name) && !named.includes(name));
  return { ...Object.fromEntries(kept), ...injected };
}

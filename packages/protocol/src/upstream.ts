// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { responseInterceptor } from './response-interceptor.ts';
import { absolutePath, integer, text } from './scalars.ts';

/** The name of a secret inside a bundle. */
export const secretName = v.pipe(v.string(), v.regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'expected a name such as "MATRIX_TOKEN"'));

const headerName = v.pipe(v.string(), v.regex(/^[A-Za-z0-9-]{1,64}$/, 'expected a header name such as "X-Api-Key"'));
/** A name that stands in a query or a cookie without any escape. */
const plainName = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.~-]{1,64}$/, 'expected a name of A-Z, a-z, 0-9, "_", ".", "~" and "-"'));

/** Where one secret goes when a request leaves for an upstream. What the agent sent there itself is dropped. */
const injection = v.union([
  /** A header: `prefix` (e.g. `Bearer `), then the secret. */
  v.strictObject({
    secret: secretName,
    header: headerName,
    prefix: v.optional(v.pipe(v.string(), v.regex(/^[ -~]{0,64}$/)), ''),
  }),
  /** A parameter of the query. */
  v.strictObject({ secret: secretName, query: plainName }),
  /** A cookie. */
  v.strictObject({ secret: secretName, cookie: plainName }),
  /** `Authorization: Basic` with this user name (it may be empty) and the secret as password. */
  v.strictObject({ secret: secretName, basic: v.pipe(v.string(), v.regex(/^[!-9;-~]{0,128}$/, 'expected a user name without ":"')) }),
]);

/** AWS Signature Version 4: what the agent signed with its placeholder is signed again. */
const sigv4 = v.strictObject({
  kind: v.literal('sigv4'),
  region: v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,32}$/)),
  /** The name in the scope: `s3`, `bedrock`, … */
  service: v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,32}$/)),
  access_key: secretName,
  secret_key: secretName,
  session_token: v.optional(secretName),
});

/** A bearer token from an OAuth 2.0 token endpoint, renewed before it lapses. */
const oauth2 = v.strictObject({
  kind: v.literal('oauth2'),
  grant: v.picklist(['client_credentials', 'refresh_token']),
  token_url: v.pipe(v.string(), v.maxLength(2_000), v.url()),
  client_id: v.pipe(v.string(), v.regex(/^[ -~]{1,200}$/)),
  client_secret: v.optional(secretName),
  /** With the grant of that name. A server that gives a new one at each use is followed in memory only (ADR of the upstreams). */
  refresh_token: v.optional(secretName),
  scope: v.optional(v.pipe(v.string(), v.regex(/^[ -~]{0,1000}$/))),
  audience: v.optional(v.pipe(v.string(), v.regex(/^[!-~]{0,500}$/))),
  /** How the client says who it is: HTTP Basic (absent), or fields of the form. */
  client_auth: v.optional(v.picklist(['basic', 'form']), 'basic'),
});

/** One upstream that the proxy may call, with which key, and how. Every field but `url` and `inject` may be absent. */
export const upstream = v.strictObject({
  url: v.pipe(v.string(), v.maxLength(2_000), v.url()),
  inject: v.pipe(v.array(injection), v.maxLength(16)),
  /** Keys that are more than a value put somewhere. */
  auth: v.optional(v.variant('kind', [sigv4, oauth2])),
  /** Methods that are let through; absent: all but CONNECT and TRACE. */
  methods: v.optional(v.pipe(v.array(v.pipe(v.string(), v.regex(/^[A-Z]{1,16}$/))), v.maxLength(16))),
  /** Path globs that are let through; absent: all. */
  paths: v.optional(v.pipe(v.array(text(500)), v.maxLength(256))),
  /** The socket on this host that is dialled instead of the URL's host; the URL is `http:` then. */
  unix: v.optional(absolutePath),
  /** Certificates in PEM: the only ones that are trusted for this upstream. Absent: those that come with Node. */
  ca: v.optional(v.pipe(v.string(), v.maxLength(64 * 1_024), v.regex(/^[\t\n\r -~]*-----BEGIN CERTIFICATE-----[\t\n\r -~]*$/))),
  /** HTTP/2 and nothing else; absent or false: HTTP/1.1. */
  http2: v.optional(v.boolean()),
  /** A change of protocol to WebSocket is passed on, with the key in it; absent or false: 426. */
  websocket: v.optional(v.boolean()),
  /** Headers of the agent that are dropped, besides those that always are. */
  strip_request: v.optional(v.pipe(v.array(headerName), v.maxLength(32))),
  /** Headers of the answer that are dropped, e.g. `set-cookie`. */
  strip_response: v.optional(v.pipe(v.array(headerName), v.maxLength(32))),
  /** Keys are looked for in bodies of answers and in WebSocket messages, and blanked; absent: yes. Compressed answers are refused then. */
  redact_bodies: v.optional(v.boolean()),
  /** Answers that become events in rooms; absent: none. */
  response_interceptors: v.optional(v.pipe(v.array(responseInterceptor), v.maxLength(16))),
  /** Milliseconds; absent: the proxy's own limits. A body has no time limit in all: `idle` is the longest silence in it, 0 for any. */
  timeouts: v.optional(
    v.strictObject({
      connect: v.optional(integer(1, 600_000)),
      headers: v.optional(integer(1, 3_600_000)),
      idle: v.optional(integer(0, 86_400_000)),
    }),
  ),
  /** The kind of token whose shape a client insists on before it calls: it gets a worthless one. */
  placeholder: v.optional(v.picklist(['anthropic', 'openai', 'github', 'gitlab', 'slack', 'google', 'aws', 'bearer'])),
});
export type UpstreamRule = v.InferOutput<typeof upstream>;

/** The names of all secrets that an upstream needs, each once. */
export function secretsOfUpstream(rule: UpstreamRule): readonly string[] {
  const { auth } = rule;
  const names = rule.inject.map(({ secret }) => secret);
  if (auth?.kind === 'sigv4')
    names.push(auth.access_key, auth.secret_key, ...(auth.session_token === undefined ? [] : [auth.session_token]));
  if (auth?.kind === 'oauth2') {
    for (const name of [auth.client_secret, auth.refresh_token]) if (name !== undefined) names.push(name);
  }
  return [...new Set(names)];
}

// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { authorizationList } from './authorization.ts';
import { call } from './contract.ts';
import { bytes, digest, integer, principalName, text } from './scalars.ts';

/** Most bytes of the secrets of one principal. */
export const SECRETS_MAX_BYTES = 64 * 1024;
/** Most bytes of a bundle's header. */
export const HEADER_MAX_BYTES = 128 * 1024;

/** Most bytes of one proxy's metrics as text. */
const METRICS_MAX_BYTES = 512 * 1024;
/** Longest time that a drain waits. */
const DRAIN_MAX_MILLISECONDS = 600_000;
/** Longest target that is explained. */
const EXPLAINED_CHARACTERS_MAX = 8_000;
const count = integer(0, Number.MAX_SAFE_INTEGER);

/** Launcher and operator → proxy, on `.p/<n>/admin/admin.sock`; peer uid 0 only. Nothing that comes out holds a secret. */
export const proxyContract = {
  name: 'proxy',
  methods: {
    /**
     * Hands over a verified bundle: the header as it was signed and the secrets (msgpack map of name → bin).
     * May be repeated (rotation): requests that start after the answer use the new keys only.
     */
    configure: call(
      v.strictObject({ principal: principalName, header: bytes(HEADER_MAX_BYTES), secrets: bytes(SECRETS_MAX_BYTES) }),
      v.strictObject({ digest }),
    ),
    /** What the principal may do from now on; calls that were judged before go on. Before the first: `DEFAULT_AUTHORIZATION`. */
    authorize: call(v.strictObject({ principal: principalName, authorization: authorizationList }), v.strictObject({})),
    /**
     * Refuses new requests (503 `draining`) and closes each connection with its answer; tells what is left when nothing runs or the
     * time is over. The access log is on disk then. For the rest of the proxy's life.
     */
    drain: call(v.strictObject({ milliseconds: integer(0, DRAIN_MAX_MILLISECONDS) }), v.strictObject({ running: count, tunnels: count })),
    /** Counts since the start, and what is open now. */
    stats: call(
      v.strictObject({}),
      v.strictObject({
        requests: count,
        running: count,
        tunnels: count,
        connections: count,
        refusedConnections: count,
        limited: count,
        lostLines: count,
        eventsSent: count,
        eventsFailed: count,
        eventsDropped: count,
        bytesIn: count,
        bytesOut: count,
        memoryBytes: count,
      }),
    ),
    /** The same and more, in the Prometheus text format. */
    metrics: call(v.strictObject({}), v.strictObject({ text: v.pipe(v.string(), v.maxLength(METRICS_MAX_BYTES)) })),
    /** Marks the request that will carry this trace as a person's in the access log; once, within a minute. */
    announceCall: call(v.strictObject({ traceId: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)) }), v.strictObject({})),
    /** Whether the agent may do an action (`matrix/join`) on a target, or send a request (`GET`, `CONNECT`) somewhere: judged as if it did. */
    explain: call(
      v.strictObject({
        subject: v.pipe(v.string(), v.regex(/^[A-Za-z][A-Za-z0-9/._-]{0,99}$/)),
        target: v.optional(v.pipe(v.string(), v.maxLength(EXPLAINED_CHARACTERS_MAX), v.regex(/^[\x21-\x7e]*$/))),
      }),
      v.strictObject({ allowed: v.boolean(), code: v.nullable(v.string()), rule: v.nullable(v.string()), reason: v.string() }),
    ),
    status: call(
      v.strictObject({}),
      v.strictObject({ build: text(100), principal: v.nullable(principalName), requests: integer(0, Number.MAX_SAFE_INTEGER) }),
    ),
  },
} as const;

// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { absolutePath, integer, text } from './scalars.ts';

/** Longest path of a Unix socket, its NUL included, as the kernel has it (`sun_path`). */
const SOCKET_PATH_MAX = 107;
/** Longest target of a health request: what a person writes by hand. */
const TARGET_MAX = 500;
/** Longest reason that an agent may give for not being well. */
export const HEALTH_REASON_MAX = 200;

/** A Unix socket inside the sandbox, as the payload sees it. */
const endpoint = v.pipe(
  absolutePath,
  v.maxLength(SOCKET_PATH_MAX, `expected the path of a Unix socket, at most ${SOCKET_PATH_MAX} characters`),
);

/** What is sent as the target of an HTTP request: nothing that could end the line. */
const target = v.pipe(
  v.string(),
  v.maxLength(TARGET_MAX),
  v.regex(/^\/[!-~]*$/, 'expected a path such as "/health", of visible ASCII characters without spaces'),
);

/**
 * How a machine finds out whether an agent is well (ADR 0026). The agent listens on a Unix socket in its sandbox, under its own uid. `http`:
 * it answers a GET of `path` with status 200 · `socket`: it is sent the line `{"action":"health"}` and answers with one such as
 * `{"healthy":true}` or `{"healthy":false,"reason":"no database"}`.
 */
export const healthCheck = v.pipe(
  v.strictObject({
    type: v.picklist(['http', 'socket']),
    /** Where it listens, inside: `/workspace/health.sock`. No part of the path may be a symlink. */
    endpoint,
    /** `http`: what is asked for; absent: `/`. */
    path: v.optional(target),
    /** From the end of one probe to the next. */
    intervalSeconds: v.optional(integer(1, 3_600), 10),
    /** How long an answer may take. */
    timeoutSeconds: v.optional(integer(1, 60), 5),
    /** Failures in a row that make it unhealthy: then it is ended, and starts again by its restart policy. */
    failureThreshold: v.optional(integer(1, 100), 3),
    /** After its start failures do not count for so long, or until the first success. */
    gracePeriodSeconds: v.optional(integer(0, 3_600), 30),
  }),
  v.check(({ type, path }) => type === 'http' || path === undefined, '"path" is for "type": "http" alone'),
);
export type HealthCheck = v.InferOutput<typeof healthCheck>;

/** What of a health check its relay needs to try it once. */
export const healthProbe = v.strictObject({
  type: v.picklist(['http', 'socket']),
  endpoint,
  path: v.optional(target),
  milliseconds: integer(1, 60_000),
});
export type HealthProbe = v.InferOutput<typeof healthProbe>;

/** What came of it; the reason in the relay's or the agent's words. */
export const healthFinding = v.strictObject({ healthy: v.boolean(), reason: v.optional(text(HEALTH_REASON_MAX)) });
export type HealthFinding = v.InferOutput<typeof healthFinding>;

/** What a machine knows of an agent that has a health check: `checking` until the first success. */
export const healthState = v.picklist(['checking', 'healthy', 'unhealthy']);
export type HealthState = v.InferOutput<typeof healthState>;

// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { authorizationList } from './authorization.ts';
import { call, stream } from './contract.ts';
import { jsonObject } from './json-object.ts';
import { exitReport, sandboxSpec } from './sandbox-spec.ts';
import { absolutePath, bytes, digest, integer, principalName, principalNumber, signalName, text, timestamp } from './scalars.ts';

/** A sealed bundle is small: keys and rules, not data. */
export const BUNDLE_MAX_BYTES = 256 * 1024;

/** Names one sandbox of one assignment: the daemon chooses it, the launcher keeps it. */
export const sandboxId = v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,64}$/, 'expected 1 to 64 of a-z, 0-9 and "-"'));

/**
 * `creating` → `running` → `exited`; `creating` waits for the first controlling observer when `holdForObserver` was asked.
 * `exited` stays listed until `forget`, so that no exit is lost when the daemon restarts.
 */
const sandboxState = v.picklist(['creating', 'running', 'stopping', 'exited']);

export const sandboxInfo = v.strictObject({
  principal: principalName,
  number: principalNumber,
  id: sandboxId,
  state: sandboxState,
  startedAt: timestamp,
  exit: v.optional(exitReport),
  /** Times that the proxy was started again under this sandbox. */
  proxyRestarts: integer(0, 1_000_000),
  relaySocket: absolutePath,
});
export type SandboxInfo = v.InferOutput<typeof sandboxInfo>;

/** One kind of limit, and whether this host holds sandboxes to it. */
export const resourceFinding = v.strictObject({ resource: text(100), enforced: v.boolean(), how: text(500) });
export type ResourceFinding = v.InferOutput<typeof resourceFinding>;
/** Kinds of limits; there are about ten. */
export const RESOURCE_FINDINGS_MAX = 64;

/** Daemon → launcher, on `.sys/launcher.sock`. The launcher believes none of it without its own judgement. */
export const launcherContract = {
  name: 'launcher',
  methods: {
    status: call(
      v.strictObject({}),
      v.strictObject({
        build: text(100),
        machine: text(100),
        recipient: text(200),
        identityStore: text(40),
        sandboxes: integer(0, 100_000),
        /** What this host holds sandboxes to, and what it does not. */
        resources: v.pipe(v.array(resourceFinding), v.maxLength(RESOURCE_FINDINGS_MAX)),
      }),
    ),
    /**
     * Idempotent for the same principal and id: one that lives is told payload, trigger, bundle and authorization, as far as they are new.
     * One that is cancelled stops where it is, and nothing of it is left. Fails with `principal_busy` when another id is live.
     */
    create: call(
      v.strictObject({
        principal: principalName,
        id: sandboxId,
        spec: sandboxSpec,
        /** age ciphertext; without it the last accepted one is used. */
        bundle: v.optional(bytes(BUNDLE_MAX_BYTES)),
        /** As `authorize` before it, in one call: in force when the payload begins. */
        authorization: v.optional(authorizationList),
        /** The payload does not start before an observer with `control` attaches (a `run` loses no byte). */
        holdForObserver: v.optional(v.boolean(), false),
      }),
      sandboxInfo,
    ),
    /** Judges what a `create` would be judged by, and makes nothing. Fails as that one would. */
    check: call(
      v.strictObject({ principal: principalName, spec: sandboxSpec, bundle: v.optional(bytes(BUNDLE_MAX_BYTES)) }),
      v.strictObject({}),
    ),
    /** TERM, `graceMilliseconds`, then KILL of everything; answers when nothing is left. Unknown principal or id: `not_found`. */
    destroy: call(v.strictObject({ principal: principalName, id: sandboxId, graceMilliseconds: integer(0, 600_000) }), exitReport),
    /** Drops an exited sandbox from the list. */
    forget: call(v.strictObject({ principal: principalName, id: sandboxId }), v.strictObject({})),
    /** Answers with the exit report when nothing of it is left, however long that takes: give it a deadline. */
    wait: call(v.strictObject({ principal: principalName, id: sandboxId }), exitReport),
    /** To the payload's foreground process group, or its first process. `not_running` when it has ended or not begun. */
    signal: call(v.strictObject({ principal: principalName, id: sandboxId, signal: signalName }), v.strictObject({})),
    /** Replaces what the payload reads in `payload.json` and `trigger.json`, each whole; what is left out is `{}` and no file. */
    updatePayload: call(
      v.strictObject({ principal: principalName, id: sandboxId, payload: v.optional(jsonObject), trigger: v.optional(jsonObject) }),
      v.strictObject({}),
    ),
    list: call(v.strictObject({}), v.strictObject({ sandboxes: v.array(sandboxInfo) })),
    /** First one chunk for each sandbox, then one for each change, until cancelled. */
    watch: stream(v.strictObject({}), sandboxInfo, v.strictObject({})),
    /** What a principal may do, kept and told to its proxy; in force when this answers. */
    authorize: call(v.strictObject({ principal: principalName, authorization: authorizationList }), v.strictObject({})),
    /** Rotates a live proxy's credentials; the ciphertext is judged like in `create`. */
    rotate: call(v.strictObject({ principal: principalName, bundle: bytes(BUNDLE_MAX_BYTES) }), v.strictObject({ digest })),
  },
} as const;

// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { egressRules } from './egress.ts';
import { principalLimits } from './proxy-limits.ts';
import { digest, machineName, principalName, text, timestamp, userId } from './scalars.ts';
import { secretName, upstream } from './upstream.ts';

/** The name of a secret's file: one plain component of a path. */
const secretFileName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/, 'expected a file name such as "token.json", without a leading "."'),
);

/**
 * The header of a bundle, version 1 (design, section 6). JSON in UTF-8 inside the bundle; the signature covers its bytes, so it is
 * never written again after signing. `upstreams.matrix` is the homeserver.
 */
export const bundleHeader = v.strictObject({
  v: v.literal(1),
  principal: principalName,
  machine: machineName,
  user_id: userId,
  issued_at: timestamp,
  expires_at: timestamp,
  upstreams: v.record(v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,31}$/)), upstream),
  /** Hosts that may be reached by CONNECT or an absolute target, without keys; absent: none. */
  egress: v.optional(egressRules),
  /** Bounds of this principal's proxy that differ from the usual ones. */
  limits: v.optional(principalLimits),
  /** Secrets that the payload itself may see, as files of these names below /run/bureau/secrets (ADR 0016); absent: none. */
  files: v.optional(v.record(secretName, secretFileName)),
  /** SHA-256 of the sandbox specs that may run with these keys; absent: any that the launcher's policy admits. */
  allowed_specs: v.optional(v.pipe(v.array(digest), v.maxLength(256))),
  /** For people: what it is for. */
  note: v.optional(text(500)),
});
export type BundleHeader = v.InferOutput<typeof bundleHeader>;

/** Longest life of a bundle: a year. */
export const BUNDLE_LIFE_MAX = 366 * 86_400_000;
/** The domain-separating prefix of the signed bytes. */
export const BUNDLE_SIGNATURE_CONTEXT = 'bureau-bundle-v1\0';
/** Milliseconds that an issue time may lie ahead of the machine's clock. */
export const BUNDLE_SKEW_MAX = 300_000;

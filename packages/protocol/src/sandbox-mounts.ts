// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { pathTemplate, shortName } from './sandbox-text.ts';
import { integer } from './scalars.ts';

/** Bytes of a memory file system whose size the spec does not say. */
const MEMORY_SIZE = 64 * 1024 * 1024;
const memorySize = v.optional(integer(4_096, 2 ** 40), MEMORY_SIZE);

/** A directory or file of the host inside the sandbox; the launcher's policy decides whether it may be. */
const bindMount = v.strictObject({
  type: v.literal('bind'),
  /** With `glob`, its last segment is a pattern (`*`, `?`): each match appears under its own name below `destination`. */
  source: pathTemplate,
  destination: pathTemplate,
  mode: v.optional(v.picklist(['ro', 'rw']), 'ro'),
  /** Nothing at `source` (or no match) is no error. A link or a refusal still is. */
  optional: v.optional(v.boolean(), false),
  glob: v.optional(v.boolean()),
});

/** A fresh memory file system inside the sandbox. */
const tmpfsMount = v.strictObject({
  type: v.literal('tmpfs'),
  destination: pathTemplate,
  /** Bytes. */
  size: memorySize,
});

/** A character device of the host under its own name; only one that the machine's policy lists. */
const deviceMount = v.strictObject({
  type: v.literal('device'),
  source: pathTemplate,
  optional: v.optional(v.boolean(), false),
});

/** A directory of the host that looks writable: it is never written, what is written lies in `upper`. */
const overlayMount = v.strictObject({
  type: v.literal('overlay'),
  lower: pathTemplate,
  destination: pathTemplate,
  /** `tmpfs`: gone with the run. `kept`: a directory of that name which the principal has for good, beside its workspace. */
  upper: v.optional(v.union([v.literal('tmpfs'), v.strictObject({ kept: shortName })]), 'tmpfs'),
  /** Bytes of the upper, when it is memory. */
  size: memorySize,
});

function unknownType(found: string): string {
  if (found === '"proc"' || found === '"dev"') return `there is nothing to mount: every sandbox has its own /proc and a minimal /dev`;
  if (found === '"dev-bind"') return 'expected "device" for a device of the host';
  return `expected "bind", "tmpfs", "device" or "overlay", found ${found}`;
}

/** One mount of a spec. */
export const sandboxMount = v.variant('type', [bindMount, tmpfsMount, deviceMount, overlayMount], ({ received }) => unknownType(received));
export type Mount = v.InferOutput<typeof sandboxMount>;

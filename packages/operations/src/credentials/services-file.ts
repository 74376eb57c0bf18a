// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { readBounded } from '@bureau/files';
import { HEADER_MAX_BYTES, bundleHeader } from '@bureau/protocol';
import * as v from 'valibot';
import { parseJsonc } from './jsonc.ts';

/** What an operator writes: which upstreams an agent has and which secrets go where. No secret is in it. */
const servicesFile = v.strictObject({
  upstreams: v.optional(bundleHeader.entries.upstreams, {}),
  egress: bundleHeader.entries.egress,
  limits: bundleHeader.entries.limits,
  files: bundleHeader.entries.files,
  allowed_specs: bundleHeader.entries.allowed_specs,
  note: bundleHeader.entries.note,
});
type ServicesFile = v.InferOutput<typeof servicesFile>;

/** Reads and judges a services file (JSON with comments). Throws `file_missing`, `services_malformed` with the field. */
export function readServicesFile(path: string): ServicesFile {
  const value = parseJsonc(readBounded(path, HEADER_MAX_BYTES).toString('utf8'), path);
  const result = v.safeParse(servicesFile, value, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    throw new UsageError('services_malformed', `Cannot use ${path}: field ${JSON.stringify(v.getDotPath(issue) ?? '')}: ${issue.message}`);
  }
  if (result.output.upstreams['matrix'] !== undefined) {
    throw new UsageError(
      'services_malformed',
      `Cannot use ${path}: upstream "matrix" is made by Bureau from the machine's homeserver; leave it out`,
    );
  }
  return result.output;
}

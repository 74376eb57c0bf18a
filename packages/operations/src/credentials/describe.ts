// SPDX-License-Identifier: Apache-2.0
import { secretsOfUpstream, type BundleHeader } from '@bureau/protocol';
import * as v from 'valibot';

/** A bundle without anything secret: what `credential show` and `list` tell. */
export const bundleFacts = v.strictObject({
  principal: v.string(),
  machine: v.string(),
  /** RFC 3339. */
  issued_at: v.string(),
  expires_at: v.string(),
  /** `valid`, or why the launcher would not take it. */
  state: v.picklist(['valid', 'expired', 'other_key']),
  upstreams: v.array(v.strictObject({ name: v.string(), url: v.string(), secrets: v.array(v.string()) })),
  /** Rules for hosts that are reached without keys. */
  egress: v.number(),
  /** Secret name → file name below /run/bureau/secrets. */
  files: v.record(v.string(), v.string()),
  secrets: v.array(v.string()),
  allowed_specs: v.nullable(v.array(v.string())),
  note: v.nullable(v.string()),
});
export type BundleFacts = v.InferOutput<typeof bundleFacts>;

/** What a header and the names of its secrets tell. */
export function describeBundle(header: BundleHeader, secrets: readonly string[], now: number, sealedToMachine: boolean): BundleFacts {
  return {
    principal: header.principal,
    machine: header.machine,
    issued_at: new Date(header.issued_at).toISOString(),
    expires_at: new Date(header.expires_at).toISOString(),
    state: header.expires_at <= now ? 'expired' : sealedToMachine ? 'valid' : 'other_key',
    upstreams: Object.entries(header.upstreams).map(([name, rule]) => ({ name, url: rule.url, secrets: [...secretsOfUpstream(rule)] })),
    egress: (header.egress ?? []).length,
    files: header.files ?? {},
    secrets: [...secrets].toSorted(),
    allowed_specs: header.allowed_specs ?? null,
    note: header.note ?? null,
  };
}

/** For a person: one line for each thing. */
export function renderBundle(facts: BundleFacts): string {
  const state = facts.state === 'other_key' ? 'sealed to another key of this machine: provision it again' : facts.state;
  return [
    `${facts.principal} on ${facts.machine}: ${state}, issued ${facts.issued_at}, ends ${facts.expires_at}`,
    ...facts.upstreams.map(({ name, url, secrets }) => `  upstream ${name}  ${url}  (${secrets.join(', ') || 'no secret'})`),
    ...Object.entries(facts.files).map(([secret, file]) => `  file ${file}  (${secret}), for specs that ask for it`),
    ...(facts.egress === 0 ? [] : [`  ${facts.egress} rules for hosts without keys`]),
    `  secrets ${facts.secrets.join(', ') || 'none'}`,
    ...(facts.allowed_specs === null ? [] : [`  only for ${facts.allowed_specs.length} sandbox specs: ${facts.allowed_specs.join(', ')}`]),
    ...(facts.note === null ? [] : [`  note: ${facts.note}`]),
  ].join('\n');
}

// SPDX-License-Identifier: Apache-2.0
import { secretsOfUpstream, type BundleHeader } from '@bureau/protocol';

/** What a header asks for and its secrets lack, in words for an operator; `undefined` when nothing. */
export function unfit(header: BundleHeader, secrets: ReadonlyMap<string, Uint8Array>): string | undefined {
  for (const [name, upstream] of Object.entries(header.upstreams)) {
    const missing = secretsOfUpstream(upstream).find((secret) => !secrets.has(secret));
    if (missing !== undefined) return `upstream ${name} injects ${missing}, which is not among its secrets`;
  }
  const files = Object.entries(header.files ?? {});
  const missing = files.find(([secret]) => !secrets.has(secret));
  if (missing !== undefined) return `it shows ${missing[0]} as a file, which is not among its secrets`;
  const twice = files.find(([, file], at) => files.findIndex(([, other]) => other === file) !== at);
  return twice === undefined ? undefined : `it shows two secrets as file ${twice[1]}`;
}

/**
 * A secret that an upstream uses and no request can carry: empty, or with a line end or another control byte, which would begin
 * another header (CRLF injection). Judged where it is sealed, so that an operator hears of it; the proxy refuses it again.
 */
export function unusable(header: BundleHeader, secrets: ReadonlyMap<string, Uint8Array>): string | undefined {
  const used = Object.values(header.upstreams).flatMap(secretsOfUpstream);
  const empty = used.find((name) => secrets.get(name)?.length === 0);
  if (empty !== undefined) return `secret ${empty} is empty`;
  const broken = used.find((name) => secrets.get(name)?.some((byte) => byte < 0x20 || byte === 0x7f));
  return broken === undefined ? undefined : `secret ${broken} holds a line end or another control character, which no request can carry`;
}

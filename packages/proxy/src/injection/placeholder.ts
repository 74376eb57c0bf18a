// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { UpstreamRule } from '@bureau/protocol';
import { Problem } from '../problem.ts';

type Kind = NonNullable<UpstreamRule['placeholder']>;

/** What clients look at before they call: how a token begins, how long it is, and what it is made of. */
const SHAPES: Readonly<Record<Kind, { readonly prefix: string; readonly length: number; readonly upper?: true }>> = {
  anthropic: { prefix: 'sk-ant-api03-', length: 108 },
  openai: { prefix: 'sk-proj-', length: 164 },
  github: { prefix: 'ghp_', length: 40 },
  gitlab: { prefix: 'glpat-', length: 26 },
  slack: { prefix: 'xoxb-', length: 57 },
  google: { prefix: 'AIza', length: 39 },
  aws: { prefix: 'AKIA', length: 20, upper: true },
  bearer: { prefix: '', length: 48 },
};

/** Stands in every placeholder, so that one is known wherever it turns up; no service gives out tokens with it. */
const MARK = 'BUREAUx';
/** The same where a token has capitals and digits only. */
const UPPER_MARK = 'BUREAU';
/** Digits that say whose it is. */
const TAG_DIGITS = 9;

/**
 * The worthless token that a sandbox of `principal` is given for `service`: right in shape, the same for the principal's life, and of no
 * use anywhere. It says whose it is, so that the proxy of another principal or another service knows that it was carried there.
 */
export function placeholderFor(principal: string, service: string, kind: Kind): string {
  const { prefix, length, upper } = SHAPES[kind];
  const digest = createHash('sha512').update(`bureau-placeholder-v1\0${principal}\0${service}`).digest('hex');
  const room = length - prefix.length;
  if (upper === true) return prefix + (UPPER_MARK + digest.toUpperCase()).slice(0, room);
  return prefix + (MARK + digest + digest).slice(0, room);
}

function holdsMark(text: string): boolean {
  return text.includes(UPPER_MARK);
}

/** The tag of each kind of placeholder in `text`. */
function tagsIn(text: string): string[] {
  return [...text.matchAll(/BUREAUx([0-9a-f]{9})|AKIABUREAU([0-9A-F]{9})/g)].map((match) => (match[1] ?? match[2] ?? '').toLowerCase());
}

/**
 * Throws the `Problem` 403 `placeholder_misused` when one of the headers or the target holds a placeholder of another principal or for another service:
 * somebody carried it here.
 */
export function refuseForeignPlaceholder(headers: readonly string[], target: string, principal: string, service: string): void {
  // Almost every request ends here.
  if (!target.includes(UPPER_MARK) && !headers.some(holdsMark)) return;
  const values = [...headers, target];
  const own = tagsIn(placeholderFor(principal, service, 'bearer'))[0];
  const found = values.flatMap(tagsIn);
  if (found.every((tag) => tag.slice(0, TAG_DIGITS) === own)) return;
  throw new Problem(
    403,
    'placeholder_misused',
    `A placeholder in this request was given out for another service or to another principal than ${service} of ${principal}; it has no value anywhere, and its use here is recorded.`,
    { extensions: { rule: `upstreams.${service}.placeholder` } },
  );
}

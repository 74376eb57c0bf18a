// SPDX-License-Identifier: Apache-2.0
import { parseRoomAlias } from '@bureau/core';
import * as v from 'valibot';
import { jsonObject } from './json-object.ts';
import { integer, roomId } from './scalars.ts';

/** Longest content as JSON: what people write has a tenth of it. */
const CONTENT_MAX = 8 * 1024;
const PLACEHOLDER = /\$\{([^{}]*)\}/g;
/** All that there are. */
const KNOWN = /^(?:agent|agent_display|path\.[1-9][0-9]?|response\.[A-Za-z0-9_-]{1,64})$/;
/** Fields that decide what the rest is, or that clients render as HTML. */
const LITERAL_FIELDS: ReadonlySet<string> = new Set(['msgtype', 'format', 'formatted_body']);

const roomAlias = v.pipe(
  v.string(),
  v.maxLength(255),
  v.check((value) => {
    try {
      parseRoomAlias(value);
      return true;
    } catch {
      return false;
    }
  }, 'expected a room ID ("!…") or an alias ("#name:server")'),
);

/** A path below the upstream's URL: plain segments, `*` for one, `**` at the end for the rest; no regular expression, since the agent chooses the path. */
const pathPattern = v.pipe(
  v.string(),
  v.maxLength(500),
  v.regex(
    /^(?:\/(?:\*|(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~!$&'()+,:=@-]+))*(?:\/(?:\*\*)?)?$/,
    'expected a path such as "/repos/*/*/pulls": plain segments, "*" for one, "**" only at the end',
  ),
  v.minLength(1),
);

/** The content of an event: JSON as Matrix takes it, and `${…}` of the closed list in strings, nowhere else. */
const contentTemplate = v.pipe(
  jsonObject,
  v.check((content) => JSON.stringify(content).length <= CONTENT_MAX, `expected at most ${CONTENT_MAX} characters as JSON`),
  v.rawCheck<Readonly<Record<string, unknown>>>(({ dataset, addIssue }) => {
    const fault = dataset.typed ? faultOf(dataset.value, false) : undefined;
    if (fault !== undefined) addIssue({ message: fault });
  }),
);

/** An answer that fits becomes an event in a room, sent by the principal's own account (ADR 0027). */
export const responseInterceptor = v.pipe(
  v.strictObject({
    /** Exactly this one; absent: any. */
    method: v.optional(v.pipe(v.string(), v.regex(/^[A-Z]{1,16}$/))),
    path_pattern: pathPattern,
    status_min: v.optional(integer(200, 599), 200),
    status_max: v.optional(integer(200, 599), 299),
    room: v.union([roomId, roomAlias]),
    event_type: v.pipe(
      v.string(),
      v.regex(/^[A-Za-z0-9._-]{1,255}$/, 'expected an event type such as "m.room.message"'),
      v.notValue('m.room.redaction', 'expected another type: a redaction is not sent as an event'),
    ),
    event_content: contentTemplate,
  }),
  v.check(({ status_min: least, status_max: most }) => least <= most, 'expected status_min to be at most status_max'),
);
export type ResponseInterceptor = v.InferOutput<typeof responseInterceptor>;

/** The names between `${` and `}` in a text, in order. */
export function placeholdersIn(text: string): readonly string[] {
  return [...text.matchAll(PLACEHOLDER)].map(([, name]) => name as string);
}

/** The text with each of its placeholders replaced, once: what `valueOf` gives is not read again. */
export function fillPlaceholders(text: string, valueOf: (name: string) => string): string {
  return text.replace(PLACEHOLDER, (_all, name: string) => valueOf(name));
}

function faultOf(value: unknown, isLiteral: boolean): string | undefined {
  if (typeof value === 'string') return faultOfText(value, isLiteral);
  if (typeof value === 'number') return Number.isSafeInteger(value) ? undefined : 'expected whole numbers: Matrix has no others';
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, each] of Object.entries(value)) {
    if (key.includes('${')) return 'expected no "${…}" in the names of fields';
    const fault = faultOf(each, isLiteral || key.startsWith('m.') || LITERAL_FIELDS.has(key));
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function faultOfText(text: string, isLiteral: boolean): string | undefined {
  const unknown = placeholdersIn(text).find((name) => !KNOWN.test(name));
  if (unknown !== undefined)
    return `expected \${agent}, \${agent_display}, \${path.N} or \${response.field}, found ${JSON.stringify(`\${${unknown.slice(0, 80)}}`)}`;
  if (isLiteral && placeholdersIn(text).length > 0)
    return 'expected no "${…}" in msgtype, format, formatted_body and fields of Matrix ("m.…"): they decide what an event does';
  return undefined;
}

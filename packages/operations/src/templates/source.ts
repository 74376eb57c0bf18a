// SPDX-License-Identifier: Apache-2.0
import { BureauError, UsageError } from '@bureau/core';
import { noTemplate } from '@bureau/templates';
import { readBounded } from '@bureau/files';
import * as v from 'valibot';
import { readJsonc, type JsoncDocument, type JsoncFault } from '../jsonc.ts';
import type { Session } from '../matrix/session.ts';
import type { OperationContext } from '../registry/context.ts';
import { parseSourceUrl, readHttps } from './https-source.ts';
import { SOURCE_MAX_BYTES } from './limits.ts';
import { readReference, readTemplateRoom } from './template-reference.ts';

/** Where a template is read from, as a person says it. */
export const templateSource = v.pipe(v.string(), v.minLength(1, 'expected a source'), v.maxLength(4_000));
/** Its help. */
export const SOURCE_HELP =
  'a file (with "/" in its name, or ending in .json or .jsonc), an https URL (with #sha256=… if you like), or a template of a room: [ROOM:]NAME';

/** What was read. */
export interface Source {
  /** For messages: the file, the URL, the reference. */
  readonly label: string;
  /** The name that the template would have, as far as the source says. */
  readonly name: string | undefined;
  readonly read: { readonly ok: true; readonly document: JsoncDocument } | { readonly ok: false; readonly faults: readonly JsoncFault[] };
}

/**
 * Reads a template from a file, an https URL or a room. What is no JSON is no error yet: it is told with all else that is wrong.
 * Throws `file_missing`, `file_too_large`, `source_…`, `not_found`.
 */
export async function readSource(text: string, session: Session | undefined, context: OperationContext): Promise<Source> {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    return { label: text, name: nameOfPath(parseSourceUrl(text).address.pathname), read: readJsonc(await readHttps(text, context)) };
  if (isFile(text)) {
    const bytes = readBounded(text, SOURCE_MAX_BYTES);
    return { label: text, name: nameOfPath(text), read: readJsonc(bytes.toString('utf8')) };
  }
  if (session === undefined) throw new UsageError('source_refused', `Expected a file or an https URL, found ${JSON.stringify(text)}`);
  const { room, name } = readReference(text);
  const { events, library } = await readTemplateRoom(session, room, context.signal);
  const event = events.get(name);
  if (event === undefined) throw new BureauError('not_found', `In ${room} ${noTemplate(name, library)}`, { data: { room, name } });
  return { label: text, name, read: readJsonc(JSON.stringify(event.content, null, 2)) };
}

/** A name with a slash that is no room's, or with the ending of a file. Pure. */
export function isFile(text: string): boolean {
  return /^[./~]/.test(text) || /\.jsonc?$/.test(text) || (text.includes('/') && !text.includes(':'));
}

function nameOfPath(path: string): string | undefined {
  const [, name] = /([a-z0-9][a-z0-9_-]{0,63})\.jsonc?$/.exec(path) ?? [];
  return name;
}

// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';

const STRING_OR_COMMENT = /"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*(?:[^*]|\*(?!\/))*\*\//g;
/** A string, or a comma that nothing follows but the end of its list or object. */
const STRING_OR_LAST_COMMA = /"(?:[^"\\\n]|\\.)*"|,(?=\s*[\]}])/g;

/** JSON with comments and trailing commas, as people write it. Throws `services_malformed`, with the place in a long text; `name` is the file's. */
export function parseJsonc(text: string, name: string): unknown {
  // Blanks of the same length: the place in a message is that of the file.
  const blank = (token: string): string => (token.startsWith('"') ? token : token.replaceAll(/[^\n]/g, ' '));
  const plain = text.replaceAll(STRING_OR_COMMENT, blank).replaceAll(STRING_OR_LAST_COMMA, blank);
  try {
    return JSON.parse(plain);
  } catch (cause) {
    const at = /line (\d+) column (\d+)/.exec(cause instanceof Error ? cause.message : '');
    const place = at === null ? '' : ` at line ${at[1]}, column ${at[2]}`;
    throw new UsageError('services_malformed', `Cannot read ${name}: expected JSON (comments are allowed), found something else${place}`);
  }
}

// SPDX-License-Identifier: Apache-2.0
import type { RawHeaders } from './answer-sink.ts';

/** The names that `Connection` declares to belong to this hop, in lower case; usually none. */
export function namedByConnection(headers: RawHeaders): ReadonlySet<string> | undefined {
  let named: Set<string> | undefined;
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue;
    for (const part of (headers[index + 1] as string).toLowerCase().split(',')) (named ??= new Set()).add(part.trim());
  }
  return named;
}

/**
 * The headers of an agent that go out: all but those of its hop, those that `Connection` names, and `dropped` (lower case), which
 * holds every name under which a key goes out. A name with "_" is taken for the one with "-", as servers do that make variables of both
 * (CGI, WSGI). Values go as they came: Node's parser has refused line ends and NUL in them.
 */
export function passedOn(headers: RawHeaders, dropped: ReadonlySet<string>): string[] {
  const named = namedByConnection(headers);
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    let lower = name.toLowerCase();
    if (lower.includes('_')) lower = lower.replaceAll('_', '-');
    if (dropped.has(lower) || (named !== undefined && named.has(lower))) continue;
    kept.push(name, headers[index + 1] as string);
  }
  return kept;
}

/** Header lines, each with its line end. */
export function headerLines(headers: RawHeaders): string {
  let text = '';
  for (let index = 0; index < headers.length; index += 2) text += `${headers[index] as string}: ${headers[index + 1] as string}\r\n`;
  return text;
}

// SPDX-License-Identifier: Apache-2.0
import { needlesIn, type Needle } from '../injection/needles.ts';
import type { RawHeaders } from './answer-sink.ts';
import { namedByConnection } from './request-head.ts';

/** What stands in an answer's header in the place of a key. */
const REDACTED = '[redacted]';

/**
 * The headers of an answer that the agent gets: without `dropped` (lower case) and what `Connection` names. Where `needles` are found
 * in a value, they are replaced.
 */
export function answerHeaders(headers: RawHeaders, dropped: ReadonlySet<string>, needles: readonly Needle[]): string[] {
  const named = namedByConnection(headers);
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    const lower = name.toLowerCase();
    if (dropped.has(lower) || (named !== undefined && named.has(lower))) continue;
    const value = headers[index + 1] as string;
    if (needles.length === 0) kept.push(name, value);
    else kept.push(redact(name, needles), redact(value, needles));
  }
  return kept;
}

/** The content codings of a body, when it has any. */
export function codingOf(headers: RawHeaders): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    if (name.length !== 16 || name.toLowerCase() !== 'content-encoding') continue;
    const coding = (headers[index + 1] as string).toLowerCase();
    if (coding !== '' && coding !== 'identity') return /^[a-z0-9*, -]{1,40}$/.test(coding) ? coding : 'of an odd name';
  }
  return undefined;
}

/** True when one of the needles stands in these bytes. */
export function holdsNeedle(bytes: Buffer, needles: readonly Needle[]): boolean {
  return needlesIn(bytes, needles).length > 0;
}

function redact(value: string, needles: readonly Needle[]): string {
  let bytes = Buffer.from(value, 'latin1');
  for (const { bytes: needle } of needles) {
    for (let at = bytes.indexOf(needle); at !== -1; at = bytes.indexOf(needle)) {
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(REDACTED), bytes.subarray(at + needle.length)]);
    }
  }
  return bytes.toString('latin1');
}

// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { ERROR_TEXT_MAX } from './limits.ts';

/** Where an error came from; nothing in it is secret. */
export interface RequestPlace {
  readonly method: string;
  /** The path without its query. */
  readonly path: string;
}

/** A server's answer that is no success. */
export interface Refusal {
  readonly status: number;
  readonly errcode: string;
  readonly text: string;
}

/**
 * The error for a server's refusal. Its code is the server's in our spelling: `M_FORBIDDEN` → `matrix_forbidden`; `matrix_error` when
 * there was none. `data`: status, errcode, method, path.
 */
export function refusalError(place: RequestPlace, refusal: Refusal): BureauError {
  const known = /^M_[A-Z_]{1,60}$/.test(refusal.errcode);
  // Synapse says M_UNKNOWN with 403 where its own rules forbid an alias.
  const unnamed = !known || refusal.errcode === 'M_UNKNOWN';
  const code =
    unnamed && refusal.status === 403 ? 'matrix_forbidden' : known ? `matrix_${refusal.errcode.slice(2).toLowerCase()}` : 'matrix_error';
  const shown = [String(refusal.status), known ? refusal.errcode : '', printable(refusal.text)].filter((part) => part !== '').join(' ');
  return new BureauError(code, `The homeserver refused ${place.method} ${place.path}: ${shown}`, {
    data: { status: refusal.status, errcode: known ? refusal.errcode : '', method: place.method, path: place.path },
  });
}

/** An error of ours about one request. */
export function requestError(code: string, place: RequestPlace, fault: string): BureauError {
  return new BureauError(code, `Expected an answer to ${place.method} ${place.path}: ${fault}`, {
    data: { method: place.method, path: place.path },
  });
}

/** Text of a server as it may stand in a terminal or a log: one bounded line without control characters. */
function printable(text: string): string {
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim();
  return clean.length > ERROR_TEXT_MAX ? `${clean.slice(0, ERROR_TEXT_MAX)}…` : clean;
}

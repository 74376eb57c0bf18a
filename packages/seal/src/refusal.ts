// SPDX-License-Identifier: Apache-2.0
import { BureauError, type ErrorData } from '@bureau/core';

/** Why a bundle was refused. */
export type BundleRefusal =
  /** Not an age file for this identity, or damaged. */
  | 'bundle_unreadable'
  /** Decrypts to something that is not a bundle of this version, or is too large. */
  | 'bundle_malformed'
  /** No pinned operator signed it. */
  | 'bundle_signature'
  | 'bundle_principal'
  | 'bundle_machine'
  | 'bundle_expired'
  /** Issued in the future. */
  | 'bundle_not_yet_valid'
  /** Older than one that was accepted, or another one of the same time. */
  | 'bundle_replayed';

/** The error of a refusal; never quotes what was decrypted but names, machines and times. */
export function refusal(code: BundleRefusal, message: string, data: ErrorData = {}): BureauError {
  return new BureauError(code, `Refused the credential bundle: ${message}`, { data });
}

// SPDX-License-Identifier: Apache-2.0

/** Ctrl-\ */
export const DETACH_KEY = 0x1c;

/** What was typed before the detach key, and whether it was typed. What comes after the key is dropped. */
export function splitAtDetach(typed: Uint8Array): { readonly data: Uint8Array; readonly detach: boolean } {
  const index = typed.indexOf(DETACH_KEY);
  return index < 0 ? { data: typed, detach: false } : { data: typed.subarray(0, index), detach: true };
}

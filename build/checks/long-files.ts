// SPDX-License-Identifier: Apache-2.0

/** Files that may be longer than the limit, with the reason. Keep it short: splitting is nearly always better. */
export const LONG_FILES: ReadonlyMap<string, string> = new Map<string, string>([]);

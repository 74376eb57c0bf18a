// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';

/** Longest path of a spec; the kernel's own limit is 4,096 bytes with its NUL. */
const PATH_MAX = 4_000;

/**
 * Control and format characters, line and paragraph separators, halves of surrogate pairs: a path with one of them reads otherwise than it
 * is (bidi, zero-width), or breaks a line where it is shown.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

/** Why `value` is not a path of a spec, or `undefined`. `${NAME}` may stand at its beginning and inside. */
export function pathFault(value: string): string | undefined {
  if (value.length > PATH_MAX) return `expected at most ${PATH_MAX} characters, found ${value.length}`;
  if (UNSEEN.test(value)) return 'expected a path without control, bidirectional and zero-width characters';
  if (!/^(\/[^/]+|\$\{[A-Z_]+\})(\/[^/]+)*$/.test(value))
    return 'expected an absolute path without empty segments and without "/" at its end';
  return value.split('/').some((part) => part === '.' || part === '..')
    ? 'expected an absolute path without "." or ".." segments'
    : undefined;
}

/** An absolute path, or one that begins with a variable (`${CACHE_ROOT}/pip`); no `.` or `..`, nothing that cannot be seen. */
export const pathTemplate = v.pipe(
  v.string(),
  v.rawCheck(({ dataset, addIssue }) => {
    const fault = dataset.typed ? pathFault(dataset.value) : undefined;
    if (fault !== undefined) addIssue({ message: fault });
  }),
);

/** A short name that people choose: of a role, of something kept. */
export const shortName = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'expected 1 to 64 of a-z, 0-9, ".", "_" and "-", the first a letter or digit'),
);

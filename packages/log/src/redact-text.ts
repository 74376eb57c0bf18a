// SPDX-License-Identifier: Apache-2.0

/** What stands where a secret stood. */
export const MASK = '[secret]';

/** Shapes of secrets, wherever they stand. None ends inside an escape or takes a quote, so that JSON stays JSON; each runs in linear time. */
const SHAPES: readonly RegExp[] = [
  /AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]*/gi,
  // Matrix: Synapse's access and refresh tokens, those of Matrix Authentication Service.
  /\b(?:syt|syr|mct|mcr|mat)_[A-Za-z0-9_=-]+/g,
  /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^"\\]|\\[nrt])*/g,
  // JSON Web Tokens, and the keys of services that agents use.
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g,
  /\b(?:sk|rk|pk)-[A-Za-z0-9_-]{16,}/g,
  /\b(?:gh[a-z]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{16,}|xox[a-z]-[A-Za-z0-9-]{8,}|AKIA[A-Z0-9]{16})/g,
];

/**
 * A text without anything that looks like a secret: known token shapes, `Bearer …`, `access_token=…` in an address, `user:password@`.
 * A net under {@link redactFields}, not a replacement for it: a secret without a known shape is found only by its key.
 */
export function redactText(text: string): string {
  let result = text;
  for (const shape of SHAPES) result = result.replace(shape, MASK);
  return result
    .replace(/\b(Bearer|Basic) +[A-Za-z0-9._~+/=-]+/gi, `$1 ${MASK}`)
    .replace(/\b([a-z_]{0,20}(?:token|password|passwd|secret|api_?key))=[^&\s"'\\]+/gi, `$1=${MASK}`)
    .replace(/:\/\/[^\s/"\\@:]{0,200}:[^\s/"\\@]{1,500}@/g, `://${MASK}@`);
}

/** Control characters that JSON leaves as they are, but a terminal that shows the log would obey. */
export function escapeControls(line: string): string {
  return line.replace(/[\u007f-\u009f\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

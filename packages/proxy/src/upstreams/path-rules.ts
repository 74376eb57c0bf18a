// SPDX-License-Identifier: Apache-2.0
import { matchGlob } from '@bureau/core';
import type { UpstreamRule } from '@bureau/protocol';

/** Why a call is refused, in the words of the rule. */
export interface Refusal {
  /** The field of the bundle, or `path` for what no field could allow. */
  readonly rule: 'methods' | 'paths' | 'path';
  readonly code: 'upstream_rule_refused' | 'upstream_path_ambiguous';
  readonly why: string;
}

/** What every server reads alike: no escape, no separator twice, no parameter, no dot that begins a segment. */
const PLAIN = /^(?:\/[A-Za-z0-9_~!$&'()*+,:=@-][A-Za-z0-9._~!$&'()*+,:=@-]*)*\/?$/;
/** A segment that is `.` or `..` to somebody: dots and their escapes, at its end or before a parameter; Windows drops spaces behind them. */
const DOT_SEGMENT = /^(?:\.|%(?:25)*2e){1,2}(?:%(?:25)*20)*(?:$|;|%(?:25)*3b)/i;
/** Bytes that no UTF-8 has, and longer forms of what is shorter: old decoders read a "/" or a "." in them. */
const OVERLONG = /%(?:25)*(?:c[01]|f[5-9a-f]|e0%(?:25)*[89][0-9a-f]|f0%(?:25)*8[0-9a-f])/i;
/** Readings of one path that are compared; an honest one has two or three. */
const READINGS_MOST = 16;
/** Separators as servers read them: `/`, its escape, a backslash, its escape; escaped once more too. */
const SEPARATOR = /\/|\\|%(?:25)*(?:2f|5c)/i;

/**
 * Whether an upstream may be asked for this. `path` is what goes out, byte for byte, without the query; nothing is ever decoded on the
 * way. Servers differ in what they make of escapes, double slashes and parameters, so a path is let through only when every reading of
 * it is: what would leave its place (dot segments in any spelling), control characters and broken escapes never are.
 */
export function refusalOf(rule: UpstreamRule, method: string, path: string): Refusal | undefined {
  if (rule.methods !== undefined && !rule.methods.includes(method))
    return { rule: 'methods', code: 'upstream_rule_refused', why: `its methods are ${rule.methods.join(', ')}` };
  if (PLAIN.test(path)) return rule.paths === undefined || admitted(rule.paths, path) ? undefined : NOT_LISTED;
  const fault = faultOf(path);
  if (fault !== undefined) return { rule: 'path', code: 'upstream_path_ambiguous', why: fault };
  const { paths } = rule;
  if (paths === undefined) return undefined;
  if (!admitted(paths, path)) return NOT_LISTED;
  // A rule that is written with escapes admits what they stand for, too.
  const wider = [...paths, ...paths.map(decoded)];
  const read = readings(path);
  if (read !== undefined && read.every((reading) => admitted(wider, reading))) return undefined;
  return {
    rule: 'paths',
    code: 'upstream_path_ambiguous',
    why: 'some servers read its escapes, "//" or ";" as another path, which its paths do not allow',
  };
}

const NOT_LISTED: Refusal = { rule: 'paths', code: 'upstream_rule_refused', why: 'none of its paths fits' };

function admitted(paths: readonly string[], path: string): boolean {
  return paths.some((pattern) => matchGlob(pattern, path));
}

/** What no bundle can allow. */
function faultOf(path: string): string | undefined {
  if (!/^\/[\x21-\x7e]*$/.test(path) || /[#\\]/.test(path)) return 'it is not a percent-encoded path';
  if (/%(?![0-9a-f]{2})/i.test(path)) return 'it has a "%" that is no escape';
  if (/%(?:25)*(?:[01][0-9a-f]|7f)/i.test(path)) return 'it has an escaped control character';
  if (OVERLONG.test(path)) return 'it has escapes that are not UTF-8';
  if (path.split(SEPARATOR).some((segment) => DOT_SEGMENT.test(segment))) return 'it has a segment that is read as "." or ".."';
  return undefined;
}

/** The path as it is, and everything else that a server may take it for, as far as that is bounded. */
export function readingsOf(path: string): readonly string[] {
  return PLAIN.test(path) ? [path] : (readings(path) ?? [path]);
}

/** Everything that a server may take the path for: decoded, without parameters, with slashes joined, backslashes turned; or too much of it. */
function readings(path: string): readonly string[] | undefined {
  const found = new Set<string>([path]);
  for (const reading of found) {
    if (found.size > READINGS_MOST) return undefined;
    for (const other of [decoded(reading), reading.replace(/;[^/]*/g, ''), reading.replace(/\/{2,}/g, '/'), reading.replaceAll('\\', '/')])
      found.add(other);
  }
  return [...found];
}

/** Escapes in ASCII become characters; others stay, since no rule tells them apart, and so does that of `*`, which is a wildcard in a rule. */
function decoded(path: string): string {
  return path.replace(/%(?!2a)([2-7][0-9a-f])/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

// SPDX-License-Identifier: Apache-2.0
import { HOP_HEADERS } from '../hop-headers.ts';

/** Headers that tell where a message ends; `Connection` cannot take them away. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'host']);

/**
 * The headers that go on to the next hop, in their order and spelling: without those of one hop, those that `Connection` names, and
 * those in `without` (lower case). `raw` and the result are name, value, name, value.
 */
export function endToEndHeaders(raw: readonly string[], without: readonly string[] = []): string[] {
  const pairs = pairsOf(raw);
  const named = new Set(
    pairs
      .filter(([name]) => name.toLowerCase() === 'connection')
      .flatMap(([, value]) => value.toLowerCase().split(','))
      .map((name) => name.trim())
      .filter((name) => !FRAMING.has(name)),
  );
  return pairs.flatMap(([name, value]) => {
    const lower = name.toLowerCase();
    return HOP_HEADERS.includes(lower) || named.has(lower) || without.includes(lower) ? [] : [name, value];
  });
}

function pairsOf(raw: readonly string[]): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) pairs.push([raw[index] ?? '', raw[index + 1] ?? '']);
  return pairs;
}

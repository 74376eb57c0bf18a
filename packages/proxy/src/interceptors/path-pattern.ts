// SPDX-License-Identifier: Apache-2.0

/**
 * What the `*`s of a pattern stand for in `path`, unescaped, in order, or `undefined` when it does not fit. A `**`, only at the end, is one of
 * them: the rest of the path. A slash at the end of either makes no difference. One comparison for each segment, whatever the agent sends.
 */
export function matchPath(pattern: string, path: string): readonly string[] | undefined {
  const wanted = segmentsOf(pattern);
  const found = segmentsOf(path);
  const stars: string[] = [];
  for (const [index, segment] of wanted.entries()) {
    if (segment === '**') return [...stars, found.slice(index).map(unescaped).join('/')];
    const here = found[index];
    if (here === undefined) return undefined;
    if (segment === '*' && here !== '') stars.push(unescaped(here));
    else if (segment !== here && segment !== unescaped(here)) return undefined;
  }
  return found.length === wanted.length ? stars : undefined;
}

function segmentsOf(path: string): readonly string[] {
  return path.replace(/^\//, '').replace(/\/$/, '').split('/');
}

/** What is no UTF-8 stays as it is. */
function unescaped(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { checkoutFiles } from './checkout-files.ts';
import type { Check, Finding } from './finding.ts';

/** Pages that people read: `docs/`, and those in the root. */
const PAGE = /^(docs\/.*|[^/]+)\.md$/;

/** Links that leave the checkout; nothing here asks the network. */
const ELSEWHERE = /^[a-z][a-z0-9+.-]*:/i;

/** A file of this checkout that a page names in code: `packages/core/src/index.ts`. A name that stands for many (`NAME`, `<n>`, `*`) is none. */
const NAMED_FILE = /`((?:apps|build|deploy|docs|integration|packages|script)\/[a-z0-9_./-]+\.[a-z0-9]+)`/g;

interface Link {
  readonly target: string;
  readonly line: number;
}

/** Every relative link of the documents leads to a file of this checkout, and to a heading when it names one; files that they name are there. */
export const linksCheck: Check = {
  name: 'links',
  run: ({ root }) => {
    const files = checkoutFiles(root);
    return files
      .filter((file) => PAGE.test(file))
      .flatMap((file) => {
        const text = readFileSync(join(root, file), 'utf8');
        const read = (path: string): string | undefined => pageAt(root, files, path);
        return [...linkFindings(file, text, read), ...nameFindings(file, text, read)];
      });
  },
};

/** What is at a path of the checkout: its text (empty for a folder or no text), or undefined when there is nothing. */
function pageAt(root: string, files: readonly string[], path: string): string | undefined {
  const absolute = join(root, path);
  if (relative(root, absolute).startsWith('..') || !existsSync(absolute)) return undefined;
  // A folder counts when git has something in it; a file when git has it.
  if (statSync(absolute).isDirectory())
    return path === '.' || files.some((file) => file.startsWith(`${path.replace(/\/$/, '')}/`)) ? '' : undefined;
  return files.includes(path) ? (path.endsWith('.md') ? readFileSync(absolute, 'utf8') : '') : undefined;
}

/** Findings in the text of one page; `read` answers with the text of another, undefined when it is not there. */
export function linkFindings(file: string, text: string, read: (path: string) => string | undefined): Finding[] {
  return linksOf(text).flatMap(({ target, line }): Finding[] => {
    if (ELSEWHERE.test(target)) return [];
    const finding = (problem: string, remedy: string): Finding[] => [{ file, line, problem, remedy }];
    if (target.startsWith('/')) return finding(`'${target}' is absolute`, 'write it relative to this page');
    const [path = '', anchor] = target.split('#', 2);
    const place = path === '' ? file : normalize(join(dirname(file), decodeURI(path)));
    const page = path === '' ? text : read(place);
    if (page === undefined) return finding(`'${target}' leads nowhere: there is no ${place}`, 'correct the path, or remove the link');
    if (anchor === undefined || anchorsOf(page).has(anchor)) return [];
    if (!place.endsWith('.md')) return finding(`'${target}' names a place in ${place}, which has no headings`, 'link to the file itself');
    return finding(`${place} has no heading for '#${anchor}'`, `take one of: ${[...anchorsOf(page)].join(', ')}`);
  });
}

/** Files that a page names in code, from the root, and that are not there; `read` as for {@link linkFindings}. */
export function nameFindings(file: string, text: string, read: (path: string) => string | undefined): Finding[] {
  return proseLines(text).flatMap((content, index) =>
    [...content.matchAll(NAMED_FILE)].flatMap(([, path = '']): Finding[] => {
      if (read(path) !== undefined) return [];
      return [{ file, line: index + 1, problem: `there is no ${path}`, remedy: 'name the file that is meant now' }];
    }),
  );
}

/** Inline links and images, link definitions; code is no link. */
function linksOf(text: string): Link[] {
  return proseLines(text).flatMap((content, index) => {
    const prose = content.replace(/(`+)(?!`).*?[^`]\1(?!`)/g, (code) => ' '.repeat(code.length));
    const inline = [...prose.matchAll(/\]\(\s*<?([^)\s>]*)>?(?:\s+"[^"]*")?\s*\)/g)].map((match) => match[1] ?? '');
    const defined = /^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)/.exec(prose)?.[1];
    return [...inline, ...(defined === undefined ? [] : [defined])].map((target) => ({ target, line: index + 1 }));
  });
}

/** The anchors that headings get, by GitHub's rule: lower case, without punctuation, spaces as hyphens, repeated ones numbered. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const line of proseLines(text)) {
    const heading = /^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$/.exec(line)?.[1];
    for (const [, id] of line.matchAll(/<a (?:id|name)="([^"]+)"/g)) if (id !== undefined) anchors.add(id);
    if (heading === undefined) continue;
    const base = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-');
    let anchor = base;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${base}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The lines of a page, those of fenced code emptied. */
function proseLines(text: string): string[] {
  let fence: string | undefined;
  return text.split('\n').map((line) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence === undefined && mark === undefined) return line;
    if (fence === undefined) fence = mark;
    else if (mark !== undefined && mark.startsWith(fence) && line.trim() === mark) fence = undefined;
    return '';
  });
}

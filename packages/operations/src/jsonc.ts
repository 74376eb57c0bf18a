// SPDX-License-Identifier: Apache-2.0
import { createScanner, findNodeAtLocation, parseTree, printParseErrorCode, type Node, type ParseError } from 'jsonc-parser';

/** Deepest nesting that is read: the parser calls itself for each level. */
const DEPTH_MAX = 64;
/** What opens and closes a level, as jsonc-parser numbers its tokens. */
const TOKENS = { openBrace: 1, closeBrace: 2, openBracket: 3, closeBracket: 4, end: 17 } as const;

/** Where something stands in a text; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A JSON text with comments, read: its value, and where each part of it stands. */
export interface JsoncDocument {
  readonly value: unknown;
  /** Where the value at a path stands, or the nearest thing around it; with `ofKey`, where its name does. */
  readonly placeOf: (path: readonly (string | number)[], ofKey?: boolean) => Place;
}

/** What is not JSON in a text, without a word of the text itself. */
export interface JsoncFault extends Place {
  readonly message: string;
}

/** Reads JSON with comments and trailing commas, as people write it. A name that stands twice in one object is a fault: one of them would be lost. */
export function readJsonc(
  text: string,
): { readonly ok: true; readonly document: JsoncDocument } | { readonly ok: false; readonly faults: readonly JsoncFault[] } {
  const place = (offset: number): Place => placeAt(text, offset);
  const deep = tooDeep(text);
  if (deep !== undefined) return { ok: false, faults: [{ ...place(deep), message: `expected at most ${DEPTH_MAX} levels` }] };
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: true });
  const faults = errors.map(({ error, offset }) => ({ ...place(offset), message: describe(printParseErrorCode(error)) }));
  if (tree === undefined || faults.length > 0)
    return { ok: false, faults: faults.length > 0 ? faults : [{ ...place(0), message: 'expected a value' }] };
  const doubled = doubledKeys(tree);
  if (doubled.length > 0)
    return { ok: false, faults: doubled.map((key) => ({ ...place(key.offset), message: 'this name stands twice in one object' })) };
  return {
    ok: true,
    document: {
      value: valueOf(tree),
      placeOf: (path, ofKey = false) => {
        const node = nearestNode(tree, path);
        const shown = ofKey && node.parent?.type === 'property' ? node.parent.children?.[0] : node;
        return place((shown ?? node).offset);
      },
    },
  };
}

function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/);
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/** Where the level that is one too deep begins. */
function tooDeep(text: string): number | undefined {
  const scanner = createScanner(text, true);
  let depth = 0;
  for (let token: number = scanner.scan(); token !== TOKENS.end; token = scanner.scan()) {
    if (token === TOKENS.openBrace || token === TOKENS.openBracket) depth += 1;
    if (token === TOKENS.closeBrace || token === TOKENS.closeBracket) depth -= 1;
    if (depth > DEPTH_MAX) return scanner.getTokenOffset();
  }
  return undefined;
}

/** `CommaExpected` → `expected a comma`. */
function describe(code: string): string {
  const words = code.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return words.endsWith(' expected') ? `expected a ${words.slice(0, -' expected'.length)}` : `this is not JSON: ${words}`;
}

function nearestNode(tree: Node, path: readonly (string | number)[]): Node {
  for (let length = path.length; length > 0; length -= 1) {
    const found = findNodeAtLocation(tree, path.slice(0, length));
    if (found !== undefined) return found;
  }
  return tree;
}

function doubledKeys(node: Node): Node[] {
  const keys = node.type === 'object' ? (node.children ?? []).flatMap(({ children }) => children?.slice(0, 1) ?? []) : [];
  const seen = new Set<unknown>();
  const here = keys.filter(({ value }) => {
    const twice = seen.has(value);
    seen.add(value);
    return twice;
  });
  return [...here, ...(node.children ?? []).flatMap(doubledKeys)];
}

/** As `JSON.parse` gives it: a key `__proto__` is a key like any other. */
function valueOf(node: Node): unknown {
  if (node.type === 'array') return (node.children ?? []).map(valueOf);
  if (node.type !== 'object') return node.value as unknown;
  return Object.fromEntries((node.children ?? []).map(({ children = [] }) => [children[0]?.value, children[1] && valueOf(children[1])]));
}

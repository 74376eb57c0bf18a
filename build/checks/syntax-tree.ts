// SPDX-License-Identifier: Apache-2.0
import { parseAst } from 'rolldown/parseAst';

/** A node of the syntax tree (ESTree, with the types of TypeScript), read by property. */
export type Node = Readonly<Record<string, unknown>> & { readonly type: string; readonly start: number };

/** Parses TypeScript or JavaScript. Throws when it cannot be parsed. */
export function parseTree(source: string): Node {
  return parseAst(source, { lang: 'ts' }) as unknown as Node;
}

/** Calls `visit` for a node and all below it, parents first. */
export function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) if (isNode(child)) walk(child, visit);
  }
}

/** True for a node, not for a list of nodes or a plain value. */
export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** The text of a string literal; undefined for anything else. */
export function literalOf(value: unknown): string | undefined {
  return isNode(value) && value.type === 'Literal' && typeof value['value'] === 'string' ? value['value'] : undefined;
}

// SPDX-License-Identifier: Apache-2.0
import { literalOf, isNode, parseTree, walk } from './syntax-tree.ts';
import type { Node } from './syntax-tree.ts';
import { lineAt } from './finding.ts';

/** A module specifier that a source names: import, export from, import(), import type, require(). */
export interface ImportedModule {
  readonly specifier: string;
  readonly line: number;
}

/** A use of something that only `main.ts` may touch, for example `process.env`. */
export interface ProcessUse {
  readonly what: 'process.env' | 'process.argv' | 'process signals';
  readonly line: number;
}

export interface ParsedModule {
  readonly imports: readonly ImportedModule[];
  readonly processUses: readonly ProcessUse[];
}

const IMPORTING = new Set([
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
  'TSExternalModuleReference',
]);

/** Parses TypeScript or JavaScript and returns what it imports, type-only imports included. Throws when it cannot be parsed. */
export function parseModule(source: string): ParsedModule {
  const imports: ImportedModule[] = [];
  const processUses: ProcessUse[] = [];
  walk(parseTree(source), (node) => {
    const line = (): number => lineAt(source, node.start);
    const specifier = IMPORTING.has(node.type) ? literalOf(node['source'] ?? node['expression']) : requiredBy(node);
    if (specifier !== undefined) imports.push({ specifier, line: line() });
    const what = processUseOf(node);
    if (what !== undefined) processUses.push({ what, line: line() });
  });
  return { imports, processUses };
}

/** `require('x')`, and the name that a bundler gives it (`__require('x')`). */
function requiredBy(node: Node): string | undefined {
  if (node.type !== 'CallExpression' || !isNode(node['callee']) || node['callee'].type !== 'Identifier') return undefined;
  if (!/^_*require\d*$/.test(String(node['callee']['name']))) return undefined;
  return literalOf((node['arguments'] as unknown[])[0]);
}

function processUseOf(node: Node): ProcessUse['what'] | undefined {
  if (
    node.type === 'MemberExpression' &&
    isNode(node['object']) &&
    node['object'].type === 'Identifier' &&
    node['object']['name'] === 'process'
  ) {
    const property = isNode(node['property']) ? (node['property']['name'] ?? node['property']['value']) : undefined;
    if (property === 'env') return 'process.env';
    if (property === 'argv') return 'process.argv';
  }
  if (node.type === 'CallExpression' && isNode(node['callee']) && node['callee'].type === 'MemberExpression') {
    const object = node['callee']['object'];
    const first = literalOf((node['arguments'] as unknown[])[0]);
    if (isNode(object) && object['name'] === 'process' && first?.startsWith('SIG') === true) return 'process signals';
  }
  if (node.type === 'ImportDeclaration' && literalOf(node['source']) === 'node:process') {
    const names = (node['specifiers'] as Node[]).flatMap((specifier) =>
      isNode(specifier['imported']) ? [specifier['imported']['name']] : [],
    );
    if (names.includes('env')) return 'process.env';
    if (names.includes('argv')) return 'process.argv';
  }
  return undefined;
}

// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSecretKey } from '../../packages/log/src/redact-fields.ts';
import { checkoutFiles, isTestFile } from './checkout-files.ts';
import type { Check, Finding } from './finding.ts';
import { lineAt } from './finding.ts';
import { CLOCK_EXCEPTIONS } from './forbidden-exceptions.ts';
import { isNode, literalOf, parseTree, walk } from './syntax-tree.ts';
import type { Node } from './syntax-tree.ts';

const TIMERS = new Set(['setTimeout', 'setInterval']);
const TIMER_MODULES = new Set(['node:timers', 'node:timers/promises', 'timers', 'timers/promises']);
const LOG_METHODS = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'child']);
/** Calls that take milliseconds; `timeout` is that of AbortSignal. */
const WAITING = new Set(['setTimeout', 'setInterval', 'sleep', 'timeout']);
const CONTAINERS = new Set(['Map', 'Set', 'WeakMap', 'WeakSet']);

interface Fault {
  readonly problem: string;
  readonly remedy: string;
}

/** What this house forbids: shells, the machine's clock and dice, state of modules, secrets in logs, blind TLS, waits without a name. */
export const forbiddenCheck: Check = {
  name: 'forbidden',
  run: ({ root }) => {
    const files = checkoutFiles(root).filter((file) => /^(apps|packages|integration|build)\/.*\.ts$/.test(file));
    const found = files.flatMap((file) => forbiddenFindingsIn(file, readFileSync(join(root, file), 'utf8')));
    const stale = [...CLOCK_EXCEPTIONS.keys()].filter(
      (file) => !files.includes(file) || clockFaults(readFileSync(join(root, file), 'utf8')).length === 0,
    );
    return [
      ...found,
      ...stale.map((file) => ({
        file: 'build/checks/forbidden-exceptions.ts',
        problem: `${file} does not use the machine's clock (any more)`,
        remedy: 'remove its entry',
      })),
    ];
  },
};

/** Findings in the text of one file of ours, by where it stands: tests, build tools and mains have more freedom. */
export function forbiddenFindingsIn(file: string, source: string): Finding[] {
  const isShipped = /^(apps|packages)\//.test(file) && !isTestFile(file) && !file.startsWith('packages/testkit/');
  const isClockless = isShipped && !CLOCK_EXCEPTIONS.has(file);
  const tree = parseTree(source);
  const found: Finding[] = [];
  walk(tree, (node) => {
    const faults = [
      shellFault(node),
      tlsFault(node),
      diceFault(node),
      ...(isShipped ? [secretFault(node), tlsVariableFault(node), timeoutFault(node)] : []),
      ...(isClockless ? [clockFault(node)] : []),
    ];
    for (const fault of faults) if (fault !== undefined) found.push({ file, line: lineAt(source, node.start), ...fault });
  });
  if (isShipped) found.push(...stateFaults(tree).map(({ start, ...fault }) => ({ file, line: lineAt(source, start), ...fault })));
  return found;
}

function clockFaults(source: string): Fault[] {
  const found: Fault[] = [];
  walk(parseTree(source), (node) => {
    const fault = clockFault(node);
    if (fault !== undefined) found.push(fault);
  });
  return found;
}

function shellFault(node: Node): Fault | undefined {
  const remedy = 'start the program itself with a list of arguments (spawn, execFile, startChild): no text may reach a shell';
  if (node.type === 'ImportDeclaration' && /^(node:)?child_process$/.test(literalOf(node['source']) ?? '')) {
    const names = (node['specifiers'] as Node[]).flatMap(({ imported }) => (isNode(imported) ? [String(imported['name'])] : []));
    const shell = names.find((name) => name === 'exec' || name === 'execSync');
    return shell === undefined ? undefined : { problem: `${shell} gives its text to a shell`, remedy };
  }
  if (isMember(node, 'child_process', 'exec') || isMember(node, 'child_process', 'execSync'))
    return { problem: 'exec gives its text to a shell', remedy };
  const [name, value] = propertyOf(node);
  if (name !== 'shell' || !isNode(value) || value.type !== 'Literal' || value['value'] === false) return undefined;
  return { problem: `shell: ${String(value['value'])} gives the arguments to a shell`, remedy };
}

function tlsFault(node: Node): Fault | undefined {
  const [name, value] = propertyOf(node);
  const isSet = (wanted: boolean): boolean => isNode(value) && value['value'] === wanted;
  if (name === 'rejectUnauthorized' && isSet(false))
    return { problem: 'rejectUnauthorized: false trusts every server', remedy: 'give the certificate authority with `ca` instead' };
  if (name === 'insecureHTTPParser' && isSet(true))
    return { problem: 'insecureHTTPParser: true takes requests that two parsers read differently', remedy: 'leave it false' };
  return undefined;
}

/** What turns the check of every server off; tests may show that we do not listen to it. */
function tlsVariableFault(node: Node): Fault | undefined {
  const name = node.type === 'Literal' ? node['value'] : nameOf(node);
  if (name !== 'NODE_TLS_REJECT_UNAUTHORIZED') return undefined;
  return { problem: `${name} turns the check of every server off`, remedy: 'give NODE_EXTRA_CA_CERTS instead' };
}

function diceFault(node: Node): Fault | undefined {
  if (!isMember(node, 'Math', 'random')) return undefined;
  return {
    problem: 'Math.random is predictable, and cannot be repeated by a test',
    remedy: 'node:crypto for what must not be guessed; else inject it',
  };
}

function clockFault(node: Node): Fault | undefined {
  const remedy = 'take a Clock (@bureau/core) from the caller; build/checks/forbidden-exceptions.ts lists who may not';
  if (isMember(node, 'Date', 'now') || isMember(node, 'performance', 'now')) return { problem: "reads the machine's clock", remedy };
  if (node.type === 'NewExpression' && nameOf(node['callee']) === 'Date' && (node['arguments'] as unknown[]).length === 0)
    return { problem: "new Date() reads the machine's clock", remedy };
  const timer = node.type === 'CallExpression' ? nameOf(node['callee']) : undefined;
  if (timer !== undefined && TIMERS.has(timer)) return { problem: `${timer} waits by the machine's clock`, remedy };
  const source = node.type === 'ImportDeclaration' ? literalOf(node['source']) : undefined;
  return source !== undefined && TIMER_MODULES.has(source) ? { problem: `${source} waits by the machine's clock`, remedy } : undefined;
}

/** A number of milliseconds in the middle of code says neither what it waits for nor why so long. */
function timeoutFault(node: Node): Fault | undefined {
  const remedy = 'give it a name with its reason: a const of this file, or limits.ts';
  if (node.type !== 'CallExpression' || !isNode(node['callee'])) return undefined;
  const { callee } = node;
  const given = node['arguments'] as unknown[];
  const options = given.flatMap((argument) =>
    isNode(argument) && argument.type === 'ObjectExpression' ? (argument['properties'] as Node[]) : [],
  );
  const option = options.map(propertyOf).find(([name, value]) => /^(timeout|\w*[mM]illiseconds)$/.test(name ?? '') && isWait(value));
  if (option !== undefined) return { problem: `'${option[0]}' is a number without a name`, remedy };
  const called = nameOf(callee) ?? nameOf(callee['property']);
  if (called === undefined || !WAITING.has(called) || !given.some(isWait)) return undefined;
  return { problem: `${called} waits for a number without a name`, remedy };
}

/** A number that is written out, alone or in a product; zero is no wait. */
function isWait(value: unknown): boolean {
  if (!isNode(value)) return false;
  if (value.type === 'BinaryExpression') return isWait(value['left']) && isWait(value['right']);
  return value.type === 'Literal' && typeof value['value'] === 'number' && value['value'] !== 0;
}

function secretFault(node: Node): Fault | undefined {
  if (node.type !== 'CallExpression' || !isNode(node['callee']) || node['callee'].type !== 'MemberExpression') return undefined;
  const { object, property } = node['callee'];
  if (
    !LOG_METHODS.has(nameOf(property) ?? '') ||
    !/log(ger)?$/i.test(nameOf(object) ?? nameOf(isNode(object) ? object['property'] : undefined) ?? '')
  )
    return undefined;
  const fields = (node['arguments'] as unknown[]).find((argument) => isNode(argument) && argument.type === 'ObjectExpression');
  const names = isNode(fields) ? (fields['properties'] as Node[]).map((property) => propertyOf(property)[0] ?? '') : [];
  const secret = names.find((name) => isSecretKey(name));
  if (secret === undefined) return undefined;
  return {
    problem: `a log call has the field '${secret}'`,
    remedy: 'leave it out: redaction is the last net, not a plan; a file, name, count or digest of it may be logged',
  };
}

/** Variables and empty containers of the module itself: they outlive every caller, and tests share them. */
function stateFaults(tree: Node): (Fault & { readonly start: number })[] {
  const remedy = 'hold it in an object that somebody makes and passes on (style.md, 8)';
  return (tree['body'] as Node[]).flatMap((statement) => {
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement['declaration'] : statement;
    if (!isNode(declaration) || declaration.type !== 'VariableDeclaration') return [];
    if (declaration['kind'] !== 'const')
      return [{ start: declaration.start, problem: `a module-level ${String(declaration['kind'])}`, remedy }];
    return (declaration['declarations'] as Node[]).flatMap(({ init, start }) =>
      isEmptyContainer(init) ? [{ start, problem: 'an empty container of the module: it is there to be changed', remedy }] : [],
    );
  });
}

function isEmptyContainer(init: unknown): boolean {
  if (!isNode(init)) return false;
  if (init.type === 'ArrayExpression') return (init['elements'] as unknown[]).length === 0;
  return init.type === 'NewExpression' && CONTAINERS.has(nameOf(init['callee']) ?? '') && (init['arguments'] as unknown[]).length === 0;
}

function isMember(node: Node, object: string, property: string): boolean {
  return (
    node.type === 'MemberExpression' &&
    nameOf(node['object']) === object &&
    (nameOf(node['property']) ?? literalOf(node['property'])) === property
  );
}

function nameOf(node: unknown): string | undefined {
  return isNode(node) && node.type === 'Identifier' ? String(node['name']) : undefined;
}

/** Name and value of `name: value` in an object; both undefined for other nodes. */
function propertyOf(node: Node): [string | undefined, unknown] {
  if (node.type !== 'Property') return [undefined, undefined];
  return [nameOf(node['key']) ?? literalOf(node['key']), node['value']];
}

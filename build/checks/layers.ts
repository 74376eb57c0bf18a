// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { checkoutFiles, isTestFile } from './checkout-files.ts';
import type { Check, Finding } from './finding.ts';
import { parseModule } from './imports.ts';
import type { ImportedModule, ParsedModule } from './imports.ts';
import { LAYERS, ownerOf, readManifests } from './manifests.ts';
import type { Manifest } from './manifests.ts';

/** All that integration tests may know of us: shapes, attacks and the kit; they talk to built processes. */
const INTEGRATION_MAY_IMPORT = ['@bureau/testkit', '@bureau/core', '@bureau/protocol', '@bureau/escape'];

/** Run as root: what they are made of is read by whoever reviews them, and nothing else is theirs. */
const PRIVILEGED = ['apps/launcher', 'apps/stand'];

/** Packages that no process of root may reach, through whatever dependencies. */
const UNPRIVILEGED_ONLY: ReadonlyMap<string, string> = new Map([
  ['@bureau/ipc-node-ipc', 'node-ipc shipped malware twice; use @bureau/ipc, the same wire (docs/adr/0008-node-ipc.md)'],
]);

/** Arrows point down, or sideways along what package.json declares without a cycle; only `main.ts` touches the process. */
export const layersCheck: Check = {
  name: 'layers',
  run: ({ root }) => {
    const files = checkoutFiles(root);
    const manifests = readManifests(root, files).filter((manifest) => /^(apps|packages)\/|^integration$/.test(manifest.folder));
    const sources = files.filter((file) => file.endsWith('.ts') && ownerOf(manifests, file) !== undefined);
    const modules = sources.map((file) => ({ file, source: readFileSync(join(root, file), 'utf8') }));
    return [...manifestFindings(manifests), ...modules.flatMap(({ file, source }) => moduleFindings(manifests, file, parseModule(source)))];
  },
};

/** Findings in the manifests: a missing layer, a dependency that points up, a cycle. */
export function manifestFindings(manifests: readonly Manifest[]): Finding[] {
  const found: Finding[] = [];
  for (const manifest of manifests) {
    const file = join(manifest.folder, 'package.json');
    if (!LAYERS.some((layer) => layer === manifest.layer)) {
      found.push({
        file,
        problem: `"layer" is ${JSON.stringify(manifest.layer)}, expected one of ${LAYERS.join(', ')}`,
        remedy: 'say which layer of design section 7 it belongs to',
      });
    }
    for (const name of Object.keys(manifest.dependencies)) {
      const target = manifests.find((other) => other.name === name);
      const problem = target === undefined ? undefined : arrowProblem(manifest, target, false);
      if (problem !== undefined)
        found.push({ file, problem, remedy: 'move what is shared into a lower layer, or depend the other way round' });
    }
  }
  return [...found, ...cycleFindings(manifests), ...privilegeFindings(manifests)];
}

/** Says what is wrong with an arrow between two packages, or undefined. */
function arrowProblem(from: Manifest, to: Manifest, isTest: boolean): string | undefined {
  const [source, target] = [LAYERS.findIndex((layer) => layer === from.layer), LAYERS.findIndex((layer) => layer === to.layer)];
  const says = `${from.name} (layer ${String(from.layer)}) must not import ${to.name} (layer ${String(to.layer)})`;
  if (to.layer === 'app' || to.layer === 'integration') return `${says}: nothing imports a process or a test`;
  if (from.layer === 'integration')
    return INTEGRATION_MAY_IMPORT.includes(to.name)
      ? undefined
      : `${says}: integration tests know only ${INTEGRATION_MAY_IMPORT.join(', ')}`;
  if (to.layer === 'testing') return isTest || from.layer === 'testing' ? undefined : `${says}: only tests may`;
  return target > source ? `${says}: arrows point down` : undefined;
}

/** One finding per privileged process and package that it must not reach, with the way there. */
function privilegeFindings(manifests: readonly Manifest[]): Finding[] {
  const byName = new Map(manifests.map((manifest) => [manifest.name, manifest]));
  return manifests
    .filter(({ folder }) => PRIVILEGED.includes(folder))
    .flatMap((start) => {
      const wayTo = new Map([[start.name, start.name]]);
      // Grows while it is walked.
      for (const [name, way] of wayTo) {
        for (const next of Object.keys(byName.get(name)?.dependencies ?? {})) if (!wayTo.has(next)) wayTo.set(next, `${way} → ${next}`);
      }
      return [...UNPRIVILEGED_ONLY].flatMap(([name, why]) => {
        const way = wayTo.get(name);
        return way === undefined
          ? []
          : [{ file: join(start.folder, 'package.json'), problem: `a process of root reaches ${name}: ${way}`, remedy: why }];
      });
    });
}

function cycleFindings(manifests: readonly Manifest[]): Finding[] {
  const byName = new Map(manifests.map((manifest) => [manifest.name, manifest]));
  const done = new Set<string>();
  const found: Finding[] = [];
  const visit = (name: string, path: readonly string[]): void => {
    const manifest = byName.get(name);
    if (manifest === undefined || done.has(name)) return;
    if (path.includes(name)) {
      const cycle = [...path.slice(path.indexOf(name)), name].join(' → ');
      found.push({
        file: join(manifest.folder, 'package.json'),
        problem: `cycle of packages: ${cycle}`,
        remedy: 'put the interface that both need into a lower package',
      });
      return;
    }
    for (const dependency of Object.keys(manifest.dependencies)) visit(dependency, [...path, name]);
    done.add(name);
  };
  for (const name of byName.keys()) visit(name, []);
  return found;
}

/** Findings in one source file. */
export function moduleFindings(manifests: readonly Manifest[], file: string, parsed: ParsedModule): Finding[] {
  const owner = ownerOf(manifests, file);
  if (owner === undefined) return [];
  const isTest = isTestFile(file);
  const found = parsed.imports.flatMap((imported) => importFindings(manifests, owner, file, imported, isTest));
  if (isTest || /(^|[-.])main\.ts$/.test(basename(file)) || file.includes('/bench/')) return found;
  const uses = parsed.processUses.map(({ what, line }) => ({
    file,
    line,
    problem: `${what} is used outside a main.ts`,
    remedy: 'read it in main.ts and pass the value in',
  }));
  return [...found, ...uses];
}

function importFindings(
  manifests: readonly Manifest[],
  owner: Manifest,
  file: string,
  imported: ImportedModule,
  isTest: boolean,
): Finding[] {
  const { specifier, line } = imported;
  const finding = (problem: string, remedy: string): Finding[] => [{ file, line, problem, remedy }];
  if (specifier.startsWith('.')) {
    const target = join(file, '..', specifier);
    if (file.includes('/bench/') && target.startsWith('build/bench/')) return []; // how every bench measures
    if (!target.startsWith(`${owner.folder}/`))
      return finding(`'${specifier}' leaves ${owner.folder}`, `import the package by name and declare it in ${owner.folder}/package.json`);
    const reachesTests = isTestFile(target) && !isTest;
    return reachesTests ? finding(`'${specifier}' is test code`, 'ship nothing that only tests need') : [];
  }
  if (specifier.startsWith('node:')) {
    const pure = owner.layer === 0 && !isTest;
    return pure
      ? finding(`layer 0 is pure, it must not import ${specifier}`, 'move this file to a package of layer 1, or inject what it needs')
      : [];
  }
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  if (name === owner.name) return [];
  const declared = { ...owner.dependencies, ...(isTest ? owner.devDependencies : {}) };
  if (!Object.hasOwn(declared, name)) {
    const kind = isTest ? 'devDependencies' : 'dependencies';
    return finding(
      `'${name}' is not declared`,
      `add it to ${kind} of ${owner.folder}/package.json (and, when it is from npm, to docs/dependencies.md)`,
    );
  }
  const target = manifests.find((manifest) => manifest.name === name);
  const problem = target === undefined ? undefined : arrowProblem(owner, target, isTest);
  return problem === undefined ? [] : finding(problem, 'move what is shared into a lower layer');
}

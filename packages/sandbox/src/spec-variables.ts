// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { pathFault, type Mount, type SandboxSpec } from '@bureau/protocol';

/** The closed list of what a spec may write as `${NAME}`. Nothing is ever taken from a process's environment. */
export const VARIABLE_NAMES = [
  /** `/workspace`: inside. */
  'WORKSPACE_ROOT',
  /** A directory of the host for caches that several agents share; the policy must list it before it can be mounted. */
  'CACHE_ROOT',
  /** `/run/bureau/proxy.sock`: inside. */
  'PROXY_SOCKET',
  /** The programs of this build, Bureau's own Node among them: inside, where `/usr` is the host's. */
  'BUREAU_BIN',
  'TERM',
  'MACHINE_NAME',
  'SERVER_NAME',
  'PRINCIPAL_NAME',
  /** From the assignment, when it says one. */
  'FLEET',
  'PROJECT',
  'WORKTREE_PATH',
] as const;

export type VariableName = (typeof VARIABLE_NAMES)[number];
/** Values of one principal; a name without a value may not be used by its spec. */
export type SpecVariables = Readonly<Partial<Record<VariableName, string>>>;

/**
 * The spec with every variable replaced: in paths, environment values and prepended values, once (a value is not looked at again); never
 * in the command. `$${` gives `${`. Pure. Throws `spec_refused` with rule `variable` or `path` and `data.field`: for a name that is not in
 * the list or has no value here, and for a path that its variables make no plain one.
 */
export function expandSpec(spec: SandboxSpec, variables: SpecVariables): SandboxSpec {
  const text = (field: string, value: string): string => expandText(value, field, variables);
  const path = (field: string, value: string): string => plainPath(field, text(field, value));
  const values = (field: string, record: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(record).map(([name, value]) => [name, text(`${field}.${name}`, value)]));
  return {
    ...spec,
    environment: values('environment', spec.environment),
    ...(spec.prependVariables === undefined ? {} : { prependVariables: values('prependVariables', spec.prependVariables) }),
    mounts: spec.mounts.map((mount, index) => expandMount(mount, `mounts[${index}]`, path)),
    ...(spec.createDirectories === undefined
      ? {}
      : { createDirectories: spec.createDirectories.map((value, index) => path(`createDirectories[${index}]`, value)) }),
    directory: path('directory', spec.directory),
    ...(spec.root === undefined ? {} : { root: expandRoot(spec.root, path) }),
  };
}

type ExpandPath = (field: string, value: string) => string;

function expandMount(mount: Mount, field: string, path: ExpandPath): Mount {
  switch (mount.type) {
    case 'bind':
      return { ...mount, source: path(`${field}.source`, mount.source), destination: path(`${field}.destination`, mount.destination) };
    case 'tmpfs':
      return { ...mount, destination: path(`${field}.destination`, mount.destination) };
    case 'device':
      return { ...mount, source: path(`${field}.source`, mount.source) };
    case 'overlay':
      return { ...mount, lower: path(`${field}.lower`, mount.lower), destination: path(`${field}.destination`, mount.destination) };
  }
}

function expandRoot(root: NonNullable<SandboxSpec['root']>, path: ExpandPath): NonNullable<SandboxSpec['root']> {
  if (root.type === 'directory') return { ...root, path: path('root.path', root.path) };
  return root.type === 'nix' ? { ...root, environment: path('root.environment', root.environment) } : root;
}

function expandText(value: string, field: string, variables: SpecVariables): string {
  return value.replace(/\$\$\{|\$\{([^}]*)\}?/g, (found: string, name: string | undefined) => {
    if (name === undefined) return '${';
    if (!found.endsWith('}')) refuse('variable', field, 'a "${" without its "}"; write "$${" for a literal "${"');
    if (!(VARIABLE_NAMES as readonly string[]).includes(name)) {
      const shown = JSON.stringify(name.slice(0, 100));
      refuse('variable', field, `there is no variable ${shown}; expected one of ${VARIABLE_NAMES.join(', ')} ("$\${" is a literal "\${")`);
    }
    const set = variables[name as VariableName];
    return set ?? refuse('variable', field, `${name} has no value for this principal`);
  });
}

/** A variable may stand only at its beginning by the schema, and its value must keep it a path. */
function plainPath(field: string, path: string): string {
  const fault = path.startsWith('/') ? pathFault(path) : 'expected an absolute path';
  return fault === undefined ? path : refuse('path', field, `${fault} once its variables are replaced`);
}

function refuse(rule: 'path' | 'variable', field: string, reason: string): never {
  throw new BureauError('spec_refused', `Cannot use ${field} of this sandbox's spec: ${reason}`, { data: { rule, field } });
}

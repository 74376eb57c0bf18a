// SPDX-License-Identifier: Apache-2.0
import { BureauError, type PrincipalName } from '@bureau/core';
import type { SandboxSpec } from '@bureau/protocol';
import { DEFAULT_PATH, HOME, PROXY_SOCKET, USER } from './layout.ts';

/** One variable of a payload, and who set it last. */
export interface SandboxVariable {
  readonly name: string;
  readonly value: string;
  readonly from: 'bureau' | 'spec';
}

/**
 * The whole environment of a payload, in order: Bureau's defaults, the spec over them, its prepended values, and what Bureau says about
 * itself, which no spec sets. Nothing of any process's own environment. Pure. Throws `environment_refused`.
 */
export function sandboxEnvironment({
  spec,
  principal,
}: {
  readonly spec: SandboxSpec;
  readonly principal: PrincipalName;
}): SandboxVariable[] {
  for (const field of ['environment', 'prependVariables'] as const) {
    for (const name of Object.keys(spec[field] ?? {})) refuseName(name, field);
  }
  const variables = new Map<string, SandboxVariable>();
  const set = (name: string, value: string, from: SandboxVariable['from']): void => void variables.set(name, { name, value, from });
  set('PATH', DEFAULT_PATH, 'bureau');
  set('HOME', HOME, 'bureau');
  set('USER', USER, 'bureau');
  set('LOGNAME', USER, 'bureau');
  set('SHELL', '/bin/sh', 'bureau');
  set('LANG', 'C.UTF-8', 'bureau');
  if (spec.terminal) set('TERM', 'xterm-256color', 'bureau');
  for (const [name, value] of Object.entries(spec.environment)) set(name, value, 'spec');
  const prepend = (name: string, value: string): void => {
    const known = variables.get(name)?.value ?? '';
    set(name, known === '' ? value : `${value}:${known}`, 'spec');
  };
  if (spec.root?.type === 'nix') prepend('PATH', `${spec.root.environment}/bin`);
  for (const [name, value] of Object.entries(spec.prependVariables ?? {})) prepend(name, value);
  set('BUREAU_PRINCIPAL', principal, 'bureau');
  set('BUREAU_PROXY_SOCKET', PROXY_SOCKET, 'bureau');
  return [...variables.values()];
}

function refuseName(name: string, field: string): void {
  if (name.startsWith('BUREAU_')) {
    throw new BureauError('environment_refused', `Cannot set ${name}: names that start with "BUREAU_" are set by Bureau`, {
      data: { field: `${field}.${name}` },
    });
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new BureauError('environment_refused', 'Cannot set a variable of that name: expected letters, digits and "_"', {
      data: { field },
    });
  }
}

// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand, type CommandResult } from '@bureau/testkit';

/** Vendors' clients, exact; what they need themselves comes as their own packages say. They only ever run inside a sandbox. */
const NPM = ['@anthropic-ai/sdk@1.12.0', 'openai@7.57.0'];
const PYPI = ['anthropic==2.12.0', 'openai==3.54.0'];
/** Outside the checkout: a registry is asked once for each set of versions on a machine. */
const CACHE = '/var/tmp/bureau-test-clients';
/** Two registries on a slow line. */
const INSTALL_MILLISECONDS = 600_000;
const NPM_PROGRAM = fileURLToPath(new URL('../../script/npm', import.meta.url));

/** A directory with `node_modules/` and `python/` of the vendors' clients, made when it is missing. Throws with a package manager's words. */
export async function vendorClients(): Promise<string> {
  const name = [...NPM, ...PYPI].join(',').replaceAll(/[^a-z0-9.,]/g, '-');
  const target = join(CACHE, name);
  if (existsSync(join(target, '.complete'))) return target;
  const fresh = `${target}.new-${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  try {
    const npm = ['install', '--prefix', fresh, '--ignore-scripts', '--no-audit', '--no-fund', '--omit=peer', ...NPM];
    await install(NPM_PROGRAM, npm, fresh);
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-compile', '--only-binary', ':all:', '--target', join(fresh, 'python'), ...PYPI];
    await install('/usr/bin/python3', pip, fresh);
    writeFileSync(join(fresh, '.complete'), '');
    rmSync(target, { recursive: true, force: true });
    renameSync(fresh, target);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return target;
}

async function install(command: string, args: readonly string[], cwd: string): Promise<void> {
  const result: CommandResult = await runCommand(command, args, { cwd, env: 'caller', timeoutMilliseconds: INSTALL_MILLISECONDS });
  if (result.code !== 0)
    throw new Error(`Cannot install the vendors' clients (the registries must be reachable once): ${result.stderr.slice(-2_000)}`);
}

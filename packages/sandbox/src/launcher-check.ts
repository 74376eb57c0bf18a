// SPDX-License-Identifier: Apache-2.0
import type { InputOf, launcherContract } from '@bureau/protocol';
import type { LauncherDeps } from './launcher-deps.ts';
import { judgeSandbox } from './launcher-wall.ts';
import { OpenMountSources } from './mount-source.ts';

/** What `launcherContract.check` takes. */
export type CheckInput = InputOf<typeof launcherContract, 'check'>;

/**
 * Whether a create of this spec with this bundle (else the last accepted one) would be allowed now. Nothing is kept or made; a bundle is not
 * accepted by it. Throws what a create would be refused with.
 */
export async function checkSandbox(deps: LauncherDeps, { principal, spec, bundle }: CheckInput, number: number): Promise<void> {
  const { credentials } = deps;
  const opened = await (bundle === undefined ? credentials.open(principal, number) : credentials.judge(principal, number, bundle));
  opened.secrets[Symbol.dispose]();
  using sources = new OpenMountSources();
  judgeSandbox({ principal, spec, number, header: opened.header }, deps, sources);
}

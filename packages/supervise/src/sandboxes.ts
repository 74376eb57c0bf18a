// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import type { CgroupTree } from '@bureau/process';
import { adoptFrom, stopAdopted } from './adopted.ts';

/** Where the launcher puts relays and payloads; the service manager ends them by these names without asking anyone. */
const RELAY = /^relay-[0-9]+$/;
const SANDBOX = /^sandbox-[0-9]+$/;

/**
 * Ends every relay and payload of the stand: TERM to the relays (each stops its payload in good order), then KILL of what is left.
 * Resolves when all their cgroups are empty and gone.
 */
export async function endSandboxes(tree: CgroupTree, graceMilliseconds: number, clock: Clock): Promise<void> {
  const names = tree.list();
  await Promise.all(
    names.filter((name) => RELAY.test(name)).map(async (name) => {
      const relay = tree.group(name);
      const left = adoptFrom(relay);
      if (left !== undefined) await stopAdopted(left, relay, graceMilliseconds, clock);
      relay.remove();
    }),
  );
  for (const name of names.filter((each) => SANDBOX.test(each))) {
    const sandbox = tree.group(name);
    const left = adoptFrom(sandbox);
    sandbox.kill();
    await left?.exited;
    sandbox.remove();
  }
}

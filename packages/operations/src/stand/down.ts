// SPDX-License-Identifier: Apache-2.0
import { existsSync, rmSync } from 'node:fs';
import { BureauError, hasCode, sleep } from '@bureau/core';
import { releaseUidBase } from '@bureau/instance';
import { tryLockFile } from '@bureau/native';
import { CgroupTree } from '@bureau/process';
import { endEverything, removeRunDirectory } from '@bureau/supervise';
import * as v from 'valibot';
import { connectStand, requireRoot } from '../daemon-client.ts';
import type { OperationContext } from '../registry/context.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';

/** A payload's own grace; the rest follows at once. */
const GRACE_MILLISECONDS = 5_000;
const DOWN_MILLISECONDS = 120_000;
const LOOK_MILLISECONDS = 25;

/** `bureau stand down`, behind `script/down`: nothing left that runs; with `--purge`, nothing left. */
export const standDown: AnyOperation = defineOperation({
  name: 'stand down',
  summary: 'End everything of this stand; state stays unless --purge',
  grant: 'stand/down',
  input: v.strictObject({ purge: v.optional(v.boolean(), false) }),
  output: v.strictObject({ was_running: v.boolean(), purged: v.boolean() }),
  fields: { purge: { help: 'remove its state as well: homeserver, keys, workspaces, settings. There is no way back' } },
  positionals: [],
  examples: [{ command: 'script/down', shows: 'no process, mount, socket or cgroup of the stand left' }],
  async handler({ purge }, context) {
    requireRoot(context);
    const { paths } = context;
    using lock = existsSync(paths.stateDir) ? tryLockFile(`${paths.stateDir}/up.lock`) : { [Symbol.dispose]: () => undefined };
    if (lock === null)
      throw new BureauError('stand_busy', 'Another script/up or script/down of this instance is at work; wait for its end');
    const asked = await shutDown(context);
    // What a killed service manager left, or none at all: the cgroups know it.
    const tree = CgroupTree.open(paths.cgroupName);
    const running = asked || tree.list().some((name) => tree.group(name).populated());
    await endEverything(tree, GRACE_MILLISECONDS, context.clock);
    removeRunDirectory(paths.runDir);
    if (purge) {
      for (const directory of [paths.stateDir, paths.logDir]) rmSync(directory, { recursive: true, force: true });
      purgeSettings(context);
      releaseUidBase(paths.name);
    }
    return { was_running: running, purged: purge };
  },
  render: ({ was_running: running, purged }) =>
    `${running ? 'the stand is down' : 'nothing was running'}${purged ? '; its state is removed' : '; its state is kept'}`,
});

async function shutDown(context: OperationContext): Promise<boolean> {
  try {
    using stand = await connectStand(context);
    context.progress('ending agents, proxies, daemon, launcher, homeserver');
    await stand.call('shutDown', { graceMilliseconds: GRACE_MILLISECONDS }, { deadlineMilliseconds: DOWN_MILLISECONDS });
  } catch (error) {
    if (hasCode(error, 'stand_down') || hasCode(error, 'file_missing')) return false;
    if (hasCode(error, 'deadline_exceeded')) {
      context.progress('the service manager does not answer; ending everything without it');
      return false;
    }
    if (!hasCode(error, 'connection_lost')) throw error;
  }
  await untilGone(context);
  return true;
}

/** The service manager answers just before it leaves; its lock is free when it has. */
async function untilGone(context: OperationContext): Promise<void> {
  const lock = `${context.paths.stateDir}/stand.lock`;
  for (let waited = 0; waited < DOWN_MILLISECONDS && existsSync(lock); waited += LOOK_MILLISECONDS) {
    const taken = tryLockFile(lock);
    if (taken !== null) return taken[Symbol.dispose]();
    await sleep(context.clock, LOOK_MILLISECONDS, context.signal);
  }
}

/** The default instance's directory also holds the uid ranges of all instances: that file stays. */
function purgeSettings({ paths }: OperationContext): void {
  if (paths.name !== '') return rmSync(paths.configDir, { recursive: true, force: true });
  const own = [
    paths.settingsFile,
    paths.machineFile,
    paths.policyFile,
    paths.credentialFile,
    `${paths.credentialFile}.password`,
    paths.operatorKeyFile,
    paths.operatorsDirectory,
    paths.escrowKeyFile,
    paths.buildLink,
  ];
  for (const path of own) rmSync(path, { recursive: true, force: true });
}

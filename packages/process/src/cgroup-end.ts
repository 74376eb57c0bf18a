// SPDX-License-Identifier: Apache-2.0
import { BureauError, sleep, type Clock } from '@bureau/core';
import type { Cgroup } from './cgroup.ts';
import { KILL_WAIT_MILLISECONDS, LOOK_AGAIN_MILLISECONDS } from './limits.ts';

/**
 * Resolves when nothing lives in the group any more, however long that takes; rejects with the signal's reason only. Looks again from time to
 * time: the kernel may have no watch to give (`fs.inotify.max_user_watches`), and drops the last event of a group that somebody else
 * removes at once.
 */
export async function untilEmpty(cgroup: Cgroup, clock: Clock, signal?: AbortSignal): Promise<void> {
  for (;;) {
    signal?.throwIfAborted();
    const again = new AbortController();
    const lookAgain = (): void => again.abort();
    signal?.addEventListener('abort', lookAgain, { once: true });
    const timer = clock.setTimer(LOOK_AGAIN_MILLISECONDS, lookAgain);
    try {
      await cgroup.whenEmpty(again.signal);
      return;
    } catch {
      // Without a watch this is a look now and then; with one it is a safety net.
      if (!again.signal.aborted) await sleep(clock, LOOK_AGAIN_MILLISECONDS, signal);
    } finally {
      timer.clear();
      signal?.removeEventListener('abort', lookAgain);
    }
  }
}

/**
 * Ends all that lives in the group, and nothing else: TERM to each process, at most `graceMilliseconds`, then `cgroup.kill`. With a
 * grace of 0 it is killed at once. Resolves when the group is empty. Throws `group_unkillable` when something survives 5 s of KILL.
 */
export async function endGroup(cgroup: Cgroup, graceMilliseconds: number, clock: Clock): Promise<void> {
  if (!cgroup.populated()) return;
  if (graceMilliseconds > 0) {
    for (const pid of cgroup.pids()) terminate(pid);
    if (await emptyWithin(cgroup, graceMilliseconds, clock)) return;
  }
  cgroup.kill();
  if (await emptyWithin(cgroup, KILL_WAIT_MILLISECONDS, clock)) return;
  const pids = cgroup.pids();
  throw new BureauError(
    'group_unkillable',
    `Processes ${pids.join(' ')} in ${cgroup.path} still live ${KILL_WAIT_MILLISECONDS} ms after SIGKILL: look at /proc/PID/wchan for what they wait for.`,
    { data: { path: cgroup.path, pids: pids.map(String) } },
  );
}

async function emptyWithin(cgroup: Cgroup, milliseconds: number, clock: Clock): Promise<boolean> {
  const late = new AbortController();
  const timer = clock.setTimer(milliseconds, () => late.abort());
  try {
    await cgroup.whenEmpty(late.signal);
    return true;
  } catch (error) {
    if (!late.signal.aborted) throw error;
    return !cgroup.populated();
  } finally {
    timer.clear();
  }
}

function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
    // A stopped process would not see it.
    process.kill(pid, 'SIGCONT');
  } catch {
    // It has ended meanwhile.
  }
}

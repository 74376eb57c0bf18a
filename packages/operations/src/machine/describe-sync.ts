// SPDX-License-Identifier: Apache-2.0
import { formatDuration } from '@bureau/core';

/** A homeserver without news answers each sync after 30 s (the daemon's `POLL_MILLISECONDS`); 10 s more on a loaded machine. */
const SILENCE_MILLISECONDS = 40_000;

/** What the daemon knows of its sync. */
export interface SyncFacts {
  readonly sync: string;
  readonly lastSyncAt: number | null;
}

/** `sync live, last answer 3s ago`; one that is live but has been silent for longer than the homeserver ever is says since when. */
export function describeSync({ sync, lastSyncAt }: SyncFacts, now: number): string {
  if (lastSyncAt === null) return `sync ${sync}`;
  const age = now - lastSyncAt;
  if (sync !== 'live' || age <= SILENCE_MILLISECONDS) return `sync ${sync}, last answer ${formatDuration(age)} ago`;
  return `sync silent: the homeserver has sent nothing since ${new Date(lastSyncAt).toISOString()}, ${formatDuration(age)} ago (it answers every 30 s)`;
}

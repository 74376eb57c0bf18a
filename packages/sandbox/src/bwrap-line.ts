// SPDX-License-Identifier: Apache-2.0
import type { OverlayPlan } from '@bureau/protocol';
import { withOverlays } from './overlay-stage.ts';

const BWRAP = '/usr/bin/bwrap';
/** The first descriptors that bwrap gets behind 0, 1 and 2; the mount sources follow (`MOUNT_SOURCE_FD`). As bureau-starter opens them (`stage.c`). */
const NUMBERS = ['--args', '3', '--seccomp', '4', '--json-status-fd', '5', '--block-fd', '6'] as const;

/** What a command line of bubblewrap is made of, beside the options that go by descriptor. */
export interface BwrapLineParts {
  /** bureau-exec and the spec's command. */
  readonly command: readonly string[];
  readonly terminal: boolean;
  readonly overlays: readonly OverlayPlan[];
  /** The payload's. */
  readonly uid: number;
}

/**
 * bubblewrap's command line as it is executed, behind one that puts overlays together when there are any. Without a terminal bwrap makes the
 * payload's session; with one the command does (`bureau-exec --terminal`), which says why not bwrap. Pure.
 */
export function bwrapLine({ command, terminal, overlays, uid }: BwrapLineParts): string[] {
  const args = [...NUMBERS, '--die-with-parent', ...(terminal ? [] : ['--new-session']), '--', ...command];
  const { program, args: words } = withOverlays(overlays, uid, BWRAP, args);
  return [program, ...words];
}

// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { encodeFrame } from '@bureau/ipc';
import type { RelayProgram } from '@bureau/observe/testing';
import { encodeStartPlan, type OverlayPlan, type RelayConfig, type StartPlan } from '@bureau/protocol';
import { bwrapLine } from '@bureau/sandbox';

/** `return SECCOMP_RET_ALLOW`: the filter itself is tested where it is made. */
const ALLOW_ALL = Buffer.from([0x06, 0, 0, 0, 0, 0, 0xff, 0x7f]);

const OPTIONS = [
  '--unshare-all --cap-drop ALL --die-with-parent',
  '--ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64',
  '--proc /proc --dev /dev --tmpfs /tmp --chdir /tmp --setenv PATH /usr/bin:/bin --setenv TERM xterm',
].flatMap((line) => line.split(' '));

/** What of a plan a test may want otherwise. */
export interface RelayPlanOptions
  extends
    Partial<Pick<StartPlan, 'terminal' | 'holdForObserver' | 'seccomp' | 'mountSources' | 'devices' | 'limits'>>,
    Partial<Pick<RelayConfig, 'allowedUids'>> {
  readonly overlays?: readonly OverlayPlan[];
  readonly moreOptions?: readonly string[];
  /** Instead of the frame with the relay's configuration. */
  readonly rawConfig?: Uint8Array;
}

/** A plan for a small sandbox of `uid` in which these words are run by bureau-exec of `program`. */
export function relayPlan(
  program: RelayProgram,
  words: readonly string[],
  options: RelayPlanOptions,
  { uid, exitFile }: { readonly uid: number; readonly exitFile: string },
): Uint8Array {
  const { terminal = false, holdForObserver = false, overlays = [], allowedUids = [0], moreOptions = [], limits } = options;
  const config = { v: 1, build: 'test', principal: 'test/relay', holdForObserver, exitFile, allowedUids };
  const command = ['/run/bureau-bin/bureau-exec', ...(terminal ? ['--terminal'] : []), '/tmp', ...words];
  return encodeStartPlan({
    line: bwrapLine({ command, terminal, overlays, uid }),
    options: [...OPTIONS, '--ro-bind', join(program.directory, 'inside'), '/run/bureau-bin', ...moreOptions],
    seccomp: options.seccomp ?? ALLOW_ALL,
    mountSources: options.mountSources ?? [],
    devices: options.devices ?? [],
    ...{ terminal, holdForObserver, limits },
    relay: options.rawConfig ?? encodeFrame(config),
  });
}

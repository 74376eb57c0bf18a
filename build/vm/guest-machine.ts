// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Image } from './image.ts';
import { GUEST_MEBIBYTES, SILENCE_MILLISECONDS, VM_MILLISECONDS } from './limits.ts';

/** How the machine ended. */
export interface MachineEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why we ended it, where we did. */
  readonly late: string | undefined;
}

/** What boots. */
export interface MachineOptions {
  readonly image: Pick<Image, 'kernel' | 'initrd'>;
  readonly disk: string;
  /** Gets what the kernel and systemd say. */
  readonly consoleLog: string;
  readonly steps: readonly string[];
  /** One line that the steps printed. */
  readonly line: (text: string) => void;
  readonly signal: AbortSignal;
}

/**
 * qemu's arguments. One processor in software, whose clock is the number of instructions (1 ns each): a test's deadline counts what the guest
 * has had, however slow the emulation and however loaded the host. No network device, no graphics, nothing of the host shared.
 */
export function machineArguments({ image, disk, consoleLog, steps }: Omit<MachineOptions, 'line' | 'signal'>): string[] {
  const kernel = [
    'root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=-1',
    'systemd.unified_cgroup_hierarchy=1 systemd.show_status=1',
    // An emulated processor has none of the faults that cost so much to work around.
    'mitigations=off',
    `bureau.steps=${steps.join(',')}`,
  ];
  return [
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-nic', 'none'],
    ...['-accel', 'tcg,thread=single', '-icount', 'shift=0', '-rtc', 'base=utc,clock=vm'],
    ...['-cpu', 'max,la57=off', '-smp', '1', '-m', `${GUEST_MEBIBYTES}M`],
    ...['-kernel', image.kernel, '-initrd', image.initrd, '-append', kernel.join(' ')],
    ...['-drive', `file=${disk},format=raw,if=virtio,cache=unsafe`],
    ...['-serial', `file:${consoleLog}`, '-serial', 'stdio'],
  ];
}

/** Boots it and resolves when it has switched itself off, or was ended: too late, silent too long, `signal`. */
export async function runMachine(options: MachineOptions): Promise<MachineEnd> {
  // setpriv: it goes with us, even when we are killed.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...machineArguments(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let late: string | undefined;
  const end = (why: string): void => {
    late ??= why;
    child.kill('SIGKILL');
  };
  const deadline = setTimeout(() => end(`it was not done in ${VM_MILLISECONDS / 60_000} minutes`), VM_MILLISECONDS);
  const silence = setTimeout(() => end(`it said nothing for ${SILENCE_MILLISECONDS / 60_000} minutes`), SILENCE_MILLISECONDS);
  const aborted = (): void => end('it was interrupted');
  options.signal.addEventListener('abort', aborted, { once: true });
  try {
    const closed = new Promise<Pick<MachineEnd, 'code' | 'signal'>>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
    createInterface({ input: child.stdout }).on('line', (text) => {
      silence.refresh();
      // A guest's bytes are not for this terminal.
      options.line(text.replace(/\u001b\[[0-9;]*[A-Za-z]|[\u0000-\u0008\u000b-\u001f\u007f]/g, ''));
    });
    return { ...(await closed), late };
  } finally {
    clearTimeout(deadline);
    clearTimeout(silence);
    options.signal.removeEventListener('abort', aborted);
  }
}

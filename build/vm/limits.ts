// SPDX-License-Identifier: Apache-2.0

/** The whole machine, boot to power-off. Emulation takes about ten times as long as the processor itself; more on a loaded host. */
export const VM_MILLISECONDS = 3 * 60 * 60_000;
/** Without one more line from the guest: it hangs. The longest file of the escape suite says nothing for a few minutes, times ten. */
export const SILENCE_MILLISECONDS = 45 * 60_000;
/** One tool of the host: debootstrap on a slow mirror. */
export const TOOL_MILLISECONDS = 45 * 60_000;
/** Memory of the guest: a stand takes 400 MiB, the greedy attacks are held to 256 MiB. */
export const GUEST_MEBIBYTES = 3072;
/** Free room on the guest's disk: stands, their logs, what an attack may fill. */
export const GUEST_FREE_MEBIBYTES = 2048;
/** What a tool of the host may print; debootstrap says a line for each package, some times. */
export const OUTPUT_MAX_BYTES = 64 * 1024 * 1024;

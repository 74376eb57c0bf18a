// SPDX-License-Identifier: Apache-2.0
/**
 * What tests share: a real homeserver, real stands, leak checks, terminals, commands. Imported by tests only.
 *
 * @example
 * ```ts
 * let stand: Stand;
 * before(async () => (stand = await startStand({ demo: false })));
 * afterEach(async () => await stand.assertUnchanged());
 * after(async () => await stand.end());
 *
 * test('run passes the exit code on', async () => {
 *   const { code } = await stand.bureau(['run', 'probe/one', '--', 'sh', '-c', 'exit 7']);
 *   assert.equal(code, 7);
 * });
 * ```
 */
export { standName } from './stand-name.ts';
export { startStand } from './stand.ts';
export type { Stand, StandFacts, StandOptions } from './stand.ts';
export { difference } from './leak-check.ts';
export { instanceLeaks } from './instance-leaks.ts';
export type { Footprint } from './footprint.ts';
export { identity, instanceProcesses } from './instance-processes.ts';
export type { InstanceMarks, InstanceProcess } from './instance-processes.ts';
export { runCommand, startCommand } from './command.ts';
export type { CommandOptions, CommandResult, RunningCommand } from './command.ts';
export type { Terminal, TerminalOptions } from './terminal.ts';
export type { Output } from './output.ts';
export { readCredentials } from './matrix-call.ts';
export type { MatrixAnswer, MatrixRequest } from './matrix-call.ts';
export { until } from './until.ts';
export { CHECKOUT, copyCheckout } from './copy-checkout.ts';
export type { CheckoutCopy } from './copy-checkout.ts';
export { startPulse } from './pulse.ts';
export type { Pulse, PulseCall } from './pulse.ts';
export { speakAs } from './peer.ts';
export type { PeerOutcome, PeerStep } from './peer.ts';
export { forgeBundle } from './forged-bundle.ts';
export type { ForgedBundle } from './forged-bundle.ts';
export { callFrames } from './call-frames.ts';
export { ClockBuild } from './clock-build.ts';
export { FaultyBuild } from './faulty-build.ts';
export { WeakenedBuild } from './weakened-build.ts';
export { WriteFaults } from './write-faults.ts';
export type { WriteFault } from './write-faults.ts';

// SPDX-License-Identifier: Apache-2.0
/**
 * What a machine is made of and how busy it is: read from `/proc`, `/sys` and the sandboxes' cgroups, without a program of anybody's;
 * and how often that is worth an event.
 *
 * @example
 * ```ts
 * import { readHardware } from '@bureau/machine-info';
 *
 * const { cpu, memoryBytes } = readHardware();
 * // cpu.threads > 0, memoryBytes > 0
 * ```
 */
export { readHardware } from './hardware.ts';
export type { Hardware } from './hardware.ts';
export { LoadMeter } from './load-meter.ts';
export type { LoadMeterOptions, MeteredPrincipal } from './load-meter.ts';
export { MachinePresence } from './machine-presence.ts';
export type { MachinePresenceDeps } from './machine-presence.ts';
export { LoadReporter } from './load-reporter.ts';
export type { LoadReporterDeps } from './load-reporter.ts';

// SPDX-License-Identifier: Apache-2.0

/** How often the machine looks at its own load: reading costs two files and two more for each sandbox. */
export const LOAD_SAMPLE_MILLISECONDS = 60_000;
/** The first look after a start: soon, so that a machine that came back is seen, and late enough that its start is not what is measured. */
export const LOAD_FIRST_MILLISECONDS = 5_000;
/** The longest silence: who reads along knows after it that the machine is away. Every event is kept by the homeserver for ever, so it is slow. */
export const LOAD_SILENCE_MILLISECONDS = 600_000;
/** Pause before presence is said once more: homeservers take one a user each ten seconds. */
export const PRESENCE_RETRY_MILLISECONDS = 15_000;
/** Percent points of the whole machine that are no news. */
export const CPU_BAND = 5;
/** Bytes of the whole machine that are no news. */
export const MEMORY_BAND = 256 * 1024 * 1024;
/** Percent points of one core by which a principal may change without being news. */
export const PRINCIPAL_CPU_BAND = 10;
/** Bytes by which a principal may change without being news. */
export const PRINCIPAL_MEMORY_BAND = 64 * 1024 * 1024;
/** Principals that are told one by one, the busiest; more make no event that anybody reads, and none that Matrix carries. */
export const PRINCIPALS_MAX = 400;
/** Longest file that is read: `/proc/cpuinfo` has 1.5 kB for each of at most some hundred threads. */
export const FILE_MAX_BYTES = 4 * 1024 * 1024;
/** Longest text from a file of the system that goes into an event. */
export const TEXT_MAX = 100;
/** Graphics cards that are told. */
export const GPUS_MAX = 64;

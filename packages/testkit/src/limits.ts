// SPDX-License-Identifier: Apache-2.0

/** A whole stand on a loaded machine: measured 6 s; a first build adds some. */
export const UP_MILLISECONDS = 180_000;
/** The end of a stand: measured 1 to 2 s; payloads that ignore TERM take 5 s more. */
export const DOWN_MILLISECONDS = 120_000;
/** One command line, unless the test says otherwise. */
export const COMMAND_MILLISECONDS = 60_000;
/** Between two looks at something that only the kernel knows and that sends no event. */
export const LOOK_MILLISECONDS = 20;
/** What a leak check gives the machine to come to rest after the command line has ended. */
export const SETTLE_MILLISECONDS = 10_000;
/** How long nothing may change before an instance is said to be at rest. */
export const REST_MILLISECONDS = 300;
/** Most of an output that an error quotes. */
export const QUOTED_BYTES = 2_000;
/** Most output that is kept of a command or a terminal: a test that makes more has gone wrong. */
export const OUTPUT_MAX_BYTES = 256 * 1024 * 1024;

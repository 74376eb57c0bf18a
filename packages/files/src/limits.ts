// SPDX-License-Identifier: Apache-2.0

/** First buffer of a bounded read: most of our files are smaller, and a size that stat claims is not believed. */
export const READ_FIRST_BYTES = 4_096;
/** Random bytes in the name of a temporary file: enough that two writers never meet and nobody guesses it. */
export const TEMPORARY_NAME_BYTES = 12;

/** A log file above this is moved to `.1`. */
export const LOG_ROTATE_BYTES = 16 * 1024 * 1024;
/** `.1` to `.4`: what somebody did is not pushed out by what he does next. */
export const LOG_KEPT_FILES = 4;

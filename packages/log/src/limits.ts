// SPDX-License-Identifier: Apache-2.0

/** Objects below this depth are not written: nobody reads them, and a cycle ends here. */
export const LOG_DEPTH_MAX = 4;
/** Keys of one object and items of one list that are written. */
export const LOG_BREADTH_MAX = 100;
/** Characters of one string that are written: a line stays readable, and one record cannot fill the disk. */
export const LOG_TEXT_MAX = 8_192;
/** Audit records that say the same are counted for this long before they are written as one. */
export const AUDIT_WINDOW_MILLISECONDS = 10_000;
/** Refusals of one window that are written line by line: enough to see what a person or a daemon does wrong. */
export const AUDIT_LINES_REFUSED = 200;
/** Lines of one window for one thing that was done to one target. */
export const AUDIT_LINES_OF_ONE = 20;
/** Different things that are counted in one window; what is more is counted as one. */
export const AUDIT_KINDS_MAX = 1_000;
/** Causes of an error that are written, and errors of an aggregate. */
export const LOG_CAUSES_MAX = 5;

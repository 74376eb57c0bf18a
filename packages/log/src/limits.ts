// SPDX-License-Identifier: Apache-2.0

/** Objects below this depth are not written: nobody reads them, and a cycle ends here. */
export const LOG_DEPTH_MAX = 4;
/** Keys of one object and items of one list that are written. */
export const LOG_BREADTH_MAX = 100;
/** Characters of one string that are written: a line stays readable, and one record cannot fill the disk. */
export const LOG_TEXT_MAX = 8_192;
/** Causes of an error that are written, and errors of an aggregate. */
export const LOG_CAUSES_MAX = 5;

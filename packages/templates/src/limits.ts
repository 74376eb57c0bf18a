// SPDX-License-Identifier: Apache-2.0

/** Longest chain from a template to an ancestor: who reads it has to follow it. */
export const DEPTH_MAX = 8;
/** Most templates that one is made of, itself included. */
export const LINEAGE_MAX = 32;
/** Names of templates in one message. */
export const NAMES_SHOWN = 20;

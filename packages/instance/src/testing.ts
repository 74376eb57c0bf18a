// SPDX-License-Identifier: Apache-2.0
import { INSTANCES_MAX, UID_BASE_FIRST, UID_RANGE } from './limits.ts';

/**
 * First uid of a range that this test process has for itself, above every range that a machine records: test files that run side by
 * side would else count, and end, each other's processes. Below 2^31.
 */
export const TEST_UID_BASE = UID_BASE_FIRST + (INSTANCES_MAX + (process.pid % 30_000)) * UID_RANGE;

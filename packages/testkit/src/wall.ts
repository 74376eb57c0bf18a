// SPDX-License-Identifier: Apache-2.0
/**
 * Sandboxes with one guard taken away, for what no launcher can leave out (`WeakenedBuild` is for what it can). They are planned by the launcher's own code, started as its relay starts them, and differ
 * in what the test says: never part of a process that ships.
 *
 * @example
 * ```ts
 * using wall = new WallFixture();
 * const { stdout } = await wall.run(['cat', '/proc/self/status'], { seccomp: null });
 * ```
 */
export { all, filterAnswering, inserted, replaced, WALL_UID, WallFixture, without } from '@bureau/sandbox/testing';
export type { WallChange, Weakness } from '@bureau/sandbox/testing';

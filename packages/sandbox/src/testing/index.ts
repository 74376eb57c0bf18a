// SPDX-License-Identifier: Apache-2.0
/** The wall with one guard taken away, for positive controls. Imported by tests only; nothing that ships reaches it. */
export { WALL_UID, WallFixture } from './wall-fixture.ts';
export type { WallChange } from './wall-fixture.ts';
export { all, inserted, replaced, without } from './wall-attacks.ts';
export { filterAnswering } from './weak-filters.ts';
export type { Weakness, Weaknesses } from './weakness.ts';

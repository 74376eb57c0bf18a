// SPDX-License-Identifier: Apache-2.0
/**
 * What tests share: a real homeserver, real stands, leak checks, hostile peers. Imported by tests only.
 */
export { startHomeserver } from './homeserver.ts';
export type { TestHomeserver, TestHomeserverOptions } from './homeserver.ts';

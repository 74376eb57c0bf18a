// SPDX-License-Identifier: Apache-2.0
import { describe } from 'node:test';
import { callCompliance } from './compliance-calls.ts';
import { corpusCompliance } from './compliance-corpus.ts';
import { clientHostileCompliance } from './compliance-hostile-server.ts';
import { hostileCompliance } from './compliance-hostile.ts';
import type { IpcEngine } from './compliance-stand.ts';
import { streamCompliance } from './compliance-streams.ts';
import { vectorCompliance } from './compliance-vectors.ts';

export type { IpcEngine } from './compliance-stand.ts';

/**
 * The tests that every engine of this wire must pass. Registers them with `node:test`.
 *
 * @example
 * ```ts
 * import { connect, serve } from '@bureau/ipc';
 * import { ipcCompliance } from '@bureau/ipc/testing';
 *
 * ipcCompliance('node:net', { serve, connect });
 * ```
 */
export function ipcCompliance(name: string, engine: IpcEngine): void {
  describe(`${name}: calls`, () => callCompliance(engine));
  describe(`${name}: streams`, () => streamCompliance(engine));
  describe(`${name}: bytes`, () => vectorCompliance(engine));
  describe(`${name}: corpus`, () => corpusCompliance(engine));
  describe(`${name}: hostile clients`, () => hostileCompliance(engine));
  describe(`${name}: hostile servers`, () => clientHostileCompliance(engine));
}

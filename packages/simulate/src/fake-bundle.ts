// SPDX-License-Identifier: Apache-2.0
import { BureauError, type PrincipalName } from '@bureau/core';

/** Begins the bytes of every bundle of a simulated world, so that one is known wherever it turns up. */
const MARK = 'SECRET:';
/** The same as base64, which rooms carry; without the last characters, which depend on what follows. */
const MARK_BASE64 = Buffer.from(MARK).toString('base64').slice(0, 9);

/** What a sealed bundle says, in the open: whose it is, which of several, whether it is still good. */
export interface FakeBundle {
  readonly principal: string;
  readonly issue: number;
  readonly expired: boolean;
}

/** The bytes that stand for a sealed bundle. */
export function sealFake({ principal, issue, expired }: FakeBundle): Uint8Array {
  return Buffer.from(`${MARK}${principal}:${issue}:${expired ? 'expired' : 'good'}`);
}

/** `undefined` for bytes that `sealFake` did not make. */
export function readFake(bytes: Uint8Array): FakeBundle | undefined {
  const [mark, principal, issue, life] = Buffer.from(bytes).toString().split(':');
  if (`${mark}:` !== MARK || principal === undefined) return undefined;
  return { principal, issue: Number(issue), expired: life === 'expired' };
}

/** Whether a text quotes any bundle. */
export function quotesBundle(text: string): boolean {
  return text.includes(MARK) || text.includes(MARK_BASE64);
}

/** Judges a bundle as a launcher does, with its codes; `last` is the newest that was accepted. */
export function judgeFake(bytes: Uint8Array, principal: PrincipalName, last: FakeBundle | undefined): FakeBundle {
  const bundle = readFake(bytes);
  if (bundle === undefined) throw new BureauError('bundle_malformed', 'It is no bundle');
  if (bundle.principal !== principal)
    throw new BureauError('bundle_principal', `Expected one for ${principal}, found one for ${bundle.principal}`);
  if (bundle.expired) throw new BureauError('bundle_expired', 'It expired; provision the principal again');
  if (last !== undefined && bundle.issue < last.issue)
    throw new BureauError('bundle_replayed', 'A newer one was accepted before; provision the principal again');
  return bundle;
}

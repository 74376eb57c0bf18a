// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BureauError } from '@bureau/core';

/** The checkout that the tests are part of, without a slash at its end. */
export const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

/** Made anew by the copy itself, shared by a link, or of no use to it. */
const LEFT_OUT = new Set(['node_modules', '.toolchain', '.build', '.git']);

/** A second checkout with the same sources, to change and to run `script/up` from. */
export interface CheckoutCopy extends Disposable {
  /** Without a slash at its end. */
  readonly root: string;
}

/**
 * Copies this checkout as it is now into a directory of its own; disposing removes it. npm packages and Node are the original's, so
 * the copy must find nothing to set up: throws `checkout_unready` when the original is not set up for its own lock file.
 */
export function copyCheckout(): CheckoutCopy {
  const root = mkdtempSync(join(tmpdir(), 'bureau-checkout-'));
  const copy: CheckoutCopy = { root, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
  for (const name of readdirSync(CHECKOUT)) {
    if (LEFT_OUT.has(name) || name.startsWith('bazel-')) continue;
    // Links between the packages are relative, and stay so: the copy's packages import the copy's.
    cpSync(join(CHECKOUT, name), join(root, name), { recursive: true, verbatimSymlinks: true });
  }
  // Its own lock, log and stamps; the files behind them are shared.
  mkdirSync(join(root, '.toolchain'));
  cpSync(join(CHECKOUT, '.toolchain/stamps'), join(root, '.toolchain/stamps'), { recursive: true });
  for (const name of ['node_modules', '.toolchain/node_modules', '.toolchain/bin']) symlinkSync(join(CHECKOUT, name), join(root, name));
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, '.toolchain/stamps/packages');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === lock) return copy;
  copy[Symbol.dispose]();
  throw new BureauError('checkout_unready', `Expected ${CHECKOUT} to be set up for its package-lock.json; run script/setup there first`);
}

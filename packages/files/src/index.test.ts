// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import { test } from 'node:test';

test('@bureau/files asks for no database, which is an entry of its own: the root launcher is made of these files', async () => {
  const asked = new Set<string>();
  const hooks = registerHooks({
    resolve: (specifier, context, next) => {
      asked.add(specifier);
      return next(specifier, context);
    },
  });
  await import('./index.ts');
  assert.ok(asked.has('node:fs'), 'what is asked for is seen');
  assert.equal(asked.has('node:sqlite'), false);
  await import('./sqlite.ts');
  assert.ok(asked.has('node:sqlite'));
  hooks.deregister();
});

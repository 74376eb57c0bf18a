// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PRINCIPAL_STATES } from '../../packages/protocol/src/events/principal-status.ts';

test('docs/overview.md has the table of PRINCIPAL_STATES, each with the same words', () => {
  const page = readFileSync(new URL('../../docs/overview.md', import.meta.url), 'utf8');
  for (const [state, meaning] of Object.entries(PRINCIPAL_STATES)) assert.ok(page.includes(`| \`${state}\` | ${meaning} |`), state);
});

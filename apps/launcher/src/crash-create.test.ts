// SPDX-License-Identifier: Apache-2.0
import { test } from 'node:test';
import { FAULT_POINTS } from '@bureau/sandbox';
import { walkCrashes } from './testing/crash-walk.ts';

test('a launcher that is killed at any step of create is followed by one that knows or clears all of it', async (context) => {
  await walkCrashes(
    context,
    FAULT_POINTS.filter((point) => point.startsWith('create.')),
  );
});

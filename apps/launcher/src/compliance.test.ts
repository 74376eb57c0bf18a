// SPDX-License-Identifier: Apache-2.0
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import { LAUNCHER_BEHAVIOURS } from '@bureau/simulate/compliance';
import { compliantLauncher } from './testing/compliant-launcher.ts';
import { CrashStand } from './testing/crash-stand.ts';

test('the real launcher', async (context) => {
  const stand = await CrashStand.open(context);
  const launcher = await compliantLauncher(stand);
  for (const [index, { what, run }] of LAUNCHER_BEHAVIOURS.entries()) {
    await context.test(what, () => run(launcher, parsePrincipalName(`compliance/p${index}`)));
  }
});

// SPDX-License-Identifier: Apache-2.0
import { suiteContract, suiteHandlers, Witness } from './compliance-stand.ts';
import { serve } from './index.ts';
import { machineClock } from './testing-clock.ts';

// A server in a process of its own, to be killed: argv = socket path. Says "ready"; ends with its parent.
const witness = new Witness();
await serve({
  path: process.argv[2] ?? '',
  contract: suiteContract,
  handlers: suiteHandlers(witness),
  role: 'server',
  build: 'b',
  allowUids: [process.getuid?.() ?? 0],
  clock: machineClock,
});
process.send?.('ready');
process.on('disconnect', () => process.exit(0));

// SPDX-License-Identifier: Apache-2.0
import { basename, dirname } from 'node:path';

/** Twelve days: nothing is done then, the timer is there to be there. */
const KEEP_ALIVE_MILLISECONDS = 2 ** 30;

// This file is <build>/lib/cli.js when installed.
const buildDirectory = dirname(import.meta.dirname);
const words = process.argv.slice(2);

// Nothing else is loaded for the one question that scripts ask often.
if (words.length === 1 && words[0] === '--version') {
  console.log(`bureau ${basename(buildDirectory)}`);
} else {
  const { runCommandLine } = await import('./command-line.ts');
  const aborter = new AbortController();
  let interrupts = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupts += 1;
      // The first asks for an orderly end; whoever asks three times wants none.
      if (interrupts >= 3) process.exit(130);
      aborter.abort(Object.assign(new Error('Interrupted'), { code: 'interrupted' }));
    });
  }
  // `bureau … | head`: the reader has gone, which is no failure.
  process.stdout.on('error', () => process.exit(0));
  // Our clock's timers keep no process alive; a command line that waits must stay.
  setInterval(() => undefined, KEEP_ALIVE_MILLISECONDS);
  const code = await runCommandLine(words, {
    buildDirectory,
    environment: process.env,
    uid: process.geteuid?.() ?? -1,
    input: process.stdin,
    output: process.stdout,
    error: process.stderr,
    signal: aborter.signal,
  });
  await new Promise((resolve) => process.stdout.write('', resolve));
  process.exit(code);
}

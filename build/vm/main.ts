// SPDX-License-Identifier: Apache-2.0
/** Boots a Debian machine of its own and runs steps in it; see script/vm. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeGuestDisk } from './guest-disk.ts';
import { runMachine } from './guest-machine.ts';
import { GuestReport } from './guest-report.ts';
import { getImage } from './image.ts';

/** Every step of build/vm/guest/run.sh, in the order in which they run. */
const STEPS = ['facts', 'cgroup', 'stand', 'escape'];
/** Part of a test file's path, as script/test takes it; it goes through the kernel's command line. */
const TESTS = /^[a-z0-9][a-z0-9._-]*\/[a-z0-9/._-]*$/;
/** Lines of the console that are shown when the guest never came so far as to say something. */
const CONSOLE_LINES = 25;

/** Runs the steps; returns the exit code: 0 all good, 1 not, 2 wrong usage. `build` is the name of the installed build. */
async function main(words: readonly string[], cache: string, build: string, signal: AbortSignal): Promise<number> {
  const unknown = words.find((word) => !STEPS.includes(word) && !TESTS.test(word));
  if (unknown !== undefined) {
    console.error(
      `script/vm: unknown step '${unknown}'; expected some of ${STEPS.join(', ')}, parts of a test file's path with a slash in it, or nothing for all steps`,
    );
    return 2;
  }
  const steps = words.length === 0 ? STEPS : words;
  const root = join(import.meta.dirname, '../..');
  const began = performance.now();
  const say = (line: string): void => console.log(`vm ${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}`);
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  const image = getImage(cache, say);
  removeAbandoned(cache);
  const directory = mkdtempSync(join(cache, `run-${process.pid}-`));
  try {
    say('the disk: image, checkout, homeserver');
    // As deploy/matrix/install.sh names it.
    const requirements = createHash('sha256').update(readFileSync(join(root, 'deploy/matrix/requirements.txt')));
    const homeserver = `homeserver/${requirements.digest('hex').slice(0, 16)}`;
    const disk = makeGuestDisk(directory, image, root, {
      directory: '/usr/lib/bureau',
      entries: [homeserver, `node-${process.version}`, build],
    });
    say(`boots ${image.kernel}`);
    const report = new GuestReport();
    const consoleLog = join(directory, 'console.log');
    const end = await runMachine({
      ...{ image, disk, consoleLog, steps, signal },
      line: (text) => {
        report.line(text);
        say(text);
      },
    });
    if (report.steps.length === 0) for (const line of lastLines(consoleLog)) say(`console: ${line}`);
    if (end.late !== undefined || end.code !== 0) say(`the machine was ended: ${end.late ?? `qemu ended with ${end.code ?? end.signal}`}`);
    else if (!report.done) say('the machine went off before all steps were done');
    console.log('');
    for (const { name, code, seconds } of report.steps) console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${seconds} s (guest)  ${name}`);
    const good = report.good(steps);
    console.log(`in a machine of its own, ${((performance.now() - began) / 60_000).toFixed(1)} minutes`);
    console.log(`${report.passed} passed, ${Math.max(report.failed, good ? 0 : 1)} failed`);
    return good ? 0 : 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The disks of runs that were killed. */
function removeAbandoned(cache: string): void {
  for (const entry of readdirSync(cache)) {
    const [, pid] = /^run-(\d+)-/.exec(entry) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(cache, entry), { recursive: true, force: true });
  }
}

function lastLines(path: string): string[] {
  return readFileSync(path, 'utf8').trimEnd().split(/\r?\n/).slice(-CONSOLE_LINES);
}

if (import.meta.main) {
  const [build = '', ...words] = process.argv.slice(2);
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => abort.abort());
  try {
    process.exitCode = await main(words, process.env['BUREAU_VM_CACHE'] ?? '/var/cache/bureau-vm', build, abort.signal);
  } catch (error) {
    console.error(`script/vm: ${error instanceof Error ? error.message : String(error)}`);
    console.log('0 passed, 1 failed');
    process.exitCode = 1;
  }
}

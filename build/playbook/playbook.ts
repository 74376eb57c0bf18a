// SPDX-License-Identifier: Apache-2.0
/**
 * Runs the code blocks of docs/playbook.md against a stand of its own; see script/playbook.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { bashProgram, formatResult, readSteps, type Step, type StepResult } from './steps.ts';

/** One step: installing a package and starting a stand, which may have to be built, on a slow machine. */
const STEP_MILLISECONDS = 900_000;
/** Background processes of the playbook after TERM. */
const GRACE_MILLISECONDS = 5_000;
/** Bytes of a failed step's output that are shown. */
const SHOWN_BYTES = 20_000;

const ROOT = join(import.meta.dirname, '../..');

interface Options {
  readonly instance: string;
  readonly json: boolean;
}

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === 'string') {
    console.error(`script/playbook: ${options}`);
    return 2;
  }
  const steps = readSteps(readFileSync(join(ROOT, 'docs/playbook.md'), 'utf8'));
  const directory = mkdtempSync(join(tmpdir(), 'bureau-playbook-'));
  const aborter = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => aborter.abort());
  const began = performance.now();
  try {
    const results = await runSteps(steps, directory, options, aborter.signal);
    const ok = results.every(({ result }) => result === 'ok' || result === 'none');
    const failed = results.find(({ result }) => result === 'failed');
    const output = failed === undefined ? undefined : tailOf(join(directory, 'logs', `${failed.number}.log`));
    const seconds = Number(((performance.now() - began) / 1_000).toFixed(1));
    if (options.json) {
      console.log(JSON.stringify({ ok, instance: options.instance, seconds, steps: results, ...(output === undefined ? {} : { output }) }));
    } else {
      if (output !== undefined) console.error(`--- output of step ${failed?.number}\n${output}`);
      console.log(`playbook: ${ok ? 'all steps passed' : aborter.signal.aborted ? 'interrupted' : 'FAILED'} in ${seconds} s`);
    }
    return ok ? 0 : 1;
  } finally {
    // The last step has done it, unless something went wrong before.
    if (existsSync(`/etc/bureau-${options.instance}`)) await purge(options.instance);
    rmSync(directory, { recursive: true, force: true });
  }
}

function readOptions(args: readonly string[]): Options | string {
  let instance: string;
  let json: boolean;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { instance: { type: 'string', default: 'playbook' }, json: { type: 'boolean', default: false } },
    });
    ({ instance, json } = values);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  if (!/^[a-z0-9]{1,12}$/.test(instance)) return `instance '${instance}' is not a name; expected 1 to 12 of a-z and 0-9`;
  // It is purged in the end: never one that somebody uses.
  if (existsSync(`/etc/bureau-${instance}`) || existsSync(`/var/lib/bureau-${instance}`))
    return `the instance '${instance}' is there already; choose another --instance, or remove it: script/down --instance ${instance} --purge`;
  return { instance, json };
}

/** Runs all steps in one bash, in a process group of its own that is gone when this resolves. */
async function runSteps(steps: readonly Step[], directory: string, options: Options, signal: AbortSignal): Promise<StepResult[]> {
  const logs = join(directory, 'logs');
  const work = join(directory, 'work');
  for (const each of [logs, work]) mkdirSync(each, { mode: 0o700 });
  const program = join(directory, 'playbook.sh');
  writeFileSync(program, bashProgram(steps, logs));
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('BUREAU_'));
  const child = spawn('/bin/bash', [program], {
    cwd: work,
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    env: {
      ...Object.fromEntries(inherited),
      PATH: `${ROOT}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      CHECKOUT: ROOT,
      BUREAU_INSTANCE: options.instance,
    },
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = (): void => void killGroup(child, 'SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  const results: StepResult[] = [];
  const report = (result: StepResult): void => {
    results.push(result);
    if (!options.json) console.log(formatResult(result));
  };
  let timer: NodeJS.Timeout | undefined;
  let began = performance.now();
  const seconds = (): number => Number(((performance.now() - began) / 1_000).toFixed(1));
  let running: Step | undefined;
  const marks = createInterface({ input: child.stdio[3] as Readable });
  marks.on('line', (line) => {
    const [word, number] = line.split(' ');
    const step = steps[Number(number) - 1];
    clearTimeout(timer);
    if (step === undefined) return;
    if (word === 'end') {
      running = undefined;
      return report({ number: step.number, title: step.title, seconds: seconds(), result: 'ok' });
    }
    for (const each of steps.slice(results.length, step.number - 1))
      report({ number: each.number, title: each.title, seconds: 0, result: 'none' });
    running = step;
    began = performance.now();
    timer = setTimeout(stop, STEP_MILLISECONDS);
  });
  const read = new Promise<void>((resolve) => marks.once('close', () => resolve()));
  await exited;
  clearTimeout(timer);
  signal.removeEventListener('abort', stop);
  await endGroup(child);
  await read;
  if (running !== undefined) report({ number: running.number, title: running.title, seconds: seconds(), result: 'failed' });
  const ended = results.some(({ result }) => result === 'failed') || signal.aborted;
  for (const each of steps.slice(results.length))
    report({ number: each.number, title: each.title, seconds: 0, result: ended ? 'not run' : 'none' });
  return results;
}

/** Ends what the playbook left in the background. */
async function endGroup(child: ChildProcess): Promise<void> {
  const until = performance.now() + GRACE_MILLISECONDS;
  while (killGroup(child, performance.now() < until ? 'SIGTERM' : 'SIGKILL')) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** False when nobody is left. */
function killGroup(child: ChildProcess, signal: NodeJS.Signals): boolean {
  if (child.pid === undefined) return false;
  try {
    return process.kill(-child.pid, signal);
  } catch {
    return false;
  }
}

function tailOf(path: string): string {
  if (!existsSync(path)) return '';
  const bytes = readFileSync(path);
  return bytes.subarray(Math.max(0, bytes.length - SHOWN_BYTES)).toString('utf8');
}

function purge(instance: string): Promise<void> {
  const down = spawn(join(ROOT, 'script/down'), ['--instance', instance, '--purge'], { stdio: ['ignore', 'ignore', 'inherit'] });
  return new Promise((resolve) => down.once('close', () => resolve()));
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));

// SPDX-License-Identifier: Apache-2.0
/**
 * Runs test files through node:test, one process each: unit suites two at a time, integration one at a time; one line per
 * file, failures in full at once and again at the end, one summary for all. Fails on a file without a test and on a skipped test.
 *   test.ts [--json] [--each] [--record] [--name=PATTERN] [SUITE…]
 */
import { spawnSync } from 'node:child_process';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { nearestName } from './nearest-name.ts';
import { PASSED_FAULTS_FILE, recordPassedFaults, type PassedFault } from './passed-faults.ts';
import { findTestFiles, selectTestFiles } from './test-suites.ts';
import type { TestFile } from './test-suites.ts';
import { TestTotals } from './test-totals.ts';
import type { TestEnd, TestFailure } from './test-totals.ts';

/** A test that takes longer hangs. Integration starts a homeserver and whole stands. */
const TEST_MILLISECONDS = { unit: 120_000, integration: 600_000, deep: 1_200_000 };

/** Files at a time. Integration: one, as each has whole stands and measures times. */
const FILES_AT_A_TIME = { unit: 2, integration: 1, deep: 1 };

/**
 * `--json`: the last line on stdout is one object. `--each`: a line for each test as it ends, its failure with it. `--record`: what
 * passed of the deep suite is written down, for the table of faults.
 */
const OPTIONS: readonly string[] = ['--json', '--each', '--record'];
/** Only tests whose names match this expression: a piece of a suite that takes long. */
const NAME_OPTION = '--name=';

async function runFiles(
  root: string,
  kind: TestFile['kind'],
  files: readonly string[],
  totals: TestTotals,
  print: (line: string) => void,
  { each, name }: { readonly each: boolean; readonly name: string | undefined },
): Promise<void> {
  const stream = run({
    files: files.map((file) => join(root, file)),
    cwd: root,
    concurrency: FILES_AT_A_TIME[kind],
    timeout: TEST_MILLISECONDS[kind],
    ...(name === undefined ? {} : { testNamePatterns: [name] }),
  });
  let told = totals.failures.length;
  for await (const { type, data } of stream as AsyncIterable<{ type: string; data: unknown }>) {
    const event = data as TestEnd & {
      readonly file?: string;
      readonly message?: string;
      readonly success?: boolean;
      readonly counts?: Record<string, number>;
      readonly duration_ms?: number;
    };
    if (type === 'test:pass') totals.add(event, 'pass');
    if (type === 'test:fail') totals.add(event, 'fail');
    if (each && (type === 'test:pass' || type === 'test:fail')) {
      if (event.details.type !== 'suite') print(describeEnd(event, type === 'test:pass'));
      for (const failure of totals.failures.slice(told)) print(describeFailure(failure));
      told = totals.failures.length;
    }
    if (type === 'test:stderr' || type === 'test:stdout') process.stderr.write(event.message ?? '');
    if (type === 'test:summary' && event.file !== undefined) {
      totals.ran(relative(root, event.file), event.counts?.['tests'] ?? 0);
      const seconds = ((event.duration_ms ?? 0) / 1000).toFixed(1).padStart(6);
      print(
        `${event.success === true ? 'ok    ' : 'FAILED'} ${seconds} s ${String(event.counts?.['tests'] ?? 0).padStart(4)} tests  ${relative(root, event.file)}`,
      );
      // At once, for who watches; again at the end, for who reads the last page.
      for (const failure of totals.failures.slice(told)) print(describeFailure(failure));
      told = totals.failures.length;
    }
  }
}

/** What passed of the deep suite, for docs/reference/faults.md. */
function recordDeep(root: string, files: readonly TestFile[], totals: TestTotals): void {
  const deep = new Set(files.filter(({ name }) => name === 'deep').map(({ file }) => file));
  const git = (...args: string[]): string => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout.trim();
  // What it writes itself is no change of what ran.
  const isChanged = git('status', '--porcelain', '--', '.', `:!${PASSED_FAULTS_FILE}`) !== '';
  const commit = `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ', changed' : ''}`;
  const on = new Date().toISOString().slice(0, 10);
  const passed = totals.passes.filter(({ file }) => deep.has(file));
  const facts = passed.map(({ name, seconds }): [string, PassedFault] => [name, { on, commit, seconds }]);
  recordPassedFaults(
    root,
    Object.fromEntries(facts),
    totals.failures.map(({ name }) => name),
  );
}

function describeEnd(end: TestEnd, isPass: boolean): string {
  const seconds = ((end.details.duration_ms ?? 0) / 1000).toFixed(1).padStart(6);
  return `  ${isPass ? 'passed' : 'FAILED'} ${seconds} s  ${end.name}`;
}

function describeFailure(failure: TestFailure): string {
  const place = failure.line === undefined ? failure.file : `${failure.file}:${failure.line}`;
  return `${place}: ${failure.name}\n    ${failure.reason.trimEnd().split('\n').join('\n    ')}`;
}

/**
 * Runs the suites of the checkout at `root` that `args` name; returns the exit code: 0 all passed, 1 not, 2 wrong usage.
 * @public build/test.test.ts imports it in a program of its own.
 */
export async function runTests(root: string, args: readonly string[]): Promise<number> {
  const asJson = args.includes('--json');
  const print = asJson ? (line: string): void => console.error(line) : (line: string): void => console.log(line);
  const unknownOption = args.find(
    (argument) => argument.startsWith('-') && !argument.startsWith(NAME_OPTION) && !OPTIONS.includes(argument),
  );
  if (unknownOption !== undefined) {
    console.error(`script/test: unknown option ${unknownOption}; expected ${OPTIONS.join(', ')}, ${NAME_OPTION}PATTERN or names of suites`);
    return 2;
  }
  const selected = selectTestFiles(
    findTestFiles(root),
    args.filter((argument) => !argument.startsWith('-')),
  );
  if ('unknown' in selected) {
    console.error(
      `script/test: there is no suite '${selected.unknown}'; did you mean '${nearestName(selected.unknown, selected.known)}'? The suites: ${selected.known.join(', ')}`,
    );
    return 2;
  }
  const began = performance.now();
  const totals = new TestTotals(
    root,
    selected.files.map((test) => test.file),
  );
  const options = {
    each: args.includes('--each'),
    name: args.find((argument) => argument.startsWith(NAME_OPTION))?.slice(NAME_OPTION.length),
  };
  for (const kind of ['unit', 'integration', 'deep'] as const) {
    const files = selected.files.filter((test) => test.kind === kind).map((test) => test.file);
    if (files.length > 0) await runFiles(root, kind, files, totals, print, options);
  }
  totals.finish();
  if (args.includes('--record')) recordDeep(root, selected.files, totals);
  for (const failure of totals.failures) print(`\n${describeFailure(failure)}`);
  const { passed, failed, failures } = totals;
  const milliseconds = Math.round(performance.now() - began);
  print('');
  // The lines of node:test's own summary, for all suites together.
  for (const [name, value] of Object.entries({ tests: passed + failed, pass: passed, fail: failed, duration_ms: milliseconds }))
    print(`ℹ ${name} ${value}`);
  const { attacks, refused, controls, succeeded } = totals.escape;
  if (attacks > 0) print(`${attacks} attacks, ${refused} refused, ${succeeded} of ${controls} controls that succeeded`);
  print(`in ${selected.files.length} files, ${(milliseconds / 1000).toFixed(1)} s`);
  print(`${passed} passed, ${failed} failed`);
  if (asJson) console.log(JSON.stringify({ passed, failed, files: selected.files.length, milliseconds, failures }));
  return failed === 0 && passed > 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await runTests(join(import.meta.dirname, '..'), process.argv.slice(2));

// SPDX-License-Identifier: Apache-2.0
import { BureauError, parseInstanceName, type InstanceName } from '@bureau/core';
import { INSTANCES_MAX, UID_BASE_FIRST, UID_RANGE } from './limits.ts';

/** uids that something else on the machine uses: `first` to `last`, both included, and where that is written. */
export interface TakenRange {
  readonly first: number;
  readonly last: number;
  readonly source: string;
}

/**
 * Reads `/etc/bureau/uids`: lines of `<base> <instance or ->`, and comments with `#`. Throws `uids_malformed` on anything else: a
 * guess could hand one agent's files to another.
 */
export function parseUidRecords(text: string, path: string): Map<InstanceName, number> {
  const records = new Map<InstanceName, number>();
  const bases = new Set<number>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^(0|[1-9][0-9]{0,9}) (-|[a-z0-9]{1,12})$/.exec(line);
    if (match === null) throw malformed(path, index, 'expected "<base> <instance or ->"');
    const base = Number(match[1]);
    const name = parseInstanceName(match[2] === '-' ? '' : (match[2] ?? ''));
    if (!isBase(base)) throw malformed(path, index, `${base} is not ${UID_BASE_FIRST} plus a multiple of ${UID_RANGE}, or is too large`);
    if (bases.has(base)) throw malformed(path, index, `base ${base} is there twice`);
    if (records.has(name)) throw malformed(path, index, 'the instance is there twice');
    bases.add(base);
    records.set(name, base);
  }
  return records;
}

/** What {@link parseUidRecords} reads. */
export function formatUidRecords(records: ReadonlyMap<InstanceName, number>): string {
  const lines = [...records].toSorted((a, b) => a[1] - b[1]).map(([name, base]) => `${base} ${name === '' ? '-' : name}\n`);
  return `# uid ranges of Bureau's instances: <first uid> <instance, or - for the default one>. Each has ${UID_RANGE}.\n${lines.join('')}`;
}

/** The lowest base that neither another instance nor something else on the machine uses. Throws `uids_exhausted`. */
export function freeBase(records: ReadonlyMap<InstanceName, number>, taken: readonly TakenRange[]): number {
  const bases = new Set(records.values());
  for (let index = 0; index < INSTANCES_MAX; index += 1) {
    const base = UID_BASE_FIRST + index * UID_RANGE;
    if (!bases.has(base) && collision(base, taken) === undefined) return base;
  }
  throw new BureauError(
    'uids_exhausted',
    `Cannot find ${UID_RANGE} free uids: ${INSTANCES_MAX} ranges from ${UID_BASE_FIRST} on are all in use; remove instances that nobody needs`,
  );
}

/** What of `taken` lies in the range that starts at `base`. */
export function collision(base: number, taken: readonly TakenRange[]): TakenRange | undefined {
  return taken.find((range) => range.first < base + UID_RANGE && range.last >= base);
}

/** Numbers of accounts: the third field of /etc/passwd or /etc/group. Lines that are not accounts are passed over. */
export function accountNumbers(text: string, source: string): TakenRange[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(':');
    const number = decimal(fields[2]);
    return number === undefined ? [] : [{ first: number, last: number, source: `${source} (${fields[0]})` }];
  });
}

/** Ranges of /etc/subuid or /etc/subgid: `name:first:count`. */
export function subordinateRanges(text: string, source: string): TakenRange[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(':');
    const first = decimal(fields[1]);
    const count = decimal(fields[2]);
    return first === undefined || count === undefined || count === 0
      ? []
      : [{ first, last: first + count - 1, source: `${source} (${fields[0]})` }];
  });
}

function isBase(base: number): boolean {
  const index = (base - UID_BASE_FIRST) / UID_RANGE;
  return Number.isInteger(index) && index >= 0 && index < INSTANCES_MAX;
}

function decimal(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,10}$/.test(text) ? Number(text) : undefined;
}

function malformed(path: string, index: number, fault: string): BureauError {
  return new BureauError(
    'uids_malformed',
    `Cannot use ${path}, line ${index + 1}: ${fault}. Each instance's files belong to the uids recorded there: correct the line (ls -ln /var/lib/bureau* shows the uids), do not delete the file`,
    { data: { path, line: index + 1 } },
  );
}

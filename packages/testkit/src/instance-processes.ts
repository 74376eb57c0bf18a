// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readlinkSync } from 'node:fs';
import { readProcessStatus, readProcesses, type ProcessStatus } from '@bureau/process';

/** First uid of principals within the range: even ones are payloads, odd ones proxies. */
const PRINCIPALS_FROM = 16;
/** More than the principals of any test. The rest of an instance's range is left to suites that run beside and take uids of their own. */
const PRINCIPALS_MAX = 1_000;

/** What tells an instance's processes from all others. */
export interface InstanceMarks {
  readonly name: string;
  readonly uidBase: number;
}

/** One process of an instance, as the host sees it. */
export interface InstanceProcess {
  readonly pid: number;
  readonly parent: number;
  readonly uid: number;
  /** `stand`, `launcher`, `daemon`, `homeserver`, `proxy:N`, `relay:N`, `starter:N` (between relay and bwrap), `payload:N` (bwrap included), `relay:waiting` and `proxy:waiting` (nobody's yet), `command` (a command line), `other` (it ends, or becomes another program: without arguments, or still with its parent's). */
  readonly role: string;
  /** The kernel's name of the program: `node`, `bwrap`, `sleep`. */
  readonly program: string;
  readonly args: readonly string[];
  /** Ended; waits for its parent to notice. */
  readonly zombie: boolean;
  readonly startTime: number;
  /** `net:[4026531840]`; undefined for a zombie. */
  readonly networkNamespace: string | undefined;
  /** In the unified tree. */
  readonly cgroup: string;
}

/** Every process with a uid, a control group or an argument of the instance. Processes come and go while it looks. */
export function instanceProcesses(marks: InstanceMarks): InstanceProcess[] {
  const found: InstanceProcess[] = [];
  for (const entry of readProcesses()) {
    const status = readProcessStatus(entry.pid);
    if (status === undefined) continue;
    const args = readText(`/proc/${entry.pid}/cmdline`).split('\0').slice(0, -1);
    const cgroup = /^0::(.*)$/m.exec(readText(`/proc/${entry.pid}/cgroup`))?.[1] ?? '';
    if (!belongs(marks, status, args, cgroup)) continue;
    const uid = status.uids[1] ?? -1;
    found.push({
      pid: entry.pid,
      parent: entry.parent,
      uid,
      role: roleOf(marks, { uid, args, zombie: entry.zombie }),
      program: entry.name,
      args,
      zombie: entry.zombie,
      startTime: entry.startTime,
      networkNamespace: readLink(`/proc/${entry.pid}/ns/net`),
      cgroup,
    });
  }
  return found.map((each) => (isBegun(each, found) ? { ...each, role: 'other' } : each));
}

/** Whether it is on its way from the program of ours that starts it to another one: until then it has that one's arguments. */
function isBegun({ role, parent, uid, args }: InstanceProcess, all: readonly InstanceProcess[]): boolean {
  if (!/^(stand|launcher|daemon|homeserver|proxy|relay)\b/.test(role) || args.length === 0) return false;
  const starter = all.find(({ pid }) => pid === parent);
  return starter?.uid === uid && starter.args.join('\0') === args.join('\0');
}

/**
 * `role pid startTime` of the live processes whose role fits and that are to stay, sorted. Left out is what comes and goes by itself:
 * command lines, those that wait for an agent, and those without arguments of their own, as the kernel shows one that has given its
 * memory back and ends, or is about to become another program.
 */
export function lasting(processes: readonly InstanceProcess[], roles: RegExp): string[] {
  return processes
    .filter(({ role, zombie }) => !zombie && !role.endsWith(':waiting') && role !== 'command' && role !== 'other' && roles.test(role))
    .map(identity)
    .toSorted();
}

/** What no two processes of one start of the machine share. */
export function identity({ role, pid, startTime }: InstanceProcess): string {
  return `${role} ${pid} ${startTime}`;
}

function belongs(marks: InstanceMarks, status: ProcessStatus, args: readonly string[], cgroup: string): boolean {
  const inRange = status.uids.some((uid) => uid >= marks.uidBase && uid < marks.uidBase + PRINCIPALS_FROM + 2 * PRINCIPALS_MAX);
  const root = `/bureau-${marks.name}`;
  const named = args.some((arg, at) => arg === `--instance=${marks.name}` || (arg === '--instance' && args[at + 1] === marks.name));
  return inRange || named || cgroup === root || cgroup.startsWith(`${root}/`);
}

/** See {@link InstanceProcess.role}; of one process alone: who has its parent's arguments is told by both. */
export function roleOf({ uidBase }: InstanceMarks, { uid, args, zombie }: Pick<InstanceProcess, 'uid' | 'args' | 'zombie'>): string {
  // One that ends has given its memory back before it is a zombie, and its control group may count as empty by then.
  if (args.length === 0 && (!zombie || uid === 0)) return 'other';
  const script = args.find((arg) => /\/lib\/[a-z-]+\.js$/.test(arg))?.replace(/^.*\/lib\/|\.js$/g, '');
  const isStarter = args[0]?.endsWith('/bureau-starter') === true;
  if (uid === 0 && (script === 'relay' || script === 'proxy')) return `${script}:waiting`;
  if (uid === 0 && isStarter) return 'relay:waiting';
  if (uid === 0) return script === 'stand' || script === 'launcher' ? script : 'command';
  const offset = uid - uidBase;
  if (offset === 0) return 'daemon';
  if (offset === 1) return 'homeserver';
  if (offset < PRINCIPALS_FROM) return 'other';
  const number = Math.floor((offset - PRINCIPALS_FROM) / 2);
  if (offset % 2 === 1) return `proxy:${number}`;
  if (isStarter) return `starter:${number}`;
  return script === 'relay' ? `relay:${number}` : `payload:${number}`;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // It has ended.
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

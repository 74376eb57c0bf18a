// SPDX-License-Identifier: Apache-2.0
import { MOUNT_SOURCE_FD } from '@bureau/protocol';
import type { SandboxPlan } from './bwrap-arguments.ts';

/** Something that a payload finds in its file system. */
export interface ExplainedMount {
  /** As the payload sees it. */
  readonly path: string;
  /** `directory` and `file` of the host, `memory`, `link`, `proc`, `devices`, `device`, `overlay`. */
  readonly kind: string;
  readonly writable: boolean;
  /** The host's path, the link's target, or the bytes of memory. */
  readonly what: string;
  /** `bureau`, or the field of the spec. */
  readonly from: string;
}

/** How many words follow each of bubblewrap's options that we use and that change the file system. */
const WORDS: Readonly<Record<string, number>> = {
  '--proc': 1,
  '--dev': 1,
  '--tmpfs': 1,
  '--dir': 1,
  '--remount-ro': 1,
  '--perms': 1,
  '--size': 1,
  '--symlink': 2,
  '--bind': 2,
  '--ro-bind': 2,
  '--dev-bind': 2,
  '--bind-fd': 2,
  '--ro-bind-fd': 2,
  '--setenv': 2,
  '--uid': 1,
  '--gid': 1,
  '--cap-drop': 1,
  '--hostname': 1,
  '--chdir': 1,
};

/**
 * The mounts as bubblewrap will make them: read from its own options, not from what they were made of, so that this cannot say
 * something else than what happens. `sources` are the host's paths behind descriptors. Pure.
 */
export function explainMounts(plan: SandboxPlan, options: readonly string[], sources: readonly string[]): ExplainedMount[] {
  const fields = new Map(plan.mounts.map((mount) => [mount.destination, mount]));
  const found: ExplainedMount[] = [];
  let size = '';
  for (let at = 0; at < options.length;) {
    const option = options[at] ?? '';
    const count = WORDS[option] ?? 0;
    const [one = '', two = ''] = options.slice(at + 1, at + 1 + count);
    at += 1 + count;
    if (option === '--size') size = one;
    const step = describeStep(option, one, two, size, sources);
    if (step === undefined) continue;
    size = '';
    const asked = fields.get(step.path);
    const kind = asked?.type === 'overlay' ? 'overlay' : step.kind;
    const what = asked?.type === 'overlay' ? `${sources[asked.lower] ?? '?'}, written to ${overlayUpper(asked.upper)}` : step.what;
    found.push({ ...step, kind, what, from: asked?.field ?? 'bureau' });
  }
  const closed = new Set(options.flatMap((option, at) => (option === '--remount-ro' ? [options[at + 1] ?? ''] : [])));
  return found.map((mount) => (closed.has(mount.path) ? { ...mount, writable: false } : mount));
}

function overlayUpper(upper: number | string): string {
  return typeof upper === 'string' ? `${upper}/upper (kept)` : `memory, ${upper} bytes`;
}

function describeStep(
  option: string,
  one: string,
  two: string,
  size: string,
  sources: readonly string[],
): Omit<ExplainedMount, 'from'> | undefined {
  switch (option) {
    case '--proc':
      return { path: one, kind: 'proc', writable: false, what: 'its own processes only' };
    case '--dev':
      return { path: one, kind: 'devices', writable: false, what: 'null, zero, full, random, urandom, tty, its own pts' };
    case '--tmpfs':
      return { path: one, kind: 'memory', writable: true, what: `${size} bytes` };
    case '--dir':
      return { path: one, kind: 'memory', writable: true, what: 'a directory in the memory around it' };
    case '--symlink':
      return { path: two, kind: 'link', writable: false, what: one };
    case '--dev-bind':
      return { path: two, kind: 'device', writable: true, what: one };
    case '--bind':
    case '--ro-bind':
      return { path: two, kind: 'host', writable: option === '--bind', what: one };
    case '--bind-fd':
    case '--ro-bind-fd':
      return { path: two, kind: 'host', writable: option === '--bind-fd', what: sources[Number(one) - MOUNT_SOURCE_FD] ?? '?' };
    default:
      return undefined;
  }
}

// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { existsSync, statfsSync } from 'node:fs';
import { promisify } from 'node:util';
import { describeError } from '@bureau/core';
import { CgroupTree, dropPrivileges, resourceReport } from '@bureau/process';
import { IDENTITY_STORES, identityFile, readIdentitySettings, unavailable } from '@bureau/sandbox';
import type { InferOutput } from 'valibot';
import type { OperationContext } from '../registry/context.ts';
import type { Check, checkReport } from './checks.ts';
import { judgeKernel } from './judge-kernel.ts';
import { readKernelFacts } from './kernel-facts.ts';

/** A probe of the sandbox takes 10 ms; a host that needs longer has another fault. */
const PROBE_MILLISECONDS = 10_000;
/** Below this a homeserver's database and a few workspaces fill the disk within days. */
const DISK_FREE_LEAST = 1024 ** 3;
/** The uid that the probe runs as: nobody's, above every range of ours. */
const PROBE_UID = 4_000_000;

/** Looks at the host; findings are values. */
export async function examineHost(context: OperationContext): Promise<InferOutput<typeof checkReport>> {
  const checks: Check[] = [
    examineRoot(context),
    examinePrograms(),
    examineCgroups(),
    examineLimits(),
    examineDisk(context),
    examineIdentityStore(context),
    ...judgeKernel(await readKernelFacts(context.signal)),
  ];
  checks.push(await examineSandbox(context));
  return { checks, ok: checks.every(({ status }) => status !== 'fail') };
}

function examineRoot({ uid }: OperationContext): Check {
  const name = 'root';
  if (uid === 0) return { name, status: 'pass', message: 'this is root' };
  return { name, status: 'fail', message: `this is uid ${uid}, and Bureau needs root for now`, fix: 'run it with sudo' };
}

function examinePrograms(): Check {
  const needed = ['/usr/bin/bwrap', '/usr/bin/setpriv', '/usr/bin/unshare'];
  const missing = needed.filter((path) => !existsSync(path));
  if (missing.length === 0) return { name: 'programs', status: 'pass', message: 'bubblewrap and util-linux are installed' };
  return { name: 'programs', status: 'fail', message: `missing: ${missing.join(', ')}`, fix: 'apt-get install bubblewrap util-linux' };
}

function examineCgroups(): Check {
  const name = 'cgroups';
  try {
    const tree = CgroupTree.open('bureau-probe');
    const { present, missing } = tree.controllers;
    tree.remove();
    const message = `unified tree; controllers: ${present.map((each) => `${each.name} (version ${each.version})`).join(', ') || 'none'}`;
    if (missing.length === 0) return { name, status: 'pass', message };
    return {
      name,
      status: 'warn',
      message: `${message}; sandboxes are not held to: ${missing.map((each) => `${each.name} (${each.reason})`).join('; ')}`,
      fix: 'boot with systemd.unified_cgroup_hierarchy=1, or mount the trees of version 1',
    };
  } catch (error) {
    return {
      name,
      status: 'fail',
      message: describeError(error),
      fix: 'mount the unified tree: mount -t cgroup2 none /sys/fs/cgroup/unified',
    };
  }
}

/** What a payload can use up here without a limit: a warning, not a fault, since no host has them all. */
function examineLimits(): Check {
  const name = 'limits';
  try {
    const tree = CgroupTree.open('bureau-probe');
    const open = resourceReport(tree.controllers).filter(({ enforced }) => !enforced);
    tree.remove();
    if (open.length === 0) return { name, status: 'pass', message: 'everything that a sandbox can use up is limited' };
    return {
      name,
      status: 'warn',
      message: `sandboxes are not limited in: ${open.map(({ resource }) => resource).join('; ')}`,
      fix: open.map(({ resource, how }) => `${resource}: ${how}`).join(' · '),
    };
  } catch {
    return { name, status: 'skip', message: 'not looked at, since there are no cgroups' };
  }
}

function examineDisk({ paths }: OperationContext): Check {
  const name = 'disk';
  const place = ['/var/lib', '/'].find((path) => existsSync(path)) ?? '/';
  const { bavail, bsize } = statfsSync(existsSync(paths.stateDir) ? paths.stateDir : place);
  const gibibytes = ((bavail * bsize) / 1024 ** 3).toFixed(1);
  if (bavail * bsize >= DISK_FREE_LEAST) return { name, status: 'pass', message: `${gibibytes} GiB free` };
  return { name, status: 'fail', message: `${gibibytes} GiB free for ${paths.stateDir}`, fix: 'free at least 1 GiB' };
}

function examineIdentityStore({ paths }: OperationContext): Check {
  const name = 'identity store';
  const settings = readIdentitySettings(`${paths.configDir}/identity.json`);
  const held = IDENTITY_STORES.find((store) => existsSync(identityFile(paths.launcherStateDirectory, store)));
  const best = IDENTITY_STORES.find((store) => unavailable(store, settings) === undefined) ?? 'file';
  const why = IDENTITY_STORES.slice(0, IDENTITY_STORES.indexOf(held ?? best)).map(
    (store) => `${store}: ${unavailable(store, settings) ?? 'could be used'}`,
  );
  const message = `${held === undefined ? 'the machine’s identity will lie in' : 'the machine’s identity lies in'} ${held ?? best}${why.length === 0 ? '' : ` (${why.join('; ')})`}`;
  if ((held ?? best) === 'tpm2') return { name, status: 'pass', message };
  const fix =
    held !== undefined && held !== best
      ? `bureau machine identity migrate ${best}`
      : 'keep the disk encrypted: whoever copies it has the key';
  return { name, status: 'warn', message, fix };
}

/** Makes a real sandbox as an unprivileged uid: the one proof that user namespaces are allowed. */
async function examineSandbox({ uid, signal }: OperationContext): Promise<Check> {
  const name = 'sandbox';
  if (uid !== 0 || !existsSync('/usr/bin/bwrap')) return { name, status: 'skip', message: 'not tried, since something above is missing' };
  const probe = [
    '--unshare-all',
    '--disable-userns',
    '--unshare-user',
    '--cap-drop',
    'ALL',
    '--ro-bind',
    '/',
    '/',
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--',
    '/bin/true',
  ];
  const { command, args } = dropPrivileges(PROBE_UID, '/usr/bin/bwrap', probe);
  try {
    await promisify(execFile)(command, args, { timeout: PROBE_MILLISECONDS, signal, env: {} });
    return { name, status: 'pass', message: 'an unprivileged uid can make one' };
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    return {
      name,
      status: 'fail',
      message: `an unprivileged uid cannot make one: ${said === '' ? describeError(error) : said}`.slice(0, 500),
      fix: 'allow user namespaces: sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1 (and kernel.apparmor_restrict_unprivileged_userns=0 where it exists)',
    };
  }
}

// SPDX-License-Identifier: Apache-2.0
import type { SandboxPlan } from './bwrap-arguments.ts';
import { isWithin } from './mount-destinations.ts';
import type { LauncherPolicy } from './policy-file.ts';

/** One thing that holds a payload in, and who put it there. */
export interface ExplainedGuard {
  readonly guard: string;
  readonly from: 'bundle' | 'bureau' | 'policy' | 'spec';
  readonly how: string;
}

/** What a bundle says about specs, as far as it is known. */
export interface BundleRule {
  /** How many specs it allows; `null` when it allows any. */
  readonly allowedSpecs: number | null;
}

/** Every guard of one sandbox. Pure. */
export function explainGuards(plan: SandboxPlan, policy: LauncherPolicy, bundle: BundleRule | undefined): ExplainedGuard[] {
  const { spec, uid } = plan;
  return [
    { guard: 'own user', from: 'bureau', how: `host uid and gid ${uid} for starter, relay, bubblewrap and payload; no groups; never 0` },
    ...(policy.uids === undefined
      ? []
      : [{ guard: 'uid range', from: 'policy' as const, how: `uids ${policy.uids.first} to ${policy.uids.last}` }]),
    { guard: 'no capabilities', from: 'bureau', how: '--cap-drop ALL; bounding set empty; no_new_privs' },
    { guard: 'own namespaces', from: 'bureau', how: 'user, mount, pid, net, ipc, uts, cgroup; --disable-userns: none of its own below' },
    {
      guard: 'no network',
      from: 'bureau',
      how: 'its net namespace has nothing but loopback; the world is reached by /run/bureau/proxy.sock',
    },
    {
      guard: 'system calls',
      from: spec.profile === 'default' ? 'bureau' : 'spec',
      how: `seccomp profile "${spec.profile}", a list of what is allowed`,
    },
    { guard: 'profiles', from: 'policy', how: `this machine allows ${policy.profiles.join(', ')}` },
    { guard: 'kernel knobs', from: 'bureau', how: '/proc/sys and its kind read-only, what tells about the host masked, no /sys' },
    {
      guard: 'sources by descriptor',
      from: 'bureau',
      how: 'opened without following links, compared by device and inode when they are mounted',
    },
    ...sourceRules(plan, policy),
    ...(spec.root?.type === 'directory' ? [{ guard: 'root', from: 'policy' as const, how: `roots lists ${spec.root.path}` }] : []),
    {
      guard: 'memory of the spec',
      from: 'policy',
      how: `at most ${policy.limits.scratchSize} bytes scratchSize, ${policy.limits.tmpfsSize} bytes of mounts`,
    },
    { guard: 'environment', from: 'bureau', how: 'cleared; nothing of any process outside; names that begin with BUREAU_ are Bureau’s' },
    { guard: 'descriptors', from: 'bureau', how: '0, 1, 2 and nothing else' },
    { guard: 'end', from: 'bureau', how: '--die-with-parent, own pid namespace, own cgroup: everything is killed with it' },
    ...bundleGuards(bundle),
  ];
}

function bundleGuards(bundle: BundleRule | undefined): ExplainedGuard[] {
  if (bundle === undefined) return [{ guard: 'allowed_specs', from: 'bundle', how: 'not looked at: only the launcher opens bundles' }];
  const how =
    bundle.allowedSpecs === null
      ? 'its bundle allows any spec that the policy allows'
      : `its bundle lists ${bundle.allowedSpecs} specs, this one among them`;
  return [{ guard: 'allowed_specs', from: 'bundle', how }];
}

/** Which rule of the policy let each place of the host in. */
function sourceRules({ spec }: SandboxPlan, policy: LauncherPolicy): ExplainedGuard[] {
  return spec.mounts.flatMap((mount, index): ExplainedGuard[] => {
    const guard = `mounts[${index}]`;
    if (mount.type === 'tmpfs') return [];
    if (mount.type === 'device') return [{ guard, from: 'policy', how: `devices lists ${mount.source}` }];
    const source = mount.type === 'overlay' ? mount.lower : mount.source;
    const rules = policy.binds
      .filter((rule) => isWithin(source, rule.source))
      .toSorted((one, other) => other.source.length - one.source.length);
    const [nearest] = rules;
    return nearest === undefined
      ? []
      : [{ guard, from: 'policy', how: `binds lists ${nearest.source} (${nearest.mode}), asked for ${source}` }];
  });
}

// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import type { InstancePaths } from '@bureau/instance';
import type { BundleHeader, RelayConfig } from '@bureau/protocol';
import { bwrapOptions } from './bwrap-arguments.ts';
import { readHostFacts } from './host-facts.ts';
import type { CreateInput, LauncherDeps, WallFacts } from './launcher-deps.ts';
import { resolveMountSources } from './mount-source.ts';
import { readPolicy } from './policy-file.ts';
import { judgeSpec } from './policy.ts';
import { hostnameOf, writeRootFiles } from './root-files.ts';
import { seccompPrograms } from './seccomp-profiles.ts';
import { seccompArchitecture } from './seccomp.ts';

/** Reads the host once and assembles the seccomp programs. */
export function openWall(paths: InstancePaths, architecture: string): WallFacts {
  return {
    seccomp: seccompPrograms(seccompArchitecture(architecture)),
    host: readHostFacts(),
    policyFile: paths.policyFile,
  };
}

/**
 * The launcher's own judgement and the relay's instructions. Policy is read anew each time: what root wrote a moment ago counts.
 * Throws `spec_refused` with the rule's name, `mount_refused`.
 */
export function planSandbox(input: CreateInput, number: number, header: BundleHeader, deps: LauncherDeps): RelayConfig {
  const { paths, uids, wall, build } = deps;
  const { principal, spec } = input;
  const judgement = judgeSpec(spec, readPolicy(wall.policyFile), header);
  if (!judgement.ok) {
    throw new BureauError(
      'spec_refused',
      `The launcher's policy refuses this sandbox by its rule "${judgement.rule}": ${judgement.message}`,
      { data: { rule: judgement.rule, principal } },
    );
  }
  resolveMountSources(spec);
  const places = paths.principal(number);
  const uid = uids.payload(number);
  const rootFilesDirectory = `${places.directory}/etc`;
  const hostname = hostnameOf(principal);
  writeRootFiles(rootFilesDirectory, { uid, gid: uid, hostname });
  const { options, command } = bwrapOptions({
    spec,
    principal,
    uid,
    gid: uid,
    agentDirectory: places.agentDirectory,
    bridgeProgram: `${deps.buildDirectory}/bin/bureau-bridge`,
    workspaceDirectory: paths.workspaceOf(principal),
    rootFilesDirectory,
    hostname,
    host: wall.host,
  });
  return {
    v: 1,
    build,
    principal,
    options,
    command,
    seccomp: wall.seccomp[spec.profile],
    terminal: spec.terminal,
    holdForObserver: input.holdForObserver,
    exitFile: places.exitFile,
    allowedUids: [0, uids.daemon],
  };
}

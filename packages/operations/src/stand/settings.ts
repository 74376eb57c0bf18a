// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { UsageError, parseMachineName, parseServerName, type MachineName } from '@bureau/core';
import { replaceSymlink } from '@bureau/files';
import { findFreePort } from '@bureau/homeserver';
import { allocateUidBase, ensureInstanceDirectories, readSettings, uidsOf, writeSettings, type InstanceSettings } from '@bureau/instance';
import { makeRunDirectory } from '@bureau/supervise';
import type { OperationContext } from '../registry/context.ts';

/** The playbook's port; other instances get a free one. */
const DEFAULT_PORT = 6167;

/** What the caller of `stand up` may choose, once. */
export interface SettingsChoice {
  readonly serverName: string | undefined;
  readonly machine: string | undefined;
  /** Another host's homeserver, for a stand that joins it; without it a new stand gets its own. */
  readonly homeserverUrl?: string | undefined;
}

/** The instance's settings: read, or decided and written. Only the build changes from run to run. */
export async function ensureSettings(
  choice: SettingsChoice,
  context: OperationContext,
): Promise<{ settings: InstanceSettings; made: boolean }> {
  const { paths, build } = context;
  const uidBase = allocateUidBase(paths.name);
  makeRunDirectory(paths.runDir);
  ensureInstanceDirectories(paths, uidsOf(uidBase));
  if (existsSync(paths.settingsFile)) {
    const settings = { ...readSettings(paths), uidBase, build };
    refuseOtherChoice(choice, settings);
    writeSettings(paths, settings);
    return { settings, made: false };
  }
  const remote = choice.homeserverUrl;
  const port = remote !== undefined ? portOf(remote) : paths.name === '' ? DEFAULT_PORT : await findFreePort();
  const settings: InstanceSettings = {
    v: 1,
    name: paths.name,
    uidBase,
    serverName: parseServerName(choice.serverName ?? 'bureau.local'),
    homeserverPort: port,
    homeserverUrl: remote ?? `http://127.0.0.1:${port}`,
    ...(remote === undefined ? {} : { joined: true as const }),
    machine: choice.machine === undefined ? machineOfHost() : parseMachineName(`machine/${choice.machine}`),
    build,
  };
  writeSettings(paths, settings);
  return { settings, made: true };
}

function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}

/** Names are in user IDs and rooms: they are chosen once. */
function refuseOtherChoice(choice: SettingsChoice, { serverName, machine }: InstanceSettings): void {
  const asked = { '--server-name': choice.serverName, '--machine': choice.machine === undefined ? undefined : `machine/${choice.machine}` };
  const found = { '--server-name': String(serverName), '--machine': String(machine) };
  for (const option of ['--server-name', '--machine'] as const)
    if (asked[option] !== undefined && asked[option] !== found[option])
      throw new UsageError(
        'stand_differs',
        `This stand is ${found[option]}, and ${option} asks for ${asked[option]}; leave the option away, or make another stand with --instance NAME`,
        { data: { option, found: found[option] } },
      );
}

/** `machine/<host name>`, as far as our grammar takes it. */
function machineOfHost(): MachineName {
  const name =
    hostname()
      .toLowerCase()
      .split('.')[0]
      ?.replaceAll(/[^a-z0-9-]/g, '-')
      .replaceAll(/^-+|-+$/g, '')
      .slice(0, 40) ?? '';
  return parseMachineName(`machine/${name === '' ? 'local' : name}`);
}

/** Points `/etc/bureau/current` at this build; whole or not at all. */
export function linkBuild({ paths, buildDirectory }: OperationContext): void {
  replaceSymlink(buildDirectory, paths.buildLink);
}

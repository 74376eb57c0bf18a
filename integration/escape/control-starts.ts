// SPDX-License-Identifier: Apache-2.0

/** Who starts the sandbox in which an attack must succeed, and why it is not the launcher where it is not. */
export const CONTROL_STARTS = {
  launcher:
    'The launcher of the same stand, through its relay. It is bundled as it ships but for one module: what it tells the relay lacks the guard (`build/weakened-launcher.ts`). Relay, bubblewrap and all else are what ships.',
  'launcher as it ships': 'The launcher of the same stand, unchanged: what is in the way is asked for otherwise, or no sandbox is needed.',
  'fixture: user':
    'The test starts bubblewrap itself. The guard is the relay’s: it becomes the principal’s user before it hears what the launcher decided, and refuses to be root.',
  'fixture: descriptors':
    'The test starts bubblewrap itself. The guard is the relay’s: it marks every descriptor close-on-exec, whatever the launcher decided.',
  'fixture: environment':
    'The test starts bubblewrap itself. The guard is the relay’s: it gives bubblewrap an empty environment, whatever the launcher decided.',
  'fixture: arguments':
    'The test starts bubblewrap itself. The guard is the relay’s: it passes all options by descriptor, whatever the launcher decided.',
  'fixture: filter': 'The test starts bubblewrap itself. The guard is the relay’s: it starts nothing without a filter.',
  'fixture: network':
    'The test starts bubblewrap itself, in the host’s network. The launcher’s own is empty, and so is that of all it starts: without --unshare-net, too, these attacks are refused, which the suite shows as well.',
  'fixture: end': 'The test starts bubblewrap itself. The launcher would end the control group, which is the second guard.',
  host: 'No sandbox: the same is done on the host.',
} as const;
export type ControlStart = keyof typeof CONTROL_STARTS;

/** Those that are not `launcher`. */
const OTHERS: Readonly<Record<string, ControlStart>> = {
  kernel_knobs: 'fixture: user',
  host_programs: 'fixture: user',
  device_nodes: 'fixture: user',
  control_groups: 'fixture: user',
  kernel_code: 'fixture: user',
  root_on_the_host: 'fixture: user',
  files_of_root: 'fixture: user',
  terminal_master: 'fixture: descriptors',
  stray_descriptors: 'fixture: descriptors',
  init_memory: 'fixture: environment',
  inherited_environment: 'fixture: environment',
  arguments_of_init: 'fixture: arguments',
  unfiltered: 'fixture: filter',
  host_network: 'fixture: network',
  interfaces: 'fixture: network',
  abstract_sockets: 'fixture: network',
  name_service: 'fixture: network',
  staying_alive: 'fixture: end',
  fork_bomb: 'launcher as it ships',
  threads: 'launcher as it ships',
  memory: 'launcher as it ships',
  sparse_file: 'launcher as it ships',
  names_of_the_run_directory: 'launcher as it ships',
  strangers_at_the_launcher: 'launcher as it ships',
  garbage_for_the_launcher: 'launcher as it ships',
  set_user_id: 'host',
  file_capabilities: 'host',
  tools_of_the_host: 'host',
};

/** Who starts the control of an attack. */
export function controlStart(name: string): ControlStart {
  return OTHERS[name] ?? 'launcher';
}

/** Names that have no attack: for the check of the page. */
export function strayStarts(names: ReadonlySet<string>): string[] {
  return Object.keys(OTHERS).filter((name) => !names.has(name));
}

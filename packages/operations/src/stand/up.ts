// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { BureauError, sleep } from '@bureau/core';
import { readBounded } from '@bureau/files';
import { ensureFirstAccounts, homeserverLayout, writeHomeserverFiles } from '@bureau/homeserver';
import { readMachine, uidsOf, type InstanceSettings } from '@bureau/instance';
import { setUpMatrix } from '@bureau/matrix';
import { tryLockFile } from '@bureau/native';
import type { ServiceStatus } from '@bureau/protocol';
import * as v from 'valibot';
import { connectDaemon, connectStand, requireRoot, type DaemonClient, type StandClient } from '../daemon-client.ts';
import { examineHost } from '../host/examine-host.ts';
import { readInvitation, type MachineInvitation } from '../machine/invitation.ts';
import { forgetInvitation, joinMachine } from '../machine/join.ts';
import { openOperator } from '../operator.ts';
import type { OperationContext } from '../registry/context.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { ensureDemo, type DemoMessage } from './demo.ts';
import { ensureKeys } from './keys.ts';
import { provisionMachine } from './provision.ts';
import { ensureServiceManager } from './service-manager.ts';
import { ensureSettings, linkBuild } from './settings.ts';
import { Steps, type StepResult } from './steps.ts';

/** Synapse's first start makes its database: up to 10 s on a loaded machine. */
const SERVICE_MILLISECONDS = 90_000;
const SYNC_MILLISECONDS = 30_000;
const LOOK_MILLISECONDS = 25;
/** The homeserver's configuration has 5 KiB. */
const CONFIG_MAX_BYTES = 1024 * 1024;

/** `bureau stand up`, behind `script/up`: everything from nothing to an agent that speaks. Idempotent. */
export const standUp: AnyOperation = defineOperation({
  name: 'stand up',
  summary: 'Start this machine’s stand: homeserver, launcher, daemon, a demo agent',
  description:
    'What script/up runs after it has installed the build. A second run finds what is there, replaces what is of an older build without ending sandboxes, and starts what is missing.',
  grant: 'stand/up',
  input: v.strictObject({
    homeserver_library: v.string(),
    server_name: v.optional(v.string()),
    machine: v.optional(v.string()),
    demo: v.optional(v.boolean(), true),
    join: v.optional(v.string()),
  }),
  output: v.strictObject({
    homeserver: v.string(),
    server_name: v.string(),
    run_dir: v.string(),
    credential_file: v.string(),
    machine: v.string(),
    demo: v.nullable(v.strictObject({ principal: v.string(), event_id: v.string(), body: v.string() })),
  }),
  fields: {
    homeserver_library: { help: 'where deploy/matrix/install.sh has put Synapse', placeholder: 'DIR' },
    server_name: { help: 'the Matrix server name of a new stand; default bureau.local', placeholder: 'NAME' },
    machine: { help: 'the machine’s name in a new stand; default the host’s', placeholder: 'NAME' },
    demo: { help: 'start the demo agent demo/hello', negatable: true },
    join: {
      help: 'the file that "bureau machine provision" wrote for this machine, or - for stdin; it works on that homeserver then',
      placeholder: 'FILE',
    },
  },
  positionals: [],
  examples: [{ command: 'script/up --json', shows: 'the stand’s facts as one JSON object, for scripts' }],
  async handler(input, context) {
    requireRoot(context);
    const { paths } = context;
    const invitation = input.join === undefined ? undefined : await readInvitation(input.join, context.input);
    const steps = new Steps(context);
    const at = (name: string, log = 'stand'): { name: string; log: string } => ({ name, log: paths.processLog(log) });
    await steps.run(at('host'), () => checkHost(context));
    const { settings, lock: taken } = await steps.run(at('settings'), () => settleSettings(input, invitation, context));
    using lock = taken;
    if (lock === null)
      throw new BureauError('stand_busy', 'Another script/up or script/down of this instance is at work; wait for its end');
    const own = settings.joined !== true;
    if (own) await steps.run(at('keys'), () => ensureKeys(context));
    const { reconfigured } = await steps.run(at('configure'), () => configure(settings, input.homeserver_library, context));
    await steps.run(at('manager'), () => ensureServiceManager(context));
    if (own) await steps.run(at('homeserver', 'homeserver'), () => startService('homeserver', context, reconfigured));
    await steps.run(at('launcher', 'launcher'), () => startService('launcher', context));
    if (own) {
      await steps.run(at('accounts', 'homeserver'), () => firstAccounts(settings, context));
      await steps.run(at('rooms', 'homeserver'), () => setUpRooms(settings, context));
    }
    const { renewed } = await steps.run(at('machine', 'homeserver'), () => becomeMachine(settings, invitation, context));
    if (input.join !== undefined) forgetInvitation(input.join);
    await steps.run(at('daemon', 'daemon'), () => startService('daemon', context, renewed));
    using daemon = await connectDaemon(context);
    await steps.run(at('sync', 'daemon'), () => waitSync(daemon, context));
    let demo: DemoMessage | null = null;
    if (input.demo && own) {
      await steps.run(at('demo', 'launcher'), async () => {
        const { message, started } = await ensureDemo(openOperator(context, paths.credentialFile), daemon, context);
        demo = message;
        return { outcome: started ? 'done' : 'there', message: `${message.principal} says: ${message.body}` };
      });
    }
    const { homeserverUrl: homeserver, serverName, machine } = settings;
    return {
      homeserver,
      server_name: serverName,
      run_dir: paths.runDir,
      credential_file: paths.credentialFile,
      machine: `@${machine}:${serverName}`,
      demo,
    };
  },
  render: ({ homeserver, machine, demo, run_dir: runDirectory }) => {
    const instance = runDirectory.startsWith('/run/bureau-') ? `--instance ${runDirectory.slice('/run/bureau-'.length)} ` : '';
    const lines = [`${machine} is up at ${homeserver}`];
    if (demo !== null)
      lines.push(`${demo.principal}: ${demo.body} (${demo.event_id})`, `watch it: bin/bureau ${instance}observe demo/hello`);
    return lines.join('\n');
  },
});

/** The instance's settings, and the lock that one `stand up` at a time holds; null: another one is at work. */
async function settleSettings(
  input: { readonly server_name?: string | undefined; readonly machine?: string | undefined },
  invitation: MachineInvitation | undefined,
  context: OperationContext,
): Promise<StepResult & { readonly settings: InstanceSettings; readonly lock: Disposable | null }> {
  const choice =
    invitation === undefined
      ? { serverName: input.server_name, machine: input.machine }
      : {
          serverName: invitation.server_name,
          machine: invitation.machine.slice('machine/'.length),
          homeserverUrl: invitation.homeserver_url,
        };
  const { settings, made } = await ensureSettings(choice, context);
  return {
    outcome: made ? 'done' : 'there',
    message: `uids from ${settings.uidBase}, homeserver on port ${settings.homeserverPort}`,
    settings,
    lock: tryLockFile(`${context.paths.stateDir}/up.lock`),
  };
}

/** What the processes read when they start. `reconfigured`: a homeserver that runs holds what is no longer true. */
function configure(
  { serverName, homeserverPort, homeserverUrl, joined, uidBase }: InstanceSettings,
  library: string,
  context: OperationContext,
): StepResult & { readonly reconfigured: boolean } {
  linkBuild(context);
  if (joined === true) return { outcome: 'there', message: `build ${context.build}, homeserver ${homeserverUrl}`, reconfigured: false };
  const directory = context.paths.homeserverStateDirectory;
  const { configFile } = homeserverLayout(directory);
  const before = textOf(configFile);
  writeHomeserverFiles({ directory, serverName, port: homeserverPort, library, uid: uidsOf(uidBase).homeserver });
  const same = before === textOf(configFile);
  return {
    outcome: same ? 'there' : 'done',
    message: `build ${context.build}, ${configFile}`,
    reconfigured: before !== undefined && !same,
  };
}

/** The machine's account, rooms and key: by an invitation, or, where the homeserver is this stand's own, by its operator. */
async function becomeMachine(
  settings: InstanceSettings,
  invitation: MachineInvitation | undefined,
  context: OperationContext,
): Promise<StepResult & { readonly renewed: boolean }> {
  if (invitation !== undefined) {
    const { userId, configRoom } = await joinMachine(invitation, context);
    return { outcome: 'done', message: `${userId}, config room ${configRoom}; the password of the invitation is dead`, renewed: true };
  }
  if (settings.joined !== true) return provisionMachine(settings, context);
  const { userId, configRoom } = readMachine(context.paths);
  return { outcome: 'there', message: `${userId}, config room ${configRoom}`, renewed: false };
}

function textOf(path: string): string | undefined {
  return existsSync(path) ? readBounded(path, CONFIG_MAX_BYTES).toString('utf8') : undefined;
}

async function checkHost(context: OperationContext): Promise<StepResult> {
  const { checks } = await examineHost(context);
  const failed = checks.filter(({ status }) => status === 'fail');
  if (failed.length > 0) {
    throw new BureauError(
      'host_unfit',
      failed.map(({ name, message, fix }) => `${name}: ${message}${fix === undefined ? '' : ` (${fix})`}`).join('; '),
    );
  }
  const warned = checks.filter(({ status }) => status === 'warn').map(({ name }) => name);
  return {
    outcome: 'there',
    message: warned.length === 0 ? 'has all that is needed' : `will do (see "bureau doctor host": ${warned.join(', ')})`,
  };
}

/** Sees to it that a service runs; one whose configuration is no longer true is ended first, and comes back with the new one. */
async function startService(
  service: 'homeserver' | 'launcher' | 'daemon',
  context: OperationContext,
  renewed = false,
): Promise<StepResult> {
  using stand = await connectStand(context);
  let before = (await stand.call('status', {})).services.find(({ name }) => name === service);
  if (renewed && before?.state === 'running' && before.pid !== null) {
    process.kill(before.pid, 'SIGTERM');
    before = await untilEnded(stand, service, before.pid, context);
  }
  await stand.call('start', { service }, { deadlineMilliseconds: SERVICE_MILLISECONDS, signal: context.signal });
  const after = (await stand.call('status', {})).services.find(({ name }) => name === service);
  const there = before?.state === 'running';
  return {
    outcome: there ? 'there' : 'done',
    message: `${there ? 'already running' : 'running'} (pid ${after?.pid ?? 'unknown'}, uid ${after?.uid ?? 'unknown'})`,
  };
}

async function untilEnded(stand: StandClient, service: string, pid: number, context: OperationContext): Promise<ServiceStatus | undefined> {
  const until = context.clock.monotonic() + SERVICE_MILLISECONDS;
  for (;;) {
    const now = (await stand.call('status', {})).services.find(({ name }) => name === service);
    if (now?.pid !== pid) return now?.state === 'running' ? undefined : now;
    if (context.clock.monotonic() > until)
      throw new BureauError('deadline_exceeded', `Expected ${service} (pid ${pid}) to end so that it starts with its new configuration`);
    await sleep(context.clock, LOOK_MILLISECONDS, context.signal);
  }
}

async function firstAccounts(settings: InstanceSettings, context: OperationContext): Promise<StepResult> {
  const { made } = await ensureFirstAccounts({
    url: settings.homeserverUrl,
    directory: context.paths.homeserverStateDirectory,
    signal: context.signal,
  });
  return { outcome: made ? 'done' : 'there', message: 'registration token' };
}

async function setUpRooms(settings: InstanceSettings, context: OperationContext): Promise<StepResult> {
  const { registrationTokenFile } = homeserverLayout(context.paths.homeserverStateDirectory);
  const { administrator, changed, rooms } = await setUpMatrix({
    homeserverUrl: settings.homeserverUrl,
    credentialFilePath: context.paths.credentialFile,
    registrationToken: readBounded(registrationTokenFile, 4_096).toString('utf8').trim(),
    serverName: settings.serverName,
    clock: context.clock,
    signal: context.signal,
  });
  return { outcome: changed ? 'done' : 'there', message: `${administrator}, ${Object.keys(rooms).length} rooms` };
}

async function waitSync(daemon: DaemonClient, context: OperationContext): Promise<StepResult> {
  const until = context.clock.monotonic() + SYNC_MILLISECONDS;
  for (;;) {
    const { sync, launcher } = await daemon.call('status', {});
    if (sync === 'live' && launcher === 'connected') return { outcome: 'there', message: 'daemon follows its room' };
    if (sync === 'logged_out')
      throw new BureauError('logged_out', 'The homeserver no longer takes the machine’s token; run script/up again to log it in anew');
    if (context.clock.monotonic() > until)
      throw new BureauError(
        'deadline_exceeded',
        `Expected the daemon to sync within ${SYNC_MILLISECONDS / 1_000} s; sync is "${sync}", launcher "${launcher}"`,
      );
    await sleep(context.clock, LOOK_MILLISECONDS, context.signal);
  }
}

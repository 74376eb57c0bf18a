// SPDX-License-Identifier: Apache-2.0
import { BureauError, type PrincipalName } from '@bureau/core';
import type { PlannedAction, PrincipalStatus, SandboxInfo } from '@bureau/protocol';
import type { LauncherLink, Reconciler } from '@bureau/reconcile';
import type { CommandHandlers } from './commands.ts';

/** TERM, this long, then KILL. */
const GRACE_MILLISECONDS = 5_000;
/** The end of a sandbox takes its grace and a little. */
const END_MILLISECONDS = 30_000;

export interface MachineHandlersDeps {
  readonly build: string;
  readonly launcher: LauncherLink;
  readonly reconciler: Reconciler;
}

/** What the commands of the config room do on a machine. */
export function machineHandlers({ build, launcher, reconciler }: MachineHandlersDeps): CommandHandlers {
  return {
    'machine.status': () => {
      const { statuses } = reconciler;
      const { observed } = launcher;
      const sandboxes = observed?.filter(({ state }) => state !== 'exited').length;
      const lives = sandboxes === undefined ? 'its launcher is away' : `${sandboxes} sandboxes live`;
      const result = {
        build,
        launcher: observed === undefined ? 'away' : 'connected',
        agents: statuses.length,
        ...(sandboxes === undefined ? {} : { sandboxes }),
      };
      return { body: `build ${build}, ${statuses.length} agents, ${lives}`, result };
    },
    'machine.plan': () => {
      const actions = reconciler.preview();
      return { body: actions.length === 0 ? 'nothing to do: all is as desired' : actions.map(actionLine).join('\n'), result: { actions } };
    },
    'agent.list': () => {
      const { statuses } = reconciler;
      return { body: statuses.length === 0 ? 'no agents' : statuses.map(statusLine).join('\n'), result: { agents: [...statuses] } };
    },
    'agent.show': ({ principal }) => {
      const status = reconciler.statuses.find((each) => each.principal === principal);
      if (status === undefined) throw new BureauError('not_found', `There is no ${principal} on this machine`, { data: { principal } });
      return { body: statusLine(status), result: { agent: status } };
    },
    'agent.stop': async ({ principal }, signal, sender) => {
      const running = launcher.observed?.find((each) => each.principal === principal && each.state !== 'exited');
      reconciler.halt(principal, sender);
      if (running !== undefined)
        await launcher.client.call('wait', { principal, id: running.id }, { deadlineMilliseconds: END_MILLISECONDS, signal });
      return { body: `${principal} is stopped until "agent.start" or a new generation of its assignment` };
    },
    'agent.start': ({ principal }) => {
      reconciler.resume(principal);
      return { body: `${principal} may run again, as its assignment and restart policy say` };
    },
    'agent.restart': async ({ principal }, signal) => {
      const { id } = live(launcher, principal);
      await launcher.client.call(
        'destroy',
        { principal, id, graceMilliseconds: GRACE_MILLISECONDS },
        { deadlineMilliseconds: END_MILLISECONDS, signal },
      );
      return { body: `${principal} was ended; it starts again as its restart policy says` };
    },
    'agent.signal': async ({ principal, signal: name }, signal) => {
      const { id } = live(launcher, principal);
      await launcher.client.call('signal', { principal, id, signal: name }, { signal });
      return { body: `${name} was sent to ${principal}` };
    },
  };
}

/** The sandbox that lives. Throws `not_running`. */
function live(launcher: LauncherLink, principal: PrincipalName): SandboxInfo {
  // Throws when the launcher is away.
  void launcher.client;
  const found = launcher.observed?.find((each) => each.principal === principal && each.state !== 'exited');
  if (found !== undefined) return found;
  throw new BureauError('not_running', `${principal} does not run on this machine right now`, { data: { principal } });
}

function actionLine({ action, principal, reason }: PlannedAction): string {
  return `${action} ${principal}: ${reason}`;
}

function statusLine({ principal, state, message }: PrincipalStatus): string {
  return `${principal} ${state}${message === undefined ? '' : `: ${message}`}`;
}

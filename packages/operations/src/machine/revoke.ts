// SPDX-License-Identifier: Apache-2.0
import { CREDENTIALS, MACHINE_REVOCATION, type MachineRevocationContent } from '@bureau/protocol';
import * as v from 'valibot';
import { openSession, SESSION_ENTRIES, SESSION_FIELDS } from '../matrix/session.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { clearEvents, endAccess, kickMachine, principalsOf } from './end-access.ts';
import { findMachine } from './find-machine.ts';
import { MACHINE_HELP, machineArgument } from './machine-argument.ts';
import { machineFacts } from './machine-facts.ts';
import { ADMINISTRATOR_FIELD, openAdministration } from './server-administrator.ts';

/** Most principals that the event names; all are dealt with. */
const NAMED_MAX = 400;

/** `bureau machine revoke`: the emergency. What cuts the machine off comes first, what tidies up last; each step may be repeated. */
export const machineRevoke: AnyOperation = defineOperation({
  name: 'machine revoke',
  summary: 'Emergency: end every token of a machine and of its agents, and all that runs on it',
  description:
    'For a machine that is stolen or taken over. Needs the homeserver’s administration, not the machine: its tokens and those of its agents are dead when this returns, and its daemon, if it still listens, ends every sandbox. An agent that is assigned elsewhere too needs new credentials there. Keys for other places that were sealed for this machine are to be changed at those places. For a machine in good order see "bureau machine decommission".',
  grant: 'machine/revoke',
  input: v.strictObject({
    machine: machineArgument,
    reason: v.pipe(v.string(), v.minLength(1), v.maxLength(500)),
    server_admin_token_file: v.optional(v.string()),
    ...SESSION_ENTRIES,
  }),
  output: v.strictObject({
    machine: v.string(),
    event_id: v.string(),
    principals: v.array(v.string()),
    sessions_ended: v.number(),
    rooms_left_over: v.array(v.string()),
  }),
  fields: {
    machine: { help: MACHINE_HELP },
    reason: { help: 'why, for those who read it later', placeholder: 'TEXT' },
    ...ADMINISTRATOR_FIELD,
    ...SESSION_FIELDS,
  },
  positionals: ['machine'],
  examples: [
    {
      command: 'bureau machine revoke laptop --reason "stolen on the train"',
      shows: 'how many sessions were ended, and whose keys to change',
    },
  ],
  async handler({ machine, reason, server_admin_token_file: tokenFile, ...input }, context) {
    const { signal, progress } = context;
    const session = await openSession(input, context);
    await using administration = await openAdministration(session.homeserverUrl, tokenFile, context);
    const room = await findMachine(session, machine, signal);
    // Before anything is said: somebody whom the homeserver's administration refuses would end what runs and cut nothing off.
    await administration.knows(room.user);
    const principals = principalsOf(room, machineFacts(room));
    const content: MachineRevocationContent = {
      v: 1,
      machine,
      at: context.clock.now(),
      by: session.user,
      reason,
      principals: principals.slice(0, NAMED_MAX),
    };
    const event = await session.client.setState(room.roomId, MACHINE_REVOCATION.type, '', content, { signal });
    progress(`${machine} is told; ending the sessions of it and of ${principals.length} principals`);
    const ended = await endAccess(administration, room.user, principals, session);
    progress(`${ended} sessions ended; taking its bundles and memberships away`);
    await clearEvents(session, room, CREDENTIALS.type, principals, signal);
    const left = await kickMachine(session, room.user, 'the machine was revoked', signal);
    return { machine, event_id: event, principals, sessions_ended: ended, rooms_left_over: [...left] };
  },
  render: ({ machine, principals, sessions_ended: ended, rooms_left_over: left }) =>
    [
      `${machine} is revoked: ${ended} sessions ended`,
      principals.length === 0
        ? 'no agent had keys there'
        : `change at their places every key that was given to: ${principals.join(', ')} ("bureau credential provision" takes the new ones)`,
      ...left.map((line) => `still a member of ${line}`),
    ].join('\n'),
});

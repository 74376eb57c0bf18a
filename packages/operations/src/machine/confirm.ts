// SPDX-License-Identifier: Apache-2.0
import { BureauError, UsageError } from '@bureau/core';
import { MACHINE_KEY, MACHINE_PROVISION, readEvent, requireWritable } from '@bureau/protocol';
import * as v from 'valibot';
import { openSession, SESSION_ENTRIES, SESSION_FIELDS } from '../matrix/session.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { findMachine } from './find-machine.ts';
import { MACHINE_HELP, machineArgument } from './machine-argument.ts';
import { machineFacts } from './machine-facts.ts';

/** `bureau machine confirm`. */
export const machineConfirm: AnyOperation = defineOperation({
  name: 'machine confirm',
  summary: 'Pin the key that a provisioned machine has published; another one is refused from then on',
  description:
    'Only the machine’s own account can have published it, and only after the last provisioning, whose event it names. With --recipient it must also be the key that you read on the machine itself ("bureau machine identity show"), which leaves the homeserver out of what has to be believed.',
  grant: 'machine/confirm',
  input: v.strictObject({ machine: machineArgument, recipient: v.optional(v.string()), ...SESSION_ENTRIES }),
  output: v.strictObject({ machine: v.string(), recipient: v.string(), outcome: v.picklist(['pinned', 'known']) }),
  fields: {
    machine: { help: MACHINE_HELP },
    recipient: { help: 'the key as the machine itself shows it', placeholder: 'age1…' },
    ...SESSION_FIELDS,
  },
  positionals: ['machine'],
  examples: [{ command: 'bureau machine confirm laptop', shows: 'the key that is pinned now' }],
  async handler({ machine, recipient: expected, ...input }, context) {
    const { signal } = context;
    const session = await openSession(input, context);
    const room = await findMachine(session, machine, signal);
    const { provision, recipient, revocation } = machineFacts(room);
    const stored = room.state.find(({ type, state_key: key }) => type === MACHINE_PROVISION.type && key === '');
    if (revocation !== undefined)
      throw new UsageError('machine_revoked', `${machine} is revoked; provision it again before its key counts`);
    if (provision === undefined || stored === undefined)
      throw new UsageError('machine_not_provisioned', `${machine} was not provisioned; see "bureau machine provision --help"`);
    if (recipient === undefined)
      throw new BureauError('machine_key_missing', `${machine} has not published a key yet; run "script/up --join FILE" there first`);
    if (expected !== undefined && expected !== recipient)
      throw new BureauError(
        'machine_key_differs',
        `${machine} has published another key than the one given: ${recipient}. Do not use it, and find out who has published it`,
        {
          data: { machine, published: recipient },
        },
      );
    if (provision.recipient === recipient) return { machine, recipient, outcome: 'known' as const };
    if (provision.recipient !== undefined)
      throw new BureauError(
        'machine_key_changed',
        `${machine} has published another key than the pinned one (pinned ${provision.recipient}, published ${recipient}). Nothing may be sealed to it: find out why, then provision it again (bureau machine provision ${machine} --again)`,
        { data: { machine, pinned: provision.recipient, published: recipient } },
      );
    const key = readEvent(
      MACHINE_KEY,
      room.state.find(({ type, state_key: name }) => type === MACHINE_KEY.type && name === room.user)?.content,
    );
    if (!key.ok || key.content.provision !== stored.event_id)
      throw new BureauError(
        'machine_key_old',
        `The key that ${machine} has published is of an earlier provisioning; run "script/up --join FILE" there with the newest file`,
        {
          data: { machine },
        },
      );
    requireWritable(MACHINE_PROVISION, stored.content);
    await session.client.setState(room.roomId, MACHINE_PROVISION.type, '', { ...provision, recipient }, { signal });
    return { machine, recipient, outcome: 'pinned' as const };
  },
  render: ({ machine, recipient, outcome }) => `${machine}: ${recipient} ${outcome === 'pinned' ? 'is pinned' : 'was pinned already'}`,
});

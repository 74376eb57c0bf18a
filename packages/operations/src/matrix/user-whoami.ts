// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from './session.ts';

/** `bureau matrix user whoami`. */
export const matrixUserWhoami: AnyOperation = defineOperation({
  name: 'matrix user whoami',
  summary: 'Say whose token the credential file holds',
  description: 'Asks the homeserver, so it also tells that the token works. Never prints it.',
  grant: 'matrix/user/whoami',
  input: v.strictObject(SESSION_ENTRIES),
  output: v.strictObject({ user_id: v.string(), device_id: v.optional(v.string()), homeserver: v.string() }),
  fields: SESSION_FIELDS,
  positionals: [],
  examples: [{ command: 'bureau matrix user whoami', shows: '@bureau-admin:bureau.local' }],
  async handler(input, context) {
    const { user, deviceId, homeserverUrl } = await openSession(input, context);
    return { user_id: user, ...(deviceId === undefined ? {} : { device_id: deviceId }), homeserver: homeserverUrl };
  },
  render: ({ user_id }) => user_id,
});

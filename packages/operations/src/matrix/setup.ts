// SPDX-License-Identifier: Apache-2.0
import { readBounded } from '@bureau/files';
import { setUpMatrix } from '@bureau/matrix';
import { serverName } from '@bureau/protocol';
import * as v from 'valibot';
import { credentialFilePath } from '../operator.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';

/** `bureau matrix setup`. */
export const matrixSetup: AnyOperation = defineOperation({
  name: 'matrix setup',
  summary: 'Make or repair Bureau’s account, space, rooms and power levels on a homeserver',
  description:
    'Idempotent: makes what is missing, repairs what differs, keeps the rest. Writes the credential file that the other commands read.',
  grant: 'matrix/setup',
  input: v.strictObject({
    homeserver: v.optional(v.pipe(v.string(), v.url())),
    registration_token_file: v.optional(v.string()),
    credential_file: v.optional(v.string()),
    server_name: v.optional(serverName),
  }),
  output: v.strictObject({
    server_name: v.string(),
    homeserver: v.string(),
    administrator: v.string(),
    rooms: v.record(v.string(), v.string()),
    changed: v.boolean(),
    credential_file: v.string(),
  }),
  fields: {
    homeserver: { help: 'where the homeserver is; default: the credential file’s', placeholder: 'URL' },
    registration_token_file: { help: 'file with the registration token; needed once', placeholder: 'FILE' },
    credential_file: { help: 'the file to write; default: BUREAU_CREDENTIAL_FILE, then the instance’s own', placeholder: 'FILE' },
    server_name: { help: 'what the homeserver must call itself', placeholder: 'NAME' },
  },
  positionals: [],
  examples: [
    {
      command:
        'bureau matrix setup --homeserver http://localhost:6167 --registration-token-file .env-token --credential-file ./bureau-creds --server-name bureau.local',
      shows: 'a fresh homeserver made ready',
    },
  ],
  async handler(input, context) {
    const path = credentialFilePath(context, input.credential_file);
    const token =
      input.registration_token_file === undefined ? undefined : readBounded(input.registration_token_file, 4_096).toString('utf8').trim();
    const result = await setUpMatrix({
      credentialFilePath: path,
      clock: context.clock,
      signal: context.signal,
      ...(input.homeserver === undefined ? {} : { homeserverUrl: input.homeserver }),
      ...(token === undefined ? {} : { registrationToken: token }),
      ...(input.server_name === undefined ? {} : { serverName: input.server_name }),
      onStep: ({ outcome, message }) => context.progress(outcome === 'kept' ? `kept: ${message}` : message),
    });
    return {
      server_name: result.serverName,
      homeserver: result.homeserverUrl,
      administrator: result.administrator,
      rooms: { ...result.rooms },
      changed: result.changed,
      credential_file: path,
    };
  },
  render: ({ administrator, changed, credential_file }) =>
    `${changed ? 'ready' : 'already as it should be'}: ${administrator}, credentials in ${credential_file}`,
});

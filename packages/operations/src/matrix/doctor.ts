// SPDX-License-Identifier: Apache-2.0
import { examineMatrix } from '@bureau/matrix';
import { serverName } from '@bureau/protocol';
import * as v from 'valibot';
import { EXIT_CODES } from '../registry/exit-codes.ts';
import { checkReport, renderChecks } from '../host/checks.ts';
import { credentialFilePath } from '../operator.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';

/** `bureau matrix doctor`. */
export const matrixDoctor: AnyOperation = defineOperation({
  name: 'matrix doctor',
  summary: 'Check the homeserver, Bureau’s rooms and their power levels',
  grant: 'matrix/doctor',
  input: v.strictObject({
    credential_file: v.optional(v.string()),
    homeserver: v.optional(v.pipe(v.string(), v.url())),
    server_name: v.optional(serverName),
    fix: v.optional(v.boolean(), false),
  }),
  output: checkReport,
  fields: {
    credential_file: { help: 'default: BUREAU_CREDENTIAL_FILE, then the instance’s own', placeholder: 'FILE' },
    homeserver: { help: 'default: the credential file’s', placeholder: 'URL' },
    server_name: { help: 'what the homeserver must call itself', placeholder: 'NAME' },
    fix: { help: 'repair what can be repaired' },
  },
  positionals: [],
  examples: [{ command: 'bureau matrix doctor --json', shows: 'every check with its status, as JSON' }],
  async handler(input, context) {
    const report = await examineMatrix({
      credentialFilePath: credentialFilePath(context, input.credential_file),
      clock: context.clock,
      signal: context.signal,
      fix: input.fix,
      ...(input.homeserver === undefined ? {} : { homeserverUrl: input.homeserver }),
      ...(input.server_name === undefined ? {} : { serverName: input.server_name }),
    });
    return { checks: [...report.checks], ok: report.ok };
  },
  render: renderChecks,
  exitCode: ({ ok }) => (ok ? EXIT_CODES.ok : EXIT_CODES.failed),
});

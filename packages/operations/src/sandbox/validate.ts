// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { checkReport, renderChecks } from '../host/checks.ts';
import { examineHost } from '../host/examine-host.ts';
import { EXIT_CODES } from '../registry/exit-codes.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';

/** `bureau sandbox validate`: whether this host's kernel and programs give a sandbox what it needs; the checks of `doctor host`. */
export const sandboxValidate: AnyOperation = defineOperation({
  name: 'sandbox validate',
  summary: 'Check what this host gives to sandboxes: bubblewrap, user namespaces, cgroups, seccomp, TPM, swap',
  description:
    'Each line says what is found, why it matters, and what to do. Nothing is changed. `bureau sandbox test` attacks a real sandbox instead.',
  grant: 'sandbox/validate',
  input: v.strictObject({}),
  output: checkReport,
  fields: {},
  positionals: [],
  examples: [{ command: 'bureau sandbox validate', shows: 'a line for each thing that a sandbox depends on, with its cure' }],
  handler: (_input, context) => examineHost(context),
  render: renderChecks,
  exitCode: ({ ok }) => (ok ? EXIT_CODES.ok : EXIT_CODES.failed),
});

// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { EXIT_CODES } from '../registry/exit-codes.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { checkReport, renderChecks } from './checks.ts';
import { examineHost } from './examine-host.ts';

/** `bureau doctor host`: what this host lacks, before anything is started. */
export const doctorHost: AnyOperation = defineOperation({
  name: 'doctor host',
  summary: 'Check what this host has and lacks for Bureau, before anything is started',
  grant: 'host/doctor',
  input: v.strictObject({}),
  output: checkReport,
  fields: {},
  positionals: [],
  examples: [{ command: 'bureau doctor host', shows: 'root, bubblewrap, user namespaces, cgroups, ports, one line each' }],
  handler: (_input, context) => examineHost(context),
  render: renderChecks,
  exitCode: ({ ok }) => (ok ? EXIT_CODES.ok : EXIT_CODES.failed),
});

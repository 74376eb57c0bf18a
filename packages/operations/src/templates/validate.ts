// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { EXIT_CODES } from '../registry/exit-codes.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { ON_CANDIDATE, openCandidate } from './candidate.ts';
import { describeFindings, hasErrors, templateFinding } from './findings.ts';

/** `bureau template validate`. */
export const templateValidate: AnyOperation = defineOperation({
  name: 'template validate',
  summary: 'Check a template with everything that it inherits, before it is pushed',
  description:
    'By the schema, merge rules, locks and sandbox planning that machines use. Every fault is told with its place, what was expected and the name that was probably meant. A warning is what this machine would refuse and another may allow. Nothing is changed.',
  grant: 'template/validate',
  ...ON_CANDIDATE,
  output: v.strictObject({
    source: v.string(),
    name: v.string(),
    room_id: v.string(),
    ok: v.boolean(),
    findings: v.array(templateFinding),
  }),
  examples: [
    { command: 'bureau template validate ./tool.jsonc', shows: 'what is wrong, or that it can be pushed' },
    { command: 'bureau template validate https://example.org/tool.jsonc --as tool --json', shows: 'the same of a URL, as JSON' },
  ],
  async handler(input, context) {
    const { label, name, room, checked } = await openCandidate(input, context);
    return { source: label, name, room_id: room.roomId, ok: !hasErrors(checked.findings), findings: [...checked.findings] };
  },
  render: ({ source, name, ok, findings }) =>
    [...(findings.length > 0 ? [describeFindings(source, findings)] : []), ...(ok ? [`${source} can be template "${name}"`] : [])].join(
      '\n',
    ),
  exitCode: ({ ok }) => (ok ? EXIT_CODES.ok : EXIT_CODES.failed),
});

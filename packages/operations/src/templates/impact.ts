// SPDX-License-Identifier: Apache-2.0
import { ASSIGNMENT, EVENT_TYPES, readEvent } from '@bureau/protocol';
import { buildsOn, effectOf, type TemplateLibrary } from '@bureau/templates';
import * as v from 'valibot';
import { allMachines } from '../machine/find-machine.ts';
import { textTable } from '../matrix/text-table.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { ON_CANDIDATE, openCandidate } from './candidate.ts';
import { describeFindings, templateFinding } from './findings.ts';

const agentEffect = v.strictObject({
  machine: v.string(),
  principal: v.string(),
  template: v.string(),
  effect: v.picklist(['untouched', 'told', 'replaced', 'starts', 'blocked']),
  /** Why it is blocked. */
  message: v.optional(v.string()),
});

/** `bureau template impact`. */
export const templateImpact: AnyOperation = defineOperation({
  name: 'template impact',
  summary: 'Show which agents on which machines a push would change, and how',
  description:
    'Every agent whose template is this one or builds on it: replaced (ends and starts anew), told (another payload while it runs), starts (was blocked), blocked (what runs goes on), or untouched. Stopped agents and runs are left out. Nothing is changed; what is wrong with the template itself is told too.',
  grant: 'template/impact',
  ...ON_CANDIDATE,
  output: v.strictObject({
    source: v.string(),
    name: v.string(),
    room_id: v.string(),
    machines: v.array(v.string()),
    agents: v.array(agentEffect),
    findings: v.array(templateFinding),
  }),
  examples: [{ command: 'bureau template impact ./tool.jsonc', shows: 'each agent that uses it, and what becomes of it' }],
  async handler(input, context) {
    const { session, label, name, room, checked } = await openCandidate(input, context);
    const machines = await allMachines(session, context.signal);
    const agents = machines.flatMap(({ machine, state }) =>
      state
        .filter(({ type }) => type === EVENT_TYPES.assignment)
        .flatMap((event) => effectOn(event.state_key, event.content, { name, before: room.library, after: checked.library }))
        .map((each) => ({ machine, ...each })),
    );
    return {
      source: label,
      name,
      room_id: room.roomId,
      machines: machines.map(({ machine }) => machine),
      agents: agents.toSorted((one, other) => (`${one.machine} ${one.principal}` < `${other.machine} ${other.principal}` ? -1 : 1)),
      findings: [...checked.findings],
    };
  },
  render: ({ source, agents, findings }) =>
    [
      ...(findings.length > 0 ? [describeFindings(source, findings)] : []),
      textTable(
        ['MACHINE', 'AGENT', 'TEMPLATE', 'WHAT BECOMES OF IT'],
        agents.map(({ machine, principal, template, effect, message }) => [
          machine,
          principal,
          template,
          message === undefined ? effect : `${effect}: ${message}`,
        ]),
        'no agent uses it',
      ),
    ].join('\n'),
});

interface Change {
  readonly name: string;
  readonly before: TemplateLibrary;
  readonly after: TemplateLibrary;
}

function effectOn(
  principal: string,
  content: unknown,
  { name, before, after }: Change,
): Omit<v.InferOutput<typeof agentEffect>, 'machine'>[] {
  const read = readEvent(ASSIGNMENT, content);
  if (!read.ok || read.content.principal !== principal || read.content.desired === 'stopped' || read.content.run !== undefined) return [];
  if (!buildsOn(read.content.template, name, [before, after])) return [];
  return [{ principal, template: read.content.template, ...effectOf(read.content, before, after) }];
}

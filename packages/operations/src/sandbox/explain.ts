// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { UsageError, parsePrincipalName, type PrincipalName } from '@bureau/core';
import { readJson } from '@bureau/files';
import { PrincipalNumbers, readSettings, uidsOf } from '@bureau/instance';
import { principalName, sandboxSpec } from '@bureau/protocol';
import { bwrapLine, decideForSpec, explainSandbox, readPlanFile, type DecidedSandbox } from '@bureau/sandbox';
import * as v from 'valibot';
import { requireRoot } from '../daemon-client.ts';
import type { OperationContext } from '../registry/context.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { explanation, renderExplanation, type Explanation } from './explanation.ts';

/** Largest spec file that is read. */
const SPEC_FILE_MAX_BYTES = 4 * 1024 * 1024;
/** The first uid of a machine's first instance: what a spec is explained for where no stand is. */
const EXAMPLE_BASE = 200_000;

/** `bureau sandbox explain`: what a payload sees, what holds it, and how bubblewrap is called. */
export const sandboxExplain: AnyOperation = defineOperation({
  name: 'sandbox explain',
  summary: 'Show what an agent sees, which guard comes from where, and how bubblewrap is called',
  description:
    'For an agent that runs: what its launcher decided when it started. With --spec: what this machine would decide about a sandbox spec (JSON), or the rule that refuses it; nothing is started, and no stand needs to be up. Keys are in neither: they never reach a sandbox.',
  grant: 'sandbox/explain',
  input: v.strictObject({ principal: v.optional(principalName), spec: v.optional(v.pipe(v.string(), v.minLength(1))) }),
  output: explanation,
  fields: {
    principal: { help: 'the agent; with --spec, for whom it would be (default example/agent)' },
    spec: { help: 'a sandbox spec in JSON instead of a running agent', placeholder: 'FILE' },
  },
  positionals: ['principal'],
  examples: [
    { command: 'bureau sandbox explain demo/hello', shows: 'its mounts, environment, limits, guards, and the command line of bubblewrap' },
    { command: 'bureau sandbox explain --spec spec.json --json', shows: 'the same for a spec that was not started, as JSON' },
  ],
  handler: (input, context) => Promise.resolve(explain(input, context)),
  render: renderExplanation,
});

function explain(
  { principal, spec }: { principal?: PrincipalName | undefined; spec?: string | undefined },
  context: OperationContext,
): Explanation {
  if (spec !== undefined) return shown('spec', forSpec(spec, principal ?? parsePrincipalName('example/agent'), context));
  if (principal === undefined) {
    throw new UsageError('nothing_to_explain', 'Expected the name of an agent that runs, or --spec FILE');
  }
  requireRoot(context);
  return shown('live', live(principal, context));
}

function live(principal: PrincipalName, { paths }: OperationContext): DecidedSandbox {
  const number = numberOf(principal, paths.numbersFile);
  const decided = number === undefined ? undefined : readPlanFile(paths.principal(number).directory);
  if (decided !== undefined) return decided;
  if (number !== undefined && existsSync(paths.principal(number).relaySocket)) {
    throw new UsageError(
      'not_explained',
      `"${principal}" was started by an older build, which left no word on it that this one can tell: bureau agent restart ${principal}`,
    );
  }
  throw new UsageError('not_running', `Nothing of "${principal}" runs here; see bureau agent list, or give a spec with --spec FILE`);
}

function forSpec(file: string, principal: PrincipalName, { paths, buildDirectory, uid }: OperationContext): DecidedSandbox {
  const spec = readJson(file, sandboxSpec, SPEC_FILE_MAX_BYTES);
  const settings = existsSync(paths.settingsFile) ? readSettings(paths) : undefined;
  const number = (uid === 0 ? numberOf(principal, paths.numbersFile) : undefined) ?? 0;
  return decideForSpec({
    spec,
    principal,
    number,
    uid: uidsOf(settings?.uidBase ?? EXAMPLE_BASE).payload(number),
    paths,
    buildDirectory,
    variables: settings === undefined ? {} : { MACHINE_NAME: settings.machine, SERVER_NAME: settings.serverName },
  });
}

function numberOf(principal: PrincipalName, file: string): number | undefined {
  return existsSync(file) ? new PrincipalNumbers(file).find(principal) : undefined;
}

function shown(of: Explanation['of'], decided: DecidedSandbox): Explanation {
  const { command, ...found } = explainSandbox(decided);
  const { commandLine, terminal, uid } = found;
  const line = bwrapLine({ command: commandLine, terminal, overlays: decided.overlays, uid });
  return v.parse(explanation, { of, ...found, command, commandLine: line });
}

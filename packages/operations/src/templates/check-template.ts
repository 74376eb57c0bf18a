// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { BureauError, parsePrincipalName } from '@bureau/core';
import { readSettings, uidsOf } from '@bureau/instance';
import type { SandboxSpec } from '@bureau/protocol';
import { decideForSpec } from '@bureau/sandbox';
import { describeFault, resolveTemplates, specOf, type ResolvedTemplate, type SpecFault, type TemplateLibrary } from '@bureau/templates';
import type { JsoncDocument, Place } from '../jsonc.ts';
import type { OperationContext } from '../registry/context.ts';
import type { TemplateFinding } from './findings.ts';
import { TEMPLATE_MAX_BYTES } from './limits.ts';
import { readTemplate, type WrittenTemplate } from './read-template.ts';
import type { Source } from './source.ts';
import type { TemplateRoom } from './template-reference.ts';

/** For whom a template is planned that nobody has been assigned to. */
const EXAMPLE = { principal: parsePrincipalName('example/agent'), number: 0, uidBase: 200_000 };
const EXAMPLE_VARIABLES = { MACHINE_NAME: 'machine/example', SERVER_NAME: 'example.org' };
/** Rules of a machine's own policy: what one machine refuses by them another may allow. */
const RULES_OF_A_MACHINE: readonly unknown[] = [
  'device_not_listed',
  'mount_source_not_listed',
  'mount_source_read_only',
  'profile_not_allowed',
  'resource_limit',
  'resource_unenforceable',
  'root_not_listed',
  'scratch_size',
  'secret_files',
  'tmpfs_size',
  'uid_range',
];

/** What is known of a template that is not published yet. */
export interface CheckedTemplate {
  readonly findings: readonly TemplateFinding[];
  /** Absent when it cannot be read. */
  readonly template?: WrittenTemplate;
  /** With everything that it inherits; absent when it cannot be. */
  readonly resolved?: ResolvedTemplate;
  /** The room's templates with this one among them. */
  readonly library: TemplateLibrary;
}

/** Checks a template as `name` of a room: all that machines check before they start something, and what would become of its children. */
export function checkTemplate(source: Source, name: string, room: TemplateRoom, context: OperationContext): CheckedTemplate {
  const { read } = source;
  if (!read.ok) return { findings: read.faults.map((fault) => ({ level: 'error', path: '', ...fault })), library: room.library };
  const { document } = read;
  const { template, findings } = readTemplate(document);
  if (template === undefined) return { findings, library: room.library };
  const contents = new Map([...room.events].map(([each, { content }]) => [each, content] as const)).set(name, template.content);
  const library = resolveTemplates(contents);
  const resolution = library.get(name);
  const placed = (fault: SpecFault): TemplateFinding => findingOf(fault, document);
  if (resolution?.ok !== true) return { findings: [...tooLarge(template), ...(resolution?.faults ?? []).map(placed)], template, library };
  const spec = specOf({ command: resolution.template.fields.command === undefined ? ['true'] : [], environment: {} }, resolution.template);
  const planned = spec.ok ? planFindings(spec.spec, document, context) : spec.faults.map(placed);
  return {
    findings: [...tooLarge(template), ...planned, ...brokenChildren(name, room.library, library)],
    template,
    resolved: resolution.template,
    library,
  };
}

function findingOf({ path, message, expected, found, nearest, lockedBy }: SpecFault, document: JsoncDocument): TemplateFinding {
  return {
    level: 'error',
    path,
    message,
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    ...(nearest === undefined ? {} : { nearest }),
    ...(lockedBy === undefined ? {} : { locked_by: lockedBy }),
    ...placeOfPath(path, document),
  };
}

/** Where `mounts[/data]`, `inherits[0]` or `environment.A.B` stands: the nearest thing that the source has. */
function placeOfPath(path: string, { value, placeOf }: JsoncDocument): Place {
  const [, field = '', index, rest] = /^([^.[]*)(?:\[(.*)\])?(?:\.(.*))?$/s.exec(path) ?? [];
  if (index === undefined) return placeOf(rest === undefined ? [field] : [field, rest]);
  if (/^\d+$/.test(index)) return placeOf([field, Number(index), ...(rest === undefined ? [] : [rest])]);
  const list: unknown = (value as Readonly<Record<string, unknown>>)[field];
  const at = Array.isArray(list)
    ? list.findIndex(
        (each: unknown) => each === index || (typeof each === 'object' && each !== null && Object.values(each).includes(index)),
      )
    : -1;
  return placeOf(at < 0 ? [field] : [field, at]);
}

function tooLarge({ content }: WrittenTemplate): TemplateFinding[] {
  const bytes = Buffer.byteLength(JSON.stringify(content));
  if (bytes <= TEMPLATE_MAX_BYTES) return [];
  return [{ level: 'error', path: '', message: `expected at most ${TEMPLATE_MAX_BYTES} bytes without comments, found ${bytes}` }];
}

/** What the launcher of this machine would say, without a launcher. */
function planFindings(spec: SandboxSpec, document: JsoncDocument, { paths, buildDirectory }: OperationContext): TemplateFinding[] {
  const settings = existsSync(paths.settingsFile) ? readSettings(paths) : undefined;
  const variables = settings === undefined ? EXAMPLE_VARIABLES : { MACHINE_NAME: settings.machine, SERVER_NAME: settings.serverName };
  const { principal, number } = EXAMPLE;
  const uid = uidsOf(settings?.uidBase ?? EXAMPLE.uidBase).payload(number);
  try {
    decideForSpec({ spec, principal, number, uid, paths, buildDirectory, variables });
    return [];
  } catch (error) {
    if (!(error instanceof BureauError)) throw error;
    const { rule, field } = error.data;
    const path = typeof field === 'string' ? field : '';
    const place = placeOfPath(path, document);
    if (error.code === 'spec_refused' && !RULES_OF_A_MACHINE.includes(rule))
      return [{ level: 'error', path, message: error.message, ...place }];
    return [{ level: 'warning', path, message: `this machine would not start it: ${error.message}`, ...place }];
  }
}

function brokenChildren(name: string, before: TemplateLibrary, after: TemplateLibrary): TemplateFinding[] {
  return [...after].flatMap(([child, now]) => {
    if (child === name || now.ok || before.get(child)?.ok !== true) return [];
    return [{ level: 'error' as const, path: '', message: `it would break another: ${describeFault(now.faults[0])}` }];
  });
}

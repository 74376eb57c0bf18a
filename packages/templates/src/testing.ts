// SPDX-License-Identifier: Apache-2.0
import { templateContent } from '@bureau/protocol';
import fc from 'fast-check';
import * as v from 'valibot';
import type { Layer } from './fields.ts';
import { layerOf } from './library.ts';

/** Few names, so that layers meet. */
const word = fc.constantFrom('a', 'b', 'c', 'PATH', '__proto__', 'constructor');
const variable = fc.constantFrom('A', 'B', 'PATH', 'constructor');
const size = fc.constantFrom(8_192, 65_536, 2 ** 20);
const path = fc.constantFrom('/a', '/b', '/b/c');

const mount = fc.oneof(
  fc.record({ type: fc.constant('bind'), source: path, destination: path, mode: fc.constantFrom('ro', 'rw'), optional: fc.boolean() }),
  fc.record({ type: fc.constant('tmpfs'), destination: path, size }),
  fc.record({ type: fc.constant('device'), source: fc.constantFrom('/dev/a', '/dev/b') }),
);
const place = (each: { readonly source?: string; readonly destination?: string }): string => each.destination ?? each.source ?? '';
const resource = fc.integer({ min: 32, max: 2_000 });

/** Contents of templates by what they say of sandboxes, each field there or not; what the schema takes. */
export const someFields = fc.record(
  {
    command: fc.array(fc.constantFrom('x', '-y', ''), { minLength: 1, maxLength: 3 }),
    environment: fc.dictionary(variable, fc.constantFrom('1', '2', null), { noNullPrototype: true }),
    prependVariables: fc.dictionary(
      variable,
      fc.uniqueArray(fc.constantFrom('/x', '/y', '/z'), { minLength: 1 }).map((parts) => parts.join(':')),
      { noNullPrototype: true },
    ),
    mounts: fc.uniqueArray(mount, { selector: place, maxLength: 4 }),
    createDirectories: fc.uniqueArray(path),
    directory: path,
    scratchSize: size,
    scratch: fc.constantFrom('memory', 'disk'),
    root: fc.constantFrom({ type: 'host' }, { type: 'directory', path: '/srv/root' }),
    gpu: fc.boolean(),
    namespaces: fc.constantFrom({}, { pid: true }, { net: true }),
    isolation: fc.constant('standard'),
    roles: fc.dictionary(fc.constantFrom('a', 'shell'), fc.constantFrom(['a'], ['b', 'c']), { noNullPrototype: true }),
    requiredServices: fc.uniqueArray(fc.constantFrom('ticket', 'artifact')),
    profile: fc.constantFrom('strict', 'default', 'debug'),
    resources: fc.record({ memory: fc.constantFrom(2 ** 24, 2 ** 30), pids: resource, openFiles: resource }, { requiredKeys: [] }),
    secretFiles: fc.uniqueArray(fc.constantFrom('ONE', 'TWO')),
    healthCheck: fc.constantFrom({ type: 'socket', endpoint: '/tmp/a' }, { type: 'http', endpoint: '/tmp/a', path: '/b' }),
    payload: fc.dictionary(word, fc.jsonValue({ maxDepth: 1 }), { noNullPrototype: true }),
  },
  { requiredKeys: [] },
);

/** The same as a layer, as the schema reads it. */
export const someLayer: fc.Arbitrary<Layer> = someFields.map((fields) =>
  layerOf(v.parse(templateContent, { v: 2, description: 'some', ...fields })),
);

// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { describeRoutes } from '../openapi.ts';
import { defineRoute, type Route } from '../router.ts';

/** The description of `routes` and of itself, made when it is asked for first. */
export function openapi(routes: readonly Route[]): Route {
  let made: object | undefined;
  const route: Route = defineRoute({
    method: 'GET',
    path: '/v1/openapi.json',
    service: 'proxy',
    summary: 'Describes this API (OpenAPI 3.1)',
    unconfigured: true,
    output: v.looseObject({}),
    handle: async (_call, { build }) => ({ status: 200, body: (made ??= await describe([...routes, route], build)) }),
  });
  return route;
}

async function describe(routes: readonly Route[], build: string): Promise<object> {
  // Loaded when it is needed: a proxy is started per agent, and most agents never ask.
  const { toJsonSchema } = await import('@valibot/to-json-schema');
  return describeRoutes(routes, build, (schema, side) => {
    const { $schema: _dialect, ...plain } = toJsonSchema(schema as v.GenericSchema, { typeMode: side, errorMode: 'ignore' });
    return plain;
  });
}

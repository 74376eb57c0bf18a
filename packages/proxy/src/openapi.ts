// SPDX-License-Identifier: Apache-2.0
import type { GenericSchema } from 'valibot';
import type { Route } from './router.ts';

/** The JSON Schema of one schema: what it takes (`input`), or what it gives (`output`). */
export type ToSchema = (schema: GenericSchema, side: 'input' | 'output') => unknown;

const PROBLEM = { $ref: '#/components/responses/Problem' };

/** The OpenAPI 3.1 description of the agent's API, made from the table that serves it. Pure. https://spec.openapis.org/oas/v3.1.1.html */
export function describeRoutes(routes: readonly Route[], build: string, toSchema: ToSchema): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(route, toSchema);
  return {
    openapi: '3.1.1',
    info: {
      title: 'Bureau agent API',
      version: build,
      description:
        'What an agent may ask its proxy for, on the Unix socket /proxy.sock. Any Host is right. Denials are 403 with a reason; 401 is never given.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://bureau' }],
    paths,
    components: {
      responses: {
        Problem: {
          description: 'What was refused, why, and what to do (RFC 9457); `code` is stable',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
      schemas: {
        Problem: {
          type: 'object',
          required: ['type', 'title', 'status', 'code', 'detail', 'trace_id'],
          properties: {
            type: { type: 'string' },
            title: { type: 'string' },
            status: { type: 'integer' },
            code: { type: 'string' },
            detail: { type: 'string' },
            trace_id: { type: 'string' },
          },
        },
      },
    },
  };
}

function operation(route: Route, toSchema: ToSchema): object {
  const names = [...route.path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
  const inPath = names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
  return {
    operationId: operationId(route),
    summary: route.summary,
    tags: [route.service],
    ...(route.grant === undefined ? {} : { 'x-bureau-grant': route.grant }),
    parameters: [...inPath, ...queryParameters(route, toSchema)],
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: toSchema(route.body, 'input') } } } }),
    responses: { '200': { description: route.summary, ...success(route, toSchema) }, default: PROBLEM },
  };
}

/** `GET /v1/matrix/rooms/{room}/state/{type}` → `get_matrix_rooms_room_state_type`. */
function operationId({ method, path }: Route): string {
  const words = path.replace(/^\/v1\//, '').replace(/[^A-Za-z0-9]+/g, '_');
  return `${method.toLowerCase()}_${words}`.replace(/_+/g, '_').replace(/_$/, path.endsWith('/') ? '_empty' : '');
}

function queryParameters({ query }: Route, toSchema: ToSchema): object[] {
  if (query === undefined) return [];
  const schema = toSchema(query, 'input') as { properties?: Record<string, unknown>; required?: string[] };
  return Object.entries(schema.properties ?? {}).map(([name, one]) => ({
    name,
    in: 'query',
    required: schema.required?.includes(name) ?? false,
    schema: one,
  }));
}

function success(route: Route, toSchema: ToSchema): object {
  if (route.output === undefined) return { content: { 'text/event-stream': { schema: { type: 'string' } } } };
  return { content: { 'application/json': { schema: toSchema(route.output, 'output') } } };
}

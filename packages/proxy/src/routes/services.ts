// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { placeholderFor } from '../injection/placeholder.ts';
import { defineRoute } from '../router.ts';
import { notConfigured } from '../store.ts';

const service = v.object({
  name: v.string(),
  /** Where its calls go below this API. */
  path: v.string(),
  methods: v.nullable(v.array(v.string())),
  paths: v.nullable(v.array(v.string())),
  websocket: v.boolean(),
  /** What a client that insists on a token is given: worthless, and known for what it is wherever else it turns up. */
  placeholder: v.nullable(v.string()),
});

/** What this principal may reach, as its bundle says: never a key, never a URL, which may hold one. */
export const services = defineRoute({
  method: 'GET',
  path: '/v1/services',
  service: 'proxy',
  summary: 'Lists what this principal may reach',
  output: v.object({ services: v.array(service) }),
  handle: (_call, { store }) => {
    const { header } = store;
    if (header === undefined) throw notConfigured();
    const list = Object.entries(header.upstreams).map(([name, { methods, paths, websocket, placeholder }]) => ({
      name,
      path: name === 'matrix' ? '/v1/matrix/' : `/v1/http/${name}/`,
      methods: methods ?? null,
      paths: paths ?? null,
      websocket: websocket ?? false,
      placeholder: placeholder === undefined ? null : placeholderFor(header.principal, name, placeholder),
    }));
    return { status: 200, body: { services: list } };
  },
});

// SPDX-License-Identifier: Apache-2.0
import { principalName } from '@bureau/protocol';
import * as v from 'valibot';
import { requireRoot } from '../daemon-client.ts';
import { printable } from '../matrix/printable.ts';
import { connectProxy, numberOf } from '../proxy/proxy-admin.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';

/** `bureau auth explain`. */
export const authExplain: AnyOperation = defineOperation({
  name: 'auth explain',
  summary: 'Say whether a running agent may do something, by which rule, and what would allow it',
  description:
    'Asks the agent’s own proxy, which judges by the very rules and code that it judges the agent’s requests by; nothing is sent, but names and aliases are looked up. Exit code 1 says that the agent may not.',
  grant: 'auth/explain',
  input: v.strictObject({
    principal: principalName,
    subject: v.pipe(
      v.string(),
      v.regex(/^[A-Za-z][A-Za-z0-9/._-]{0,99}$/, 'expected an action such as matrix/join, or a method such as GET or CONNECT'),
    ),
    target: v.optional(
      v.pipe(v.string(), v.maxLength(8_000), v.regex(/^[\x21-\x7e]+$/, 'expected a room, a user, a path, a URL or host:port')),
    ),
  }),
  output: v.strictObject({
    principal: principalName,
    allowed: v.boolean(),
    code: v.nullable(v.string()),
    rule: v.nullable(v.string()),
    reason: v.string(),
  }),
  fields: {
    principal: { help: 'the name of the agent' },
    subject: { help: 'an action (matrix/join) or a method (GET, CONNECT)', placeholder: 'ACTION|METHOD' },
    target: { help: 'a room or user; a path of its proxy, http://…, or host:port' },
  },
  positionals: ['principal', 'subject', 'target'],
  examples: [
    { command: "bureau auth explain demo/hello matrix/join '#ops:example.org'", shows: 'whether it may join that room' },
    { command: 'bureau auth explain demo/hello GET /v1/http/github/user', shows: 'whether its bundle lets that call through' },
    { command: 'bureau auth explain demo/hello CONNECT pypi.org:443', shows: 'whether pip may go there' },
  ],
  async handler({ principal, subject, target }, context) {
    requireRoot(context);
    using proxy = await connectProxy(principal, numberOf(principal, context), context);
    return { principal, ...(await proxy.call('explain', { subject, ...(target === undefined ? {} : { target }) })) };
  },
  render: ({ allowed, code, rule, reason }) =>
    printable(`${allowed ? 'allowed' : `refused (${code ?? 'no code'})`}: ${reason}${rule === null ? '' : ` [rule ${rule}]`}`),
  exitCode: ({ allowed }) => (allowed ? 0 : 1),
});

// SPDX-License-Identifier: Apache-2.0
import { hasCode, type PrincipalName } from '@bureau/core';
import { PrincipalNumbers } from '@bureau/instance';
import { principalName } from '@bureau/protocol';
import * as v from 'valibot';
import { requireRoot } from '../daemon-client.ts';
import type { OperationContext } from '../registry/context.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { mergeMetrics, type ProxyMetrics } from './merge-metrics.ts';
import { connectProxy, numberOf } from './proxy-admin.ts';

/** `bureau proxy metrics`. */
export const proxyMetrics: AnyOperation = defineOperation({
  name: 'proxy metrics',
  summary: 'Print the metrics of one running proxy, or of all on this machine, for Prometheus',
  description:
    'The text format of Prometheus; give it to the textfile collector of its node exporter. Without a principal each sample has the label "principal".',
  grant: 'proxy/metrics',
  input: v.strictObject({ principal: v.optional(principalName) }),
  output: v.strictObject({ text: v.string() }),
  fields: { principal: { help: 'the name of the agent; all running ones when left out' } },
  positionals: ['principal'],
  examples: [
    { command: 'bureau proxy metrics > /var/lib/node_exporter/bureau.prom', shows: 'every proxy of the machine' },
    { command: 'bureau proxy metrics demo/hello', shows: 'one of them' },
  ],
  async handler({ principal }, context) {
    requireRoot(context);
    if (principal !== undefined) return { text: await metricsOf(principal, numberOf(principal, context), context) };
    const found: ProxyMetrics[] = [];
    for (const { principal: each, number } of new PrincipalNumbers(context.paths.numbersFile).all()) {
      try {
        found.push({ principal: each, text: await metricsOf(each, number, context) });
      } catch (error) {
        // A principal whose agent does not run has no proxy.
        if (!hasCode(error, 'not_running')) throw error;
      }
    }
    return { text: mergeMetrics(found) };
  },
  render: ({ text }) => text.replace(/\n$/, ''),
});

async function metricsOf(principal: PrincipalName, number: number, context: OperationContext): Promise<string> {
  using proxy = await connectProxy(principal, number, context);
  return (await proxy.call('metrics', {})).text;
}

// SPDX-License-Identifier: Apache-2.0

/** One proxy's metrics in the Prometheus text format. */
export interface ProxyMetrics {
  readonly principal: string;
  readonly text: string;
}

/** The metrics of all proxies as one text: each sample with the label `principal`, each metric once, its samples together. Pure. */
export function mergeMetrics(all: readonly ProxyMetrics[]): string {
  const metrics = new Map<string, { head: string[]; samples: string[] }>();
  for (const { principal, text } of all) {
    let current = '';
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const [, kind, named] = /^# (HELP|TYPE) ([a-z_]+) /.exec(line) ?? [];
      if (named !== undefined) current = named;
      const metric = metrics.get(current) ?? { head: [], samples: [] };
      metrics.set(current, metric);
      if (kind === undefined) metric.samples.push(labelled(line, principal));
      else if (metric.head.length < 2) metric.head.push(line);
    }
  }
  return `${[...metrics.values()].flatMap(({ head, samples }) => [...head, ...samples]).join('\n')}\n`;
}

/** A principal's name has no character that a label's value would have to escape. */
function labelled(sample: string, principal: string): string {
  const [, name = '', labels = '', value = ''] = /^([a-z_]+)(?:\{(.*)\})? ([^ ]+)$/.exec(sample) ?? [];
  return `${name}{principal="${principal}"${labels === '' ? '' : `,${labels}`}} ${value}`;
}

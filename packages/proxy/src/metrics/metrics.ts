// SPDX-License-Identifier: Apache-2.0
import { METHODS } from 'node:http';
import type { AccessLog, AccessRecord } from '../access-log.ts';
import { Histogram } from './histogram.ts';
import { Series } from './series.ts';

/** What is measured at the moment of asking. */
export interface Gauges {
  readonly connections: number;
  readonly running: number;
  readonly tunnels: number;
  readonly refusedConnections: number;
  readonly limited: number;
  readonly lostLines: number;
  /** Events that answers became. */
  readonly eventsSent: number;
  readonly eventsFailed: number;
  readonly eventsDropped: number;
}

/** Totals since the start. */
export interface Totals {
  readonly requests: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS);

/** Counts what goes into the access log, and goes on to it: what is counted and what is recorded cannot differ. */
export class Metrics implements AccessLog {
  readonly #log: AccessLog;
  readonly #requests: Series;
  readonly #refusals: Series;
  readonly #bytes: Series;
  readonly #seconds: Histogram;
  readonly #totals = { requests: 0, bytesIn: 0, bytesOut: 0 };

  constructor(log: AccessLog, seriesMost: number) {
    this.#log = log;
    this.#requests = new Series(seriesMost);
    this.#refusals = new Series(seriesMost);
    this.#bytes = new Series(seriesMost);
    this.#seconds = new Histogram(seriesMost);
  }

  get totals(): Totals {
    return { ...this.#totals };
  }

  write(principal: string | undefined, record: AccessRecord): void {
    const { service } = record;
    const method = KNOWN_METHODS.has(record.method) ? record.method : 'other';
    const bytesIn = record.bytesIn ?? 0;
    this.#requests.add(`${service} ${method} ${record.status}`, 1, () => ({ service, method, status: String(record.status) }));
    const { code } = record;
    if (code !== undefined) this.#refusals.add(`${service} ${code}`, 1, () => ({ service, code }));
    this.#bytes.add(`${service} in`, bytesIn, () => ({ service, direction: 'in' }));
    this.#bytes.add(`${service} out`, record.bytes, () => ({ service, direction: 'out' }));
    this.#seconds.observe(service, record.milliseconds / 1_000);
    this.#totals.requests += 1;
    this.#totals.bytesIn += bytesIn;
    this.#totals.bytesOut += record.bytes;
    this.#log.write(principal, record);
  }

  close(): void {
    this.#log.close();
  }

  /** All metrics in the Prometheus text format (0.0.4). */
  text(gauges: Gauges): string {
    const memory = process.memoryUsage.rss();
    const { user, system } = process.cpuUsage();
    return [
      ...head('bureau_proxy_requests_total', 'counter', 'Requests that have ended, by service, method and status.'),
      ...this.#requests.lines('bureau_proxy_requests_total'),
      ...head('bureau_proxy_problems_total', 'counter', 'Requests that were refused or failed, by the code that was told.'),
      ...this.#refusals.lines('bureau_proxy_problems_total'),
      ...head('bureau_proxy_bytes_total', 'counter', 'Bytes of bodies and tunnels, from the agent (in) and to it (out).'),
      ...this.#bytes.lines('bureau_proxy_bytes_total'),
      ...head('bureau_proxy_request_seconds', 'histogram', 'From the head of a request to the end of its answer; tunnels to their end.'),
      ...this.#seconds.lines('bureau_proxy_request_seconds'),
      ...single('bureau_proxy_connections', 'gauge', 'Connections of the agent, tunnels included.', gauges.connections),
      ...single('bureau_proxy_requests_running', 'gauge', 'Requests under way, tunnels not counted.', gauges.running),
      ...single('bureau_proxy_tunnels', 'gauge', 'Tunnels that are open.', gauges.tunnels),
      ...single('bureau_proxy_refused_connections_total', 'counter', 'Connections of the wrong uid.', gauges.refusedConnections),
      ...single('bureau_proxy_limited_total', 'counter', 'Requests that were told to come back (429).', gauges.limited),
      ...single('bureau_proxy_access_lines_lost_total', 'counter', 'Lines of the access log that could not be written.', gauges.lostLines),
      ...head('bureau_proxy_response_events_total', 'counter', 'Events of response interceptors; dropped: too many waited.'),
      `bureau_proxy_response_events_total{result="sent"} ${gauges.eventsSent}`,
      `bureau_proxy_response_events_total{result="failed"} ${gauges.eventsFailed}`,
      `bureau_proxy_response_events_total{result="dropped"} ${gauges.eventsDropped}`,
      ...single('process_resident_memory_bytes', 'gauge', 'Memory of this proxy.', memory),
      ...single('process_cpu_seconds_total', 'counter', 'Processor time of this proxy.', (user + system) / 1e6),
      '',
    ].join('\n');
  }
}

function head(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function single(name: string, type: 'counter' | 'gauge', help: string, value: number): string[] {
  return [...head(name, type, help), `${name} ${value}`];
}

// SPDX-License-Identifier: Apache-2.0

/** A socket that the service manager binds before the service starts, and passes on as descriptor 3, 4, … in this order. */
export interface ListenerDefinition {
  readonly path: string;
}

/**
 * How the service manager learns that a service answers: a line on a pipe behind the listeners, or a port on loopback that accepts. By
 * order: it is one of the processes that wait, and is given these numbers with its log and its listeners; who connects waits until it accepts.
 */
export type Readiness =
  | { readonly by: 'pipe' }
  | { readonly by: 'port'; readonly port: number }
  | { readonly by: 'order'; readonly numbers: readonly number[] };

/** One process that the service manager keeps: what to run, as whom, with which sockets. */
export interface ServiceDefinition {
  readonly name: string;
  /** Who it runs as; the command itself drops to this uid. For the report. */
  readonly uid: number;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly listeners: readonly ListenerDefinition[];
  readonly ready: Readiness;
  /** A text in `/proc/PID/cmdline` of a running one that proves it to be what this definition would start. */
  readonly mark: string;
  /** Stays when a service manager hands over to the next. */
  readonly outlivesHandOver: boolean;
  /** Started again when it ends by itself. A proxy is not: its launcher asks for it, since only the launcher can give it its keys. */
  readonly restarts: boolean;
}

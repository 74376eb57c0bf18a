// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import { pino, type LogFn, type Logger as PinoLogger } from 'pino';
import { appendTo } from './append-destination.ts';
import { LOG_TEXT_MAX } from './limits.ts';
import { redactFields } from './redact-fields.ts';
import { escapeControls, redactText } from './redact-text.ts';

/** Writes one record; the first argument may be an error, or fields with an error under `err`. */
export interface LogMethod {
  (message: string): void;
  (fields: object, message?: string): void;
}

/** Structured logging; at run time pino. */
export interface Logger {
  level: string;
  readonly trace: LogMethod;
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  readonly fatal: LogMethod;
  /** A logger whose records carry these fields too; `traceId` is written as `trace_id`. */
  child(fields: object, options?: { readonly level?: string }): Logger;
  isLevelEnabled(level: string): boolean;
}

export interface LoggerOptions {
  /** The process: `launcher`, `proxy`. */
  readonly name: string;
  /** An open descriptor, appended to synchronously; 2 when absent. Stays the caller's. */
  readonly destination?: number;
  /** `trace`, `debug`, `info` (when absent), `warn`, `error`, `fatal`, `silent`. */
  readonly level?: string;
  /** Where times come from; the machine's clock when absent. */
  readonly clock?: Clock;
}

/**
 * A logger that writes one JSON object a line: `level`, `time` (ISO 8601), `name`, `pid`, `trace_id`, …, `msg`. Secrets are masked by
 * key and by shape in fields, bound fields, messages and errors. A record is in the file when the call returns.
 */
export function createLogger(options: LoggerOptions): Logger {
  const now = options.clock === undefined ? Date.now : options.clock.now.bind(options.clock);
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: { pid: process.pid },
      name: options.name,
      timestamp: () => `,"time":"${new Date(now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        logMethod(parameters, method) {
          method.apply(this, clean(this, parameters) as Parameters<LogFn>);
        },
        streamWrite: (line) => escapeControls(redactText(line)),
      },
      // Errors are made plain by us; pino's serialiser would take every enumerable field.
      serializers: { err: (value: unknown) => value },
    },
    appendTo(options.destination ?? 2),
  );
  return maskBoundFields(logger);
}

/** pino formats the fields of `child` with nothing of ours, so they are masked on the way in. Children inherit this. */
function maskBoundFields(logger: PinoLogger): PinoLogger {
  const child = logger.child;
  const setBindings = logger.setBindings;
  return Object.assign(logger, {
    child(this: PinoLogger, fields: object, options?: { readonly level?: string }): PinoLogger {
      return child.call(this, redactFields(fields, hasStacks(this)), { ...options }) as unknown as PinoLogger;
    },
    setBindings(this: PinoLogger, fields: object): void {
      setBindings.call(this, redactFields(fields, hasStacks(this)));
    },
  });
}

/** Stacks of our own errors help a developer and only lengthen everyone else's log. */
function hasStacks(logger: PinoLogger): boolean {
  return logger.isLevelEnabled('debug');
}

function clean(logger: PinoLogger, parameters: readonly unknown[]): unknown[] {
  return parameters.map((value) => {
    if (typeof value === 'string') return value.length > LOG_TEXT_MAX ? `${value.slice(0, LOG_TEXT_MAX)}…` : value;
    return typeof value === 'object' && value !== null ? redactFields(value, hasStacks(logger)) : value;
  });
}

// SPDX-License-Identifier: Apache-2.0
import { inspect } from 'node:util';
import type { Logger } from '@bureau/log';
import type { Logger as SdkLogger } from 'matrix-js-sdk/lib/logger.js';

/** Longest text of one line of the SDK. */
const LINE_MAX = 500;

/**
 * Leads what matrix-js-sdk says into our log at debug level, shortened and without anything that looks like a token: it once
 * printed an error together with the request's headers.
 */
export function sdkLogger(logger: Logger, scope = 'matrix-js-sdk'): SdkLogger {
  function line(...parts: unknown[]): void {
    const words = parts.map((part) =>
      typeof part === 'string'
        ? part
        : part instanceof Error
          ? part.message
          : inspect(part, { depth: 1, breakLength: Number.POSITIVE_INFINITY }),
    );
    logger.debug({ scope }, maskTokens(words.join(' ')).slice(0, LINE_MAX));
  }
  return {
    trace: line,
    debug: line,
    info: line,
    warn: line,
    error: line,
    getChild: (name: string) => sdkLogger(logger, `${scope} ${name}`),
  };
}

/** Replaces access tokens by `[token]`: those of Synapse, and whatever follows `Bearer` or `access_token=`. */
export function maskTokens(text: string): string {
  return text.replaceAll(/syt_[A-Za-z0-9_=-]+|(?<=Bearer )[^\s'",}]+|(?<=access_token=)[^\s&'"]+/g, '[token]');
}

// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import type { Handlers } from '@bureau/ipc';
import type { ExitReport, HealthFinding, HealthProbe, relayContract } from '@bureau/protocol';
import { HEALTH_PROBES_MAX } from './limits.ts';
import type { OutputHub } from './output-hub.ts';
import type { PayloadInput } from './payload-input.ts';
import type { PayloadStdio } from './payload-stdio.ts';

/** The parts of a relay that its callers reach. */
export interface RelayParts {
  readonly hub: OutputHub;
  readonly stdio: PayloadStdio;
  readonly input: PayloadInput;
  readonly status: () => { state: 'waiting' | 'running' | 'exited'; pid: number | null; startedAt: number; exit?: ExitReport };
  /** Resolves when the last byte of output was published. Never rejects. */
  readonly ended: Promise<ExitReport>;
  readonly signal: (name: NodeJS.Signals) => void;
  /** Asks the payload how it is; never rejects but for a payload that does not run. */
  readonly probe: (probe: HealthProbe, signal: AbortSignal) => Promise<HealthFinding>;
  readonly stop: (graceMilliseconds: number) => Promise<ExitReport>;
}

/** `relayContract`, answered. */
export function relayHandlers(parts: RelayParts): Handlers<typeof relayContract> {
  const { hub, stdio, input } = parts;
  const resize = (size: { columns: number; rows: number }): void => {
    stdio.resize(size);
    if (stdio.terminal) hub.resized(size);
  };
  let probes = 0;
  return {
    status: () => ({ ...parts.status(), terminal: stdio.terminal, observers: hub.observers }),
    attach: async function* ({ mode, replay, columns, rows }, context) {
      using observer = hub.attach({ mode, replay });
      if (mode === 'control' && columns !== undefined && rows !== undefined) resize({ columns, rows });
      for (;;) {
        const chunk = await observer.next(context.signal);
        if (chunk === null) break;
        yield chunk;
      }
      if (observer.closed)
        throw new BureauError('observer_too_slow', 'The payload has ended and its last output was not taken in time; its log has the rest');
      return parts.ended;
    },
    input: async ({ data, end }, context) => {
      if (parts.status().state === 'exited') throw new BureauError('input_closed', 'The payload has ended');
      await input.write(data, end, context.signal);
      return {};
    },
    resize: (size) => {
      resize(size);
      return {};
    },
    signal: ({ signal }) => {
      parts.signal(signal);
      return {};
    },
    probe: async (probe, context) => {
      if (probes >= HEALTH_PROBES_MAX)
        throw new BureauError('too_busy', `Already ${probes} health probes are under way; ask again when one has ended`);
      probes += 1;
      try {
        return await parts.probe(probe, context.signal);
      } finally {
        probes -= 1;
      }
    },
    stop: ({ graceMilliseconds }) => parts.stop(graceMilliseconds),
  };
}

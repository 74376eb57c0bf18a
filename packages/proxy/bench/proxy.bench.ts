// SPDX-License-Identifier: Apache-2.0
import type { Contest, Measure } from '../../../build/bench/measure.ts';
import { Arena, memoryOf, type OurProxy } from './contestants.ts';

/** Where our proxy serves the upstream; the others serve it at the root. */
const OURS = '/v1/http/api';

interface Stand {
  readonly round: (round: object) => Promise<number>;
  readonly proxy: { readonly socket: string; readonly pid: number };
  readonly nginx: string;
  readonly direct: number;
  readonly arena: Arena;
}

async function inArena<Result>(body: (arena: Arena) => Promise<Result>): Promise<Result> {
  const arena = new Arena();
  try {
    return await body(arena);
  } catch (error) {
    await arena.close();
    throw error;
  }
}

function stand(make: (stand: Stand) => Omit<Contest, 'close'>): Promise<Contest> {
  return inArena(async (arena) => {
    const direct = await arena.upstream();
    const parts = { direct, arena, round: await arena.load(), proxy: await arena.proxy(direct), nginx: await arena.nginx(direct) };
    return { ...make(parts), close: () => arena.close() };
  });
}

type Against = 'nginx' | 'direct';

/** Answers before throughput is measured: a proxy lives for days, and V8 has compiled what runs often after some ten thousand. */
const WARM_ANSWERS = 20_000;
const ROUND_SECONDS = 2;

async function warmed(contest: Omit<Contest, 'close'>): Promise<void> {
  for (let answers = 0; answers < WARM_ANSWERS;) answers += ROUND_SECONDS * (await contest.ours());
}

/** Small requests on 16 connections, ours beside another proxy. */
function throughput(whom: 'nginx' | 'mitmproxy', times: number): Measure {
  return {
    name: `proxy small GET, 16 connections, beside ${whom} (requests/s)`,
    target: `≥ ${times}x ${whom}`,
    rounds: 7,
    prepare: () =>
      inArena(async (arena) => {
        const port = await arena.upstream();
        const round = await arena.load();
        const { socket } = await arena.proxy(port);
        const other = await (whom === 'nginx' ? arena.nginx(port) : arena.mitmproxy(port));
        const kind = 'throughput';
        const contest = {
          ours: () => round({ kind, to: socket, prefix: OURS }),
          baseline: () => round({ kind, to: other, prefix: '' }),
        };
        await warmed(contest);
        return { ...contest, close: () => arena.close() };
      }),
    holds: (ours, theirs) => ours >= times * theirs,
  };
}

/** One kind of round, ours beside nginx or beside the upstream without anything between. */
function against(kind: string, whom: Against, more: object = {}): () => Promise<Contest> {
  return () =>
    stand(({ round, proxy, nginx, direct }) => ({
      ours: () => round({ kind, to: proxy.socket, prefix: OURS, ...more }),
      baseline: () => round({ kind, to: whom === 'nginx' ? nginx : direct, prefix: '', ...more }),
    }));
}

/** How long until a proxy that is wanted answers, its keys handed over, beside a bare Node server. */
function starting(how: string, target: string, atOnce: boolean, of: (proxy: OurProxy) => number, most: number): Measure {
  return {
    name: `proxy start to first answer ${how}, bare Node (ms)`,
    target,
    rounds: 5,
    prepare: () =>
      inArena(async (arena) => {
        const port = await arena.upstream();
        return {
          ours: async () => of(await arena.proxy(port, { atOnce })),
          baseline: async () => (await arena.bareNode()).started,
          close: () => arena.close(),
        };
      }),
    holds: (ours) => ours <= most,
  };
}

const TEN = 10;
const IDLE = 10_000;

export const measures: readonly Measure[] = [
  throughput('nginx', 0.5),
  throughput('mitmproxy', 15),
  {
    name: 'proxy small GET, 1 connection, p50 (µs)',
    target: '≤ direct + 120',
    rounds: 7,
    prepare: against('p50', 'direct'),
    holds: (ours, direct) => ours - direct <= 120,
  },
  {
    name: 'proxy small GET, 1 connection, p99 (µs)',
    target: '≤ direct + 1500',
    rounds: 7,
    prepare: against('p99', 'direct'),
    holds: (ours, direct) => ours - direct <= 1_500,
  },
  {
    name: 'proxy server-sent event, p50 (µs)',
    target: '≤ direct + 100',
    rounds: 7,
    prepare: against('events', 'direct'),
    holds: (ours, direct) => ours - direct <= 100,
  },
  {
    name: 'proxy 1 GiB down (MB/s)',
    target: '≥ 0.5x nginx',
    rounds: 2,
    prepare: against('download', 'nginx'),
    holds: (ours, nginx) => ours >= 0.5 * nginx,
  },
  {
    name: 'proxy 1 GiB up (MB/s)',
    target: '≥ 0.5x nginx',
    rounds: 2,
    prepare: against('upload', 'nginx'),
    holds: (ours, nginx) => ours >= 0.5 * nginx,
  },
  {
    name: 'proxy memory after 1 GiB both ways, and before (MB)',
    target: '≤ before + 100',
    rounds: 1,
    prepare: () =>
      stand(({ round, proxy }) => {
        const before = memoryOf(proxy.pid);
        return {
          ours: async () => {
            for (const kind of ['download', 'upload']) await round({ kind, to: proxy.socket, prefix: OURS });
            return memoryOf(proxy.pid);
          },
          baseline: async () => before,
        };
      }),
    holds: (after, before) => after <= before + 100,
  },
  starting('from nothing', '≤ 120 ms', true, ({ cold }) => cold, 120),
  starting('from the pool', '≤ 10 ms', false, ({ warm }) => warm, 10),
  {
    name: 'proxy memory of ten, each, bare Node (MB)',
    target: '≤ 25 MB',
    rounds: 1,
    prepare: () =>
      inArena(async (arena) => {
        const port = await arena.upstream();
        const ours: number[] = [];
        const bare: number[] = [];
        for (let index = 0; index < TEN; index += 1) {
          ours.push((await arena.proxy(port)).pid);
          bare.push((await arena.bareNode()).pid);
        }
        const mean = (pids: readonly number[]): number => pids.reduce((sum, pid) => sum + memoryOf(pid), 0) / pids.length;
        return { ours: async () => mean(ours), baseline: async () => mean(bare), close: () => arena.close() };
      }),
    holds: (ours) => ours <= 25,
  },
  {
    name: 'proxy memory with 10,000 idle connections, without (MB)',
    target: '≤ 150 MB',
    rounds: 1,
    prepare: () =>
      stand(({ round, arena, direct, proxy }) => {
        const before = memoryOf(proxy.pid);
        return {
          ours: async () => {
            // A new one each time: what V8 has not collected yet of those before is not what these cost.
            const fresh = await arena.proxy(direct);
            const open = await round({ kind: 'hold', to: fresh.socket, prefix: OURS, connections: IDLE });
            if (open < IDLE) throw new Error(`only ${open} of ${IDLE} connections were kept`);
            const memory = memoryOf(fresh.pid);
            await round({ kind: 'release' });
            return memory;
          },
          baseline: async () => before,
        };
      }),
    holds: (ours) => ours <= 150,
  },
  {
    name: 'proxy small GET beside 10,000 idle connections, p99, and without (µs)',
    target: '≤ 10 ms',
    rounds: 1,
    prepare: () =>
      stand(({ round, proxy, arena }) => {
        const p99 = { kind: 'p99', to: proxy.socket, prefix: OURS };
        return {
          ours: async () => {
            const hold = await arena.load();
            await hold({ kind: 'hold', to: proxy.socket, prefix: OURS, connections: IDLE });
            const number = await round(p99);
            await hold({ kind: 'release' });
            return number;
          },
          baseline: () => round(p99),
        };
      }),
    holds: (ours) => ours <= 10_000,
  },
];

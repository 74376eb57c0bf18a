// SPDX-License-Identifier: Apache-2.0
import { loadEngine, type EngineName } from './engines.ts';

// A process that loads an engine and tells its resident memory: argv = engine.
await loadEngine(process.argv[2] as EngineName);
process.send?.(process.memoryUsage.rss());
process.disconnect?.();

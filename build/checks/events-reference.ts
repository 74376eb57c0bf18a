// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EVENTS } from '../../packages/protocol/src/index.ts';
import { eventsReference } from './events-reference-text.ts';
import type { Check } from './finding.ts';

const DOCUMENT = 'docs/reference/events.md';

/** The reference page of our Matrix events says what the schemas say; `--write` writes it. */
export const eventsReferenceCheck: Check = {
  name: 'events-reference',
  run: ({ root, write }) => {
    const path = join(root, DOCUMENT);
    const wanted = eventsReference(EVENTS);
    const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
    if (before === wanted) return [];
    if (write) {
      writeFileSync(path, wanted);
      return [];
    }
    const problem = 'is not what the schemas of packages/protocol/src/events say';
    return [{ file: DOCUMENT, problem, remedy: 'run script/check --write events-reference, and commit what it wrote' }];
  },
};

// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Every process that we ship; the entry of each is `apps/NAME/src/main.ts`. */
export const APPLICATIONS = ['stand', 'launcher', 'daemon', 'proxy', 'relay', 'cli', 'demo-agent'] as const;

export type Application = (typeof APPLICATIONS)[number];

/** Returns the path of an application's entry, whether or not the file is there. */
export function entryOf(root: string, application: Application): string {
  return join(root, 'apps', application, 'src/main.ts');
}

/** Returns the applications whose entry exists in this checkout. */
export function presentApplications(root: string): Application[] {
  return APPLICATIONS.filter((application) => existsSync(entryOf(root, application)));
}

// SPDX-License-Identifier: Apache-2.0
import { TEMPLATE, readEvent, type TemplateContent } from '@bureau/protocol';
import type { Content } from './client.ts';

/** Templates that set-up publishes. `default`: the launcher's fixed sandbox and nothing more; the assignment brings the command. */
export const STANDARD_TEMPLATES: Readonly<Record<string, TemplateContent>> = {
  default: {
    v: 1,
    description: "The host's /usr read-only, own /tmp, home and /workspace; no network but the proxy",
    environment: {},
    mounts: [],
  },
};

/**
 * Whether a published template is to be written (again): when there is none, or it cannot be read. One that can be read is an operator's,
 * changed on purpose; one of a newer `v` was written by a newer Bureau. Both stay. Pure.
 */
export function templateState(published: Content | undefined): 'missing' | 'broken' | 'newer' | 'good' {
  if (published === undefined || Object.keys(published).length === 0) return 'missing';
  const read = readEvent(TEMPLATE, published);
  if (read.ok) return 'good';
  return read.fault === 'newer' ? 'newer' : 'broken';
}

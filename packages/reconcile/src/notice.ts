// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';

/** Something that people should be told of a principal, once. */
export interface Notice {
  readonly principal: PrincipalName;
  readonly event: 'blocked' | 'quarantined';
  readonly text: string;
  /** The event that brought it about: with another one it is told anew, also within the time in which a homeserver knows a repetition. */
  readonly cause?: string;
}

/** Names what is told: the same words of the same principal are told once. */
export function noticeKey({ event, text }: Notice): string {
  return `${event} ${text}`;
}

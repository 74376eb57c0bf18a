// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';

/** A fresh trace id: 32 hexadecimal digits (W3C Trace Context's width). One request carries the same through every process. */
export function newTraceId(): string {
  return randomBytes(16).toString('hex');
}

// SPDX-License-Identifier: Apache-2.0
import { UsageError } from './errors.ts';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `500ms`, `30s`, `5m`, `1h30m`, `2d` in milliseconds. Throws `invalid_duration`. */
export function parseDuration(text: string): number {
  const parts = text.match(/[0-9]+(ms|s|m|h|d)/g);
  if (parts === null || parts.join('') !== text) {
    throw new UsageError(
      'invalid_duration',
      `Cannot read ${JSON.stringify(text)} as a duration: expected something like "30s", "5m" or "1h30m"`,
    );
  }
  let total = 0;
  for (const part of parts) {
    const unit = part.replace(/[0-9]+/, '');
    total += Number.parseInt(part, 10) * (UNITS[unit] ?? 0);
  }
  if (!Number.isSafeInteger(total)) throw new UsageError('invalid_duration', `Cannot use ${JSON.stringify(text)}: it is too long`);
  return total;
}

/** Milliseconds as a person reads them: `420 ms`, `3.2 s`, `5 m 10 s`, `2 h 4 m`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1_000).toFixed(1)} s`;
  const seconds = Math.max(60, Math.floor(milliseconds / 1_000));
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
}

// SPDX-License-Identifier: Apache-2.0

/** Widest column but the last; what is longer pushes its row, not the others. */
const WIDEST = 32;

/** Rows as lines, columns under each other. */
export function alignedColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((known, row) => row.map((cell, at) => Math.max(known[at] ?? 0, Math.min(cell.length, WIDEST))), []);
  return rows.map((row) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

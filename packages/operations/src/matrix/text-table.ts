// SPDX-License-Identifier: Apache-2.0
import { charactersOf, printable, shortened } from './printable.ts';

/** Characters of one cell: a topic may have thousands, and JSON has them all. */
const CELL_MAX = 100;

/** A table for a terminal: a head and rows of equally many cells, whose texts may be anybody's. `empty` when there is no row. Pure. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[], empty: string): string {
  if (rows.length === 0) return empty;
  const lines = [head, ...rows.map((row) => row.map((cell) => shortened(printable(cell), CELL_MAX)))];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => charactersOf(line[column] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => padded(cell, widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function padded(cell: string, width: number): string {
  return cell + ' '.repeat(Math.max(0, width - charactersOf(cell).length));
}

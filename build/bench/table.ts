// SPDX-License-Identifier: Apache-2.0
import type { Row } from './measure.ts';

const HEAD = ['name', 'ours', 'baseline', 'ratio', 'target', 'ok'] as const;

/** Rows as aligned columns; numbers to the right. */
export function formatTable(rows: readonly Row[]): string {
  const lines = [[...HEAD], ...rows.map(cellsOf)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((cells) => (cells[column] ?? '').length)));
  return lines
    .map((cells) =>
      cells
        .map((cell, column) => pad(cell, widths[column] ?? 0, column))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function cellsOf(row: Row): string[] {
  return [
    row.name,
    number(row.ours),
    number(row.baseline),
    row.ratio.toFixed(2),
    row.target === '' ? '(reported)' : row.target,
    row.ok ? 'yes' : 'NO',
  ];
}

function pad(cell: string, width: number, column: number): string {
  return column >= 1 && column <= 3 ? cell.padStart(width) : cell.padEnd(width);
}

function number(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en-US') : String(value);
}

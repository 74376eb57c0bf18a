// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Check, Finding } from './finding.ts';
import { processFacts } from './process-facts.ts';
import type { ProcessFacts } from './process-facts.ts';

const OVERVIEW = 'docs/overview.md';
const README = 'README.md';
const BEGIN = '<!-- processes: written by script/check --write processes -->';
const END = '<!-- /processes -->';

/** Process names, uids and sockets in the overview and in the README's picture are those of the code. */
export const processTableCheck: Check = {
  name: 'processes',
  run: ({ root, write }) => {
    const path = join(root, OVERVIEW);
    const before = readFileSync(path, 'utf8');
    const facts = processFacts();
    const after = withProcessTable(before, facts);
    if (after === undefined) {
      const problem = 'the markers of the process table are missing';
      return [{ file: OVERVIEW, problem, remedy: `put '${BEGIN}' and '${END}' on lines of their own` }];
    }
    if (write && after !== before) writeFileSync(path, after);
    return [
      ...(write ? [] : tableFindings(before, after)),
      ...overviewFindings(after, facts),
      ...pictureFindings(readFileSync(join(root, README), 'utf8'), facts),
    ];
  },
};

/** Returns the text with the table between the markers written anew, or undefined when the markers are not there. */
export function withProcessTable(text: string, facts: readonly ProcessFacts[]): string | undefined {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) return undefined;
  const rows = facts.map(({ name, uid, network, capabilities, sockets, restartedBy }) => {
    const powers = capabilities === undefined && uid === '0' ? 'all' : (capabilities ?? []).join(' ') || 'none';
    const listens = sockets.length === 0 ? '–' : sockets.map((socket) => `\`${socket}\``).join(', ');
    return `| ${name} | ${uid} | ${network} | ${powers} | ${listens} | ${restartedBy} |`;
  });
  const head = [
    '| process | uid | network | capabilities | Unix sockets it listens on | restarted by |',
    '| --- | --- | --- | --- | --- | --- |',
  ];
  return `${text.slice(0, begin + BEGIN.length)}\n${[...head, ...rows].join('\n')}\n${text.slice(end)}`;
}

function tableFindings(before: string, after: string): Finding[] {
  if (before === after) return [];
  const [old, fresh] = [before.split('\n'), after.split('\n')];
  const at = fresh.findIndex((line, index) => line !== old[index]);
  const remedy = 'script/check --write processes, and read what stands around it';
  return [{ file: OVERVIEW, line: at + 1, problem: 'the process table is not what the code says', remedy }];
}

/** Findings in the two tables of the overview that people write: who runs as whom, who listens where. */
export function overviewFindings(text: string, facts: readonly ProcessFacts[]): Finding[] {
  const rows = text.split('\n').map((line, index) => ({ cells: cellsOf(line), line: index + 1 }));
  return facts
    .flatMap(({ name, uid, sockets }): Finding[] => {
      const own = rows.find(({ cells }) => cells[0] === name && cells.length > 5 && /^(0|base)/.test(cells[2] ?? ''));
      const found: Finding[] = [];
      if (own === undefined) found.push({ file: OVERVIEW, problem: `the table of processes has no row for ${name}`, remedy: 'add it' });
      else if (!new RegExp(`^${escapeRegExp(uid)}(?![+\\w])`).test(own.cells[2] ?? ''))
        found.push({
          file: OVERVIEW,
          line: own.line,
          problem: `says ${name} runs as '${own.cells[2]}', the code says ${uid}`,
          remedy: 'correct the row',
        });
      for (const socket of sockets) {
        const row = rows.find(({ cells }) => cells[0] === socket);
        if (row === undefined)
          found.push({
            file: OVERVIEW,
            problem: `the table of wires has no row for ${socket}`,
            remedy: `add it, or correct its path: ${name} listens there`,
          });
        else if (row.cells[1] !== name)
          found.push({
            file: OVERVIEW,
            line: row.line,
            problem: `says '${row.cells[1]}' listens on ${socket}, the code says ${name}`,
            remedy: 'correct the row',
          });
      }
      return found;
    })
    .concat(strangeSockets(rows, facts));
}

/** Sockets in the table of wires that nobody listens on (any more). */
function strangeSockets(rows: readonly { cells: readonly string[]; line: number }[], facts: readonly ProcessFacts[]): Finding[] {
  const known = new Set(facts.flatMap(({ sockets }) => sockets));
  return rows
    .filter(({ cells }) => /^R\/\.\w+\/.*\.sock$/.test(cells[0] ?? '') && !known.has(cells[0] ?? ''))
    .map(({ cells, line }) => ({
      file: OVERVIEW,
      line,
      problem: `no process listens on ${cells[0]}`,
      remedy: 'correct the path, or remove the row',
    }));
}

/** Findings in the picture of the README: each process with its uid, on one line of the tree. */
export function pictureFindings(text: string, facts: readonly ProcessFacts[]): Finding[] {
  return facts.flatMap(({ name, uid }): Finding[] => {
    const pattern = new RegExp(`^ [│ ├└─]*[├└│]?─? ?${escapeRegExp(name)} +(${uid === '0' ? 'uid 0' : escapeRegExp(uid)})(?![+\\w])`, 'm');
    if (pattern.test(text)) return [];
    const line = text.split('\n').findIndex((content) => new RegExp(`^ [│├└]\\S* .*${escapeRegExp(name)} `).test(content)) + 1;
    return [
      {
        file: README,
        ...(line > 0 ? { line } : {}),
        problem: `the picture does not show '${name}' with uid ${uid}`,
        remedy: 'correct the picture',
      },
    ];
  });
}

/** The cells of a table's row, without the marks of code; empty for other lines. */
function cellsOf(line: string): string[] {
  if (!line.startsWith('|')) return [];
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.replaceAll('`', '').trim());
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

// SPDX-License-Identifier: Apache-2.0
import { lstatSync, type Stats } from 'node:fs';
import { UsageError } from '@bureau/core';
import { readBounded, writeFileAtomic } from '@bureau/files';
import { CREDENTIAL_FILE_MAX_BYTES } from './limits.ts';

const LINE = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)$/;

/**
 * A credential file's text: `KEY=VALUE` lines, the value being all behind the first `=` without surrounding blanks; `#` starts a comment
 * line. Everything that is not understood is kept as it is. Immutable.
 */
export class CredentialFile {
  readonly #lines: readonly string[];

  private constructor(lines: readonly string[]) {
    this.#lines = lines;
  }

  static parse(text: string): CredentialFile {
    const lines = text.split(/\r?\n/);
    if (lines.at(-1) === '') lines.pop();
    return new CredentialFile(lines);
  }

  /** The value of a key, or `undefined` where it is missing or empty. The last line counts, as in a shell. */
  get(key: string): string | undefined {
    const value = this.#lines.findLast((line) => LINE.exec(line)?.[1] === key);
    const text = value === undefined ? '' : (LINE.exec(value)?.[2] ?? '').trim();
    return text === '' ? undefined : text;
  }

  /** The file with these values: a known key keeps its place (once), new keys follow at the end in the order given. */
  with(values: Readonly<Record<string, string>>): CredentialFile {
    for (const [key, value] of Object.entries(values)) requireLine(key, value);
    const pending = new Map(Object.entries(values));
    const lines: string[] = [];
    for (const line of this.#lines) {
      const key = LINE.exec(line)?.[1];
      if (key === undefined || !Object.hasOwn(values, key)) {
        lines.push(line);
      } else if (pending.has(key)) {
        lines.push(`${key}=${values[key]}`);
        pending.delete(key);
      }
    }
    for (const [key, value] of pending) lines.push(`${key}=${value}`);
    return new CredentialFile(lines);
  }

  /** The text as it goes into the file. Secret. */
  toText(): string {
    return this.#lines.map((line) => `${line}\n`).join('');
  }
}

/**
 * Reads a credential file. Throws `file_missing` from `readBounded`, and `credential_file_exposed` when anybody but its owner may
 * read or write it, or it is no ordinary file.
 */
export function readCredentialFile(path: string): CredentialFile {
  const found = status(path);
  if (found !== undefined && (!found.isFile() || (found.mode & 0o077) !== 0)) {
    throw new UsageError(
      'credential_file_exposed',
      `Expected ${path} to be a file that only its owner may read (mode 0600); look at who could have read it, then: chmod 600 ${path}`,
      { data: { path } },
    );
  }
  return CredentialFile.parse(readBounded(path, CREDENTIAL_FILE_MAX_BYTES).toString('utf8'));
}

/** As `readCredentialFile`, and an empty one where there is none. */
export function readCredentialFileIfAny(path: string): CredentialFile {
  return status(path) === undefined ? CredentialFile.parse('') : readCredentialFile(path);
}

/** Writes it atomically with mode 0600; an existing file's owner stays. */
export function writeCredentialFile(path: string, file: CredentialFile): void {
  const found = status(path);
  writeFileAtomic(path, file.toText(), { mode: 0o600, ...(found === undefined ? {} : { uid: found.uid, gid: found.gid }) });
}

function requireLine(key: string, value: string): void {
  if (!/^[A-Z_][A-Z0-9_]*$/.test(key) || /[\u0000-\u001f\u007f]/.test(value) || value.trim() !== value) {
    throw new UsageError(
      'invalid_credential',
      `Cannot write ${JSON.stringify(key)} into a credential file: expected a key such as "MATRIX_ADMIN_USER" and a value of one line without surrounding blanks`,
      { data: { key } },
    );
  }
}

function status(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

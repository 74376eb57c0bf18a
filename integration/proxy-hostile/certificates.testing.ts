// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a TLS server needs; `cert` is an authority of its own where nobody signed it. */
export interface Certificate {
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** A certificate for `name` and 127.0.0.1, good for two days (or one that ended yesterday), signed by `authority` or by itself. */
export function certificate(name: string, options: { readonly authority?: Certificate; readonly expired?: boolean } = {}): Certificate {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-hostile-tls-'));
  const at = (file: string): string => join(directory, file);
  const openssl = (...words: string[]): void => void execFileSync('/usr/bin/openssl', words, { stdio: 'ignore', timeout: 30_000 });
  try {
    writeFileSync(
      at('names'),
      `subjectAltName=DNS:${name},IP:127.0.0.1\nbasicConstraints=critical,CA:${options.authority === undefined}\n`,
    );
    openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      at('key'),
      '-out',
      at('request'),
    );
    const days = ['-days', options.expired === true ? '-1' : '2'];
    writeFileSync(at('ca.key'), options.authority?.key ?? readFileSync(at('key')));
    if (options.authority !== undefined) writeFileSync(at('ca'), options.authority.cert);
    const signer =
      options.authority === undefined ? ['-signkey', at('ca.key')] : ['-CA', at('ca'), '-CAkey', at('ca.key'), '-CAcreateserial'];
    openssl('x509', '-req', '-in', at('request'), ...signer, '-extfile', at('names'), ...days, '-out', at('cert'));
    return { key: readFileSync(at('key')), cert: readFileSync(at('cert')) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

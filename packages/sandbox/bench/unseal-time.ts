// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, diffieHellman, generateKeyPairSync, sign, verify } from 'node:crypto';
import { parseMachineName, parsePrincipalName } from '@bureau/core';
import { generateIdentity, generateOperatorKey, openBundle, operatorSigner, sealBundle } from '@bureau/seal';
import { median, rowOf, type Row } from '../../../build/bench/measure.ts';

const ROUNDS = 50;
const TARGET_MILLISECONDS = 5;

/** Opening and judging one bundle, in a process that has done it before; against the two operations of OpenSSL that it cannot do without. */
export async function* unsealTime(say: (line: string) => void): AsyncGenerator<Row> {
  const [principal, machine] = [parsePrincipalName('bench/one'), parseMachineName('machine/bench')];
  const { identity, recipient } = await generateIdentity();
  const operator = generateOperatorKey();
  const now = Date.now();
  const header = {
    v: 1 as const,
    principal,
    machine,
    user_id: '@bench/one:bureau.local' as never,
    issued_at: now,
    expires_at: now + 1_000_000,
    upstreams: {},
  };
  const secrets = new Map([['MATRIX_TOKEN', Buffer.from('bench')]]);
  const sealed = await sealBundle({ header, secrets }, { signer: operatorSigner(operator.privatePem), recipients: [recipient] });
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const started = performance.now();
    const opened = await openBundle(sealed, { identity, operators: [createPublicKey(operator.publicPem)], principal, machine, now });
    opened.secrets[Symbol.dispose]();
    times.push(performance.now() - started);
  }
  say(
    `first unseal of a process ${times[0]?.toFixed(1)} ms, second ${times[1]?.toFixed(1)} ms; the launcher does a first one before it serves`,
  );
  const later = median(times.slice(1));
  yield rowOf('unseal and verify a bundle, p50 (ms)', later, bare(), `<= ${TARGET_MILLISECONDS} ms`, later <= TARGET_MILLISECONDS);
}

function bare(): number {
  const [mine, theirs] = [generateKeyPairSync('x25519'), generateKeyPairSync('x25519')];
  const signer = generateKeyPairSync('ed25519');
  const message = Buffer.alloc(500);
  const signature = sign(null, message, signer.privateKey);
  const times = Array.from({ length: ROUNDS }, () => {
    const started = performance.now();
    diffieHellman({ privateKey: mine.privateKey, publicKey: theirs.publicKey });
    verify(null, message, signer.publicKey, signature);
    return performance.now() - started;
  });
  return median(times);
}

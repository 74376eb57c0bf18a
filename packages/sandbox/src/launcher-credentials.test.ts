// SPDX-License-Identifier: Apache-2.0
// The bundle that is kept comes again with every restart of its agent: it is not opened again, and judged in everything else.
import assert from 'node:assert/strict';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parseMachineName, parsePrincipalName, type Clock } from '@bureau/core';
import { systemClock } from '@bureau/process';
import type { BundleHeader } from '@bureau/protocol';
import { generateIdentity, generateOperatorKey, operatorSigner, sealBundle } from '@bureau/seal';
import { LauncherCredentials } from './launcher-credentials.ts';

const PRINCIPAL = parsePrincipalName('iree/pm');
const MACHINE = parseMachineName('machine/test');
const NUMBER = 0;
const DAY = 86_400_000;

interface Kept {
  readonly credentials: LauncherCredentials;
  readonly bundle: Uint8Array;
  /** From now on nothing can be decrypted. */
  readonly loseIdentity: () => void;
  readonly operator: (name: string, pem?: string) => void;
  readonly policy: (policy: object) => void;
  readonly passTime: (milliseconds: number) => void;
  readonly seal: (header: Partial<BundleHeader>) => Promise<Uint8Array>;
}

/** Credentials that have accepted one bundle. */
async function kept(context: TestContext): Promise<Kept> {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-credentials-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const [operatorsDirectory, policyFile] = [join(directory, 'operators'), join(directory, 'launcher.json')];
  mkdirSync(operatorsDirectory, { mode: 0o755 });
  const { identity, recipient } = await generateIdentity();
  const key = generateOperatorKey();
  const operator = (name: string, pem = key.publicPem): void =>
    writeFileSync(join(operatorsDirectory, `${name}.pub`), pem, { mode: 0o644 });
  operator('local');
  const now = systemClock.now();
  let passed = 0;
  const clock: Clock = { ...systemClock, now: () => now + passed };
  const credentials = new LauncherCredentials({ directory, operatorsDirectory, policyFile, machine: MACHINE, identity, clock });
  const seal = (rules: Partial<BundleHeader>): Promise<Uint8Array> => {
    const header = {
      v: 1 as const,
      principal: PRINCIPAL,
      machine: MACHINE,
      user_id: `@${PRINCIPAL}:bureau.local` as never,
      issued_at: now,
      expires_at: now + DAY,
      upstreams: {},
      ...rules,
    };
    const secrets = new Map([['MATRIX_TOKEN', Buffer.from('secret')]]);
    return sealBundle({ header, secrets }, { signer: operatorSigner(key.privatePem), recipients: [recipient] });
  };
  const bundle = await seal({});
  await credentials.accept(PRINCIPAL, NUMBER, bundle);
  return {
    credentials,
    bundle,
    loseIdentity: () => identity[Symbol.dispose](),
    operator,
    policy: (policy) => writeFileSync(policyFile, JSON.stringify({ v: 1, ...policy }), { mode: 0o644 }),
    passTime: (milliseconds) => (passed += milliseconds),
    seal,
  };
}

test('accept() does not open the kept bundle again; any other it does', async (context) => {
  const { credentials, bundle, loseIdentity, seal } = await kept(context);
  const other = await seal({});
  loseIdentity();
  assert.equal((await credentials.accept(PRINCIPAL, NUMBER, bundle)).principal, PRINCIPAL);
  await assert.rejects(credentials.accept(PRINCIPAL, NUMBER, other), 'the same content, sealed anew');
  await assert.rejects(credentials.open(PRINCIPAL, NUMBER), 'its secrets are not remembered');
});

test('accept() judges the kept bundle by what is true now', async (context) => {
  const signers = [{ operator: 'somebody', principals: ['**'] }];
  for (const [change, code] of [
    [({ operator }: Kept) => operator('local', generateOperatorKey().publicPem), 'bundle_signature'],
    [({ policy }: Kept) => policy({ signers }), 'bundle_signer'],
    [({ passTime }: Kept) => passTime(DAY), 'bundle_expired'],
    [({ passTime }: Kept) => passTime(-DAY), 'bundle_not_yet_valid'],
  ] as const) {
    const here = await kept(context);
    change(here);
    await assert.rejects(here.credentials.accept(PRINCIPAL, NUMBER, here.bundle), { code }, code);
  }
  const here = await kept(context);
  here.policy({ signers });
  here.operator('somebody');
  assert.equal((await here.credentials.accept(PRINCIPAL, NUMBER, here.bundle)).principal, PRINCIPAL, 'the same key under an allowed name');
});

test('accept() takes an older bundle no more, although it was seen before', async (context) => {
  const { credentials, bundle, seal } = await kept(context);
  await credentials.accept(PRINCIPAL, NUMBER, await seal({ issued_at: systemClock.now() + 1 }));
  await assert.rejects(credentials.accept(PRINCIPAL, NUMBER, bundle), { code: 'bundle_replayed' });
});

test('accept() of one principal’s bundle under another’s number is refused, kept or not', async (context) => {
  const { credentials, bundle } = await kept(context);
  await assert.rejects(credentials.accept(parsePrincipalName('iree/other'), NUMBER, bundle), { code: 'bundle_principal' });
});

test('accept() demands of the kept bundle what is demanded of a new one', async (context) => {
  const { credentials, bundle } = await kept(context);
  const demand = (): never => {
    throw new Error('not now');
  };
  await assert.rejects(credentials.accept(PRINCIPAL, NUMBER, bundle, demand), /not now/);
});

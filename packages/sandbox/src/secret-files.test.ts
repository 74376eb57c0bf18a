// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { sandboxSpec, type BundleHeader } from '@bureau/protocol';
import type { OpenedBundle } from '@bureau/seal';
import { SecretBytes } from '@bureau/secret';
import * as v from 'valibot';
import { defaultPolicy } from './policy-file.ts';
import { judgeSpec } from './policy.ts';
import { placeSecretFiles, removeSecretFiles, renewSecretFiles } from './secret-files.ts';
import { specDigest } from './spec-digest.ts';

const UID = 262_144;

function agentDirectory(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-secret-files-'));
  chmodSync(directory, 0o755);
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** What the launcher has after it opened a bundle, as far as files are concerned. */
function opened(secrets: Record<string, string>, files: Record<string, string>): OpenedBundle {
  const entries = Object.entries(secrets).flatMap(([name, value]) => [
    0xa0 | name.length,
    ...Buffer.from(name),
    0xc4,
    value.length,
    ...Buffer.from(value),
  ]);
  const packed = Buffer.from([0x80 | Object.keys(secrets).length, ...entries]);
  return {
    header: { files } as unknown as BundleHeader,
    headerBytes: Buffer.alloc(0),
    secrets: SecretBytes.from(packed),
    contentDigest: '',
    digest: '',
    signer: generateKeyPairSync('ed25519').publicKey,
  };
}

test('placeSecretFiles() writes what is asked for, 0400 and the payload’s, in a directory that it cannot change', (context) => {
  const agent = agentDirectory(context);
  placeSecretFiles(agent, ['A'], opened({ A: 'one', B: 'two' }, { A: 'a.key', B: 'b.key' }), UID);
  assert.deepEqual(readdirSync(join(agent, 'secrets')), ['a.key']);
  const { mode, uid, gid } = statSync(join(agent, 'secrets/a.key'));
  assert.deepEqual([mode & 0o777, uid, gid], [0o400, UID, UID]);
  const directory = statSync(join(agent, 'secrets'));
  assert.deepEqual([directory.mode & 0o777, directory.uid, directory.gid], [0o750, 0, UID]);
});

test('renewSecretFiles() gives the named ones their new value, and takes away every other file', (context) => {
  const agent = agentDirectory(context);
  renewSecretFiles(agent, [], opened({ A: 'one' }, { A: 'a' }), UID);
  assert.equal(existsSync(join(agent, 'secrets')), false, 'none was asked for');
  placeSecretFiles(agent, ['A', 'B'], opened({ A: 'one', B: 'two' }, { A: 'a', B: 'b' }), UID);
  renewSecretFiles(agent, ['A'], opened({ A: 'three', C: 'four' }, { A: 'a', C: 'c' }), UID);
  assert.deepEqual(readdirSync(join(agent, 'secrets')), ['a']);
  assert.equal(readFileSync(join(agent, 'secrets/a'), 'utf8'), 'three');
  removeSecretFiles(agent);
  assert.deepEqual(readdirSync(agent), []);
});

test('judgeSpec() lets a secret be a file only where bundle, signer and policy agree', () => {
  const spec = v.parse(sandboxSpec, { v: 1, command: ['ssh'], secretFiles: ['KEY'] });
  const named = { files: { KEY: 'id' }, allowed_specs: [specDigest(spec)] };
  const policy = defaultPolicy();
  assert.deepEqual(judgeSpec(spec, policy, named), { ok: true });
  const rule = (...given: Parameters<typeof judgeSpec>): string => {
    const judgement = judgeSpec(...given);
    return judgement.ok ? 'allowed' : judgement.rule;
  };
  assert.equal(rule(spec, { ...policy, secretFiles: false }, named), 'secret_files');
  assert.equal(rule(spec, policy, { allowed_specs: named.allowed_specs }), 'secret_files');
  assert.equal(rule(spec, policy, { files: named.files }), 'secret_files', 'no signer has named the command');
  assert.equal(rule(spec, policy, { ...named, files: { OTHER: 'id' } }), 'secret_files');
  assert.equal(
    rule({ ...spec, secretFiles: ['constructor'.toUpperCase()] }, policy, { ...named, allowed_specs: undefined as never }),
    'secret_files',
  );
  assert.equal(rule({ ...spec, command: ['cat'] }, policy, named), 'allowed_specs');
});

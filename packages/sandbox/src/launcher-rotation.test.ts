// SPDX-License-Identifier: Apache-2.0
// A daemon that somebody has taken over starts what an earlier bundle allowed, and then rotates to one whose signer means another spec.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { sandboxSpec } from '@bureau/protocol';
import * as v from 'valibot';
import { specDigest } from './spec-digest.ts';
import { PRINCIPAL, launcherStand, type LauncherStand } from './testing/launcher-fixture.ts';

const OTHER = 'e'.repeat(64);

/** The spec of the fixture, with a secret as a file. */
function specOf(stand: LauncherStand, secretFiles: readonly string[] = []): ReturnType<LauncherStand['input']>['spec'] {
  return { ...stand.input('a-0').spec, ...(secretFiles.length > 0 && { secretFiles: [...secretFiles] }) };
}

const secretsOf = ({ paths }: LauncherStand): string => `${paths.principal(0).agentDirectory}/secrets`;
const bundleMark = ({ paths }: LauncherStand): string => readFileSync(`${paths.launcherStateDirectory}/0.bundle.json`, 'utf8');

test('rotate() refuses keys whose signer does not name the spec that runs, by rule, and leaves the earlier ones in force', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  await launcher.create(stand.input('a-0'));
  const before = [bundleMark(stand), stand.fed.join()];
  await assert.rejects(launcher.rotate(PRINCIPAL, await stand.bundle({ allowed_specs: [OTHER] })), (error: Error & { data?: unknown }) => {
    assert.deepEqual((error.data as { rule: string }).rule, 'allowed_specs');
    assert.match(error.message, new RegExp(specDigest(specOf(stand))));
    return true;
  });
  assert.deepEqual([bundleMark(stand), stand.fed.join()], before, 'neither kept nor told to the proxy');
  launcher.release();
  const next = stand.start();
  await next.adopt();
  await assert.rejects(next.rotate(PRINCIPAL, await stand.bundle({ allowed_specs: [OTHER] })), { code: 'spec_refused' });
  // One that names it, and one that names nobody, are taken.
  for (const allowed of [{ allowed_specs: [OTHER, specDigest(specOf(stand))] }, {}]) {
    stand.fed.splice(0);
    await next.rotate(PRINCIPAL, await stand.bundle(allowed));
    assert.deepEqual(stand.fed, ['configure']);
  }
  // Once it has ended there is nobody whom the keys could reach.
  await next.destroy(PRINCIPAL, 'a-0', 0);
  await next.rotate(PRINCIPAL, await stand.bundle({ allowed_specs: [OTHER] }));
});

test('rotate() refuses a bundle with allowed_specs where the record does not say what runs', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  await launcher.create(stand.input('a-0'));
  launcher.release();
  const path = `${stand.paths.launcherStateDirectory}/0.sandbox.json`;
  const { specDigest: _digest, ...older } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify(older));
  const next = stand.start();
  await next.adopt();
  const named = { allowed_specs: [specDigest(specOf(stand))] };
  await assert.rejects(next.rotate(PRINCIPAL, await stand.bundle(named)), /restart/);
  await next.rotate(PRINCIPAL, await stand.bundle({}));
});

test('rotate() renews the files that the running spec asked for by name, and no other secret under the name of such a file', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  const spec = v.parse(sandboxSpec, specOf(stand, ['MINE']));
  const allowed_specs = [specDigest(spec)];
  const first = await stand.bundle({ allowed_specs, files: { MINE: 'token' } }, { MINE: 'one' });
  await launcher.create({ ...stand.input('a-0'), spec, bundle: first });
  const token = `${secretsOf(stand)}/token`;
  assert.equal(readFileSync(token, 'utf8'), 'one');

  await launcher.rotate(PRINCIPAL, await stand.bundle({ allowed_specs, files: { MINE: 'token' } }, { MINE: 'two' }));
  assert.equal(readFileSync(token, 'utf8'), 'two');

  const swapped = { allowed_specs, files: { MINE: 'mine', OTHERS: 'token' } };
  await launcher.rotate(PRINCIPAL, await stand.bundle(swapped, { MINE: 'three', OTHERS: 'not-yours' }));
  assert.deepEqual(readdirSync(secretsOf(stand)), ['mine']);
  assert.equal(readFileSync(`${secretsOf(stand)}/mine`, 'utf8'), 'three');

  launcher.release();
  const next = stand.start();
  await next.adopt();
  await next.rotate(PRINCIPAL, await stand.bundle(swapped, { MINE: 'four', OTHERS: 'not-yours' }));
  assert.equal(readFileSync(`${secretsOf(stand)}/mine`, 'utf8'), 'four', 'also after a launcher that was replaced');

  // A signer that names no spec shows nobody a file; nor does a machine whose owner has forbidden it since.
  await next.rotate(PRINCIPAL, await stand.bundle({ files: { MINE: 'mine' } }, { MINE: 'five' }));
  assert.equal(existsSync(`${secretsOf(stand)}/mine`), false);
  await next.rotate(PRINCIPAL, await stand.bundle(swapped, { MINE: 'six', OTHERS: 'not-yours' }));
  assert.equal(readFileSync(`${secretsOf(stand)}/mine`, 'utf8'), 'six');
  writeFileSync(stand.paths.policyFile, '{"v":1,"secretFiles":false}', { mode: 0o644 });
  await next.rotate(PRINCIPAL, await stand.bundle(swapped, { MINE: 'seven', OTHERS: 'not-yours' }));
  assert.equal(existsSync(`${secretsOf(stand)}/mine`), false);
});

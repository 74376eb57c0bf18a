// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { startStand, until, type CommandResult, type Footprint, type Stand } from '@bureau/testkit';
import { countInLockedMemory, countInMemory } from './memory.testing.ts';

const WAIT_MILLISECONDS = 20_000;
const AGENT = 'team/keys';
const SERVICES = `{ "upstreams": { "model": { "url": "https://model.invalid", "inject": [{ "secret": "MODEL_KEY", "header": "X-Api-Key" }] } } } // one`;

let stand: Stand;
let start: Footprint;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bureau-credentials-'));
  stand = await startStand({ demo: false });
  // The first sandbox of a stand makes what stays for the next: trees for limits, warm processes.
  await stand.bureau(['run', 'team/first', '--', 'true']);
  start = await stand.leaks.atRest();
  writeFileSync(file('services.jsonc'), SERVICES);
  writeFileSync(file('key'), 'sk-first-key\n');
});
afterEach(async () => {
  await stand.bureau(['agent', 'remove', AGENT]);
  await stand.leaks.assertUnchanged(start);
});
after(async () => {
  await stand.end();
  rmSync(folder, { recursive: true });
});

const file = (name: string): string => join(folder, name);
const credential = (...words: string[]): Promise<CommandResult> => stand.bureau(['credential', ...words]);

async function succeeds(result: Promise<CommandResult>): Promise<string> {
  const { code, stdout, stderr } = await result;
  assert.equal(code, 0, stderr);
  return stdout;
}

const provision = (): Promise<CommandResult> =>
  credential('provision', AGENT, '--services', file('services.jsonc'), '--secret', `MODEL_KEY=file:${file('key')}`);

/** The agent lives, and its proxy with it. */
async function deploy(): Promise<void> {
  await succeeds(stand.bureau(['agent', 'deploy', AGENT, '--', 'sleep', '1000']));
}

/** The process ids of all proxies, warm ones that serve nobody yet among them. */
function proxies(): number[] {
  return stand.processes().flatMap(({ role, pid, zombie }) => (role.startsWith('proxy:') && !zombie ? [pid] : []));
}

/** Whether the agent's proxy has a key where it keeps those that it uses, which only root may look at. */
function proxyHolds(key: string): boolean {
  return proxies().some((pid) => countInLockedMemory(pid, key) > 0);
}

const untilHeld = (key: string): Promise<boolean> => until(`the proxy to hold ${key}`, WAIT_MILLISECONDS, () => proxyHolds(key));
/** Waits until no proxy keeps it, and at most one copy is left: in the freed frame in which it came, until something else comes to lie there. */
function untilDropped(key: string): Promise<boolean> {
  return until(
    `the proxy to drop ${key}`,
    WAIT_MILLISECONDS,
    () => !proxyHolds(key) && proxies().every((pid) => countInMemory(pid, key) <= 1),
  );
}

function credentialsPath(): string {
  const { configRoom } = JSON.parse(readFileSync(stand.paths.machineFile, 'utf8')) as { configRoom: string };
  return `/_matrix/client/v3/rooms/${encodeURIComponent(configRoom)}/state/m.bureau.credentials/${encodeURIComponent(AGENT)}`;
}

test('provision, rotate and revoke act on an agent that runs, and its proxy drops the old key', async () => {
  assert.match(await succeeds(provision()), /upstream model .*MODEL_KEY/);
  await deploy();
  await untilHeld('sk-first-key');
  await succeeds(stand.bureau(['credential', 'rotate', AGENT, '--secret', 'MODEL_KEY=stdin'], { input: 'sk-second-key\n' }));
  await untilHeld('sk-second-key');
  await untilDropped('sk-first-key');
  await succeeds(credential('revoke', AGENT, '--upstream', 'model'));
  await untilDropped('sk-second-key');
  const { stdout } = await stand.bureau(['credential', 'revoke', AGENT]);
  assert.match(stdout, /upstream matrix/);
  assert.match((await stand.bureau(['agent', 'list'])).stdout, /keys +running/, 'it runs on, with a dead token');
});

test('under load the old key is not used any more once the new one was', async () => {
  /** Each call: its key, when it began by the caller's word, and when it came. */
  const seen: { readonly key: string | undefined; readonly began: number; readonly came: number }[] = [];
  const upstream = createServer((request, response) => {
    const key = request.headers['x-api-key'] as string | undefined;
    seen.push({ key, began: Number(request.url?.slice(1)), came: Date.now() });
    response.end('fine');
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  using _closed = { [Symbol.dispose]: () => void upstream.close() };
  const { port } = upstream.address() as AddressInfo;
  writeFileSync(file('local.jsonc'), SERVICES.replace('https://model.invalid', `http://127.0.0.1:${port}`));
  await succeeds(credential('provision', AGENT, '--services', file('local.jsonc'), '--secret', `MODEL_KEY=file:${file('key')}`));
  const caller = 'while :; do curl -s -o /dev/null --unix-socket /proxy.sock http://bureau/v1/http/model/$(date +%s%3N); done';
  await succeeds(stand.bureau(['agent', 'deploy', AGENT, '--', 'sh', '-c', `(${caller}) & (${caller}) & ${caller}`]));
  const having = (key: string): typeof seen => seen.filter((call) => call.key === key);
  await until('calls with the first key', WAIT_MILLISECONDS, () => having('sk-first-key').length > 10);
  await succeeds(stand.bureau(['credential', 'rotate', AGENT, '--secret', 'MODEL_KEY=stdin'], { input: 'sk-second-key' }));
  await until('calls with the second key', WAIT_MILLISECONDS, () => having('sk-second-key').length > 20);
  assert.deepEqual(new Set(seen.map(({ key }) => key)), new Set(['sk-first-key', 'sk-second-key']));
  // Calls that were under way at the switch may come at any time after it: those count that had not begun when the second key was seen.
  const turned = having('sk-second-key')[0]?.came ?? 0;
  const later = seen.filter(({ began }) => began > turned);
  assert.ok(later.length > 10, `${later.length} calls`);
  assert.deepEqual(new Set(later.map(({ key }) => key)), new Set(['sk-second-key']));
});

test('an old bundle that somebody publishes again is refused, by a restarted launcher too; the same one again is fine', async () => {
  await succeeds(provision());
  const path = credentialsPath();
  const old = (await stand.matrix(path)).body as Record<string, unknown>;
  writeFileSync(file('key2'), 'sk-newer-key');
  await succeeds(credential('rotate', AGENT, '--secret', `MODEL_KEY=file:${file('key2')}`));
  const newer = (await stand.matrix(path)).body as Record<string, unknown>;
  await deploy();
  await untilHeld('sk-newer-key');
  await stand.matrix(path, { method: 'PUT', body: old });
  const log = (): string => readFileSync(stand.paths.processLog('launcher'), 'utf8');
  await until('the launcher to refuse it', WAIT_MILLISECONDS, () => log().includes('bundle_replayed'));
  const launcher = stand.process('launcher').pid;
  process.kill(launcher, 'SIGKILL');
  await until('another launcher', WAIT_MILLISECONDS, () =>
    stand.processes().some(({ role, pid, zombie }) => role === 'launcher' && pid !== launcher && !zombie),
  );
  const refusals = (): number => log().split('bundle_replayed').length;
  const before = refusals();
  await stand.matrix(path, { method: 'PUT', body: { ...old, again: 1 } });
  await until('the new launcher to refuse it too', WAIT_MILLISECONDS, () => refusals() > before);
  await stand.matrix(path, { method: 'PUT', body: { ...newer, again: 2 } });
  const held = proxies().find((each) => countInMemory(each, 'sk-newer-key') > 0) ?? assert.fail('no proxy holds it');
  process.kill(held, 'SIGKILL');
  await until('it to be gone', WAIT_MILLISECONDS, () => !proxies().includes(held));
  await untilHeld('sk-newer-key');
  assert.ok(proxies().every((pid) => countInMemory(pid, 'sk-first-key') === 0));
});

test('what is wrong is refused before anything is published, and no secret is shown', async () => {
  await succeeds(provision());
  const shown = await succeeds(credential('show', AGENT, '--json'));
  writeFileSync(file('crlf'), 'sk-hunter2\r\nX-Evil: 1');
  for (const [words, code] of [
    [['rotate', AGENT, '--secret', `MODEL_KEY=file:${file('crlf')}`], 'holds a line end'],
    [['rotate', AGENT, '--secret', 'OTHER_KEY=env:HOME'], 'has no secret OTHER_KEY'],
    [['rotate', AGENT, '--secret', 'MODEL_KEY=sk-hunter2'], 'never an argument'],
    [['provision', AGENT, '--secret', 'SPARE=env:HOME'], 'Nothing uses secret SPARE'],
    [['provision', AGENT, '--secret', 'MATRIX_TOKEN=env:HOME'], 'made by Bureau'],
    [['provision', AGENT, '--services', file('key')], 'expected JSON'],
    [['revoke', AGENT, '--upstream', 'matrix'], 'no upstream "matrix"'],
    [['show', 'team/nobody'], 'found none'],
  ] as const) {
    const { code: exit, stderr, stdout } = await credential(...words);
    assert.notEqual(exit, 0);
    assert.match(stderr, new RegExp(code));
    assert.doesNotMatch(stderr + stdout, /hunter2/);
  }
  assert.equal(await succeeds(credential('show', AGENT, '--json')), shown);
  assert.doesNotMatch(shown + (await succeeds(credential('list'))), /sk-first/);
});

test('recover opens a bundle with the escrow key alone: to a 0600 file, or sealed anew', async () => {
  await succeeds(provision());
  const escrow = file('escrow');
  writeFileSync(escrow, readFileSync(stand.paths.escrowKeyFile), { mode: 0o600 });
  await succeeds(credential('recover', AGENT, '--escrow', escrow, '--output', file('out')));
  assert.equal(statSync(file('out')).mode & 0o777, 0o600);
  const { secrets } = JSON.parse(readFileSync(file('out'), 'utf8')) as { secrets: Record<string, string> };
  assert.equal(Buffer.from(secrets['MODEL_KEY'] ?? '', 'base64').toString(), 'sk-first-key');
  assert.match((await credential('recover', AGENT, '--output', file('out'))).stderr, /Refused to write/);
  await succeeds(credential('recover', AGENT, '--escrow', escrow));
  await deploy();
  await untilHeld('sk-first-key');
  const other = await credential('recover', AGENT, '--escrow', stand.paths.operatorKeyFile);
  assert.match(other.stderr, /age identity/);
});

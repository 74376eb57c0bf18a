// SPDX-License-Identifier: Apache-2.0
// Bundles as a stolen daemon could have them made, at the real launcher. Beside each: the same one with that single fault mended is taken.
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  callFrames,
  forgeBundle,
  speakAs,
  startStand,
  until,
  type ForgedBundle,
  type PeerOutcome,
  type PeerStep,
  type Stand,
} from '@bureau/testkit';

const WAIT_MILLISECONDS = 20_000;
const BUNDLE_MAX_BYTES = 256 * 1024;
const HOUR = 3_600_000;
const [MINE, OTHER] = ['forged/mine', 'forged/other'];

let stand: Stand;
let signer: KeyObject;
let escrow: string;
let recipient: string;
let machine: string;
let daemon = 0;
let issued = 0;

before(async () => {
  stand = await startStand({ demo: false });
  signer = createPrivateKey(readFileSync(stand.paths.operatorKeyFile));
  const identity = await asDaemon([launcher('status', {})]);
  ({ recipient, machine } = outputOf(identity[0]) as { recipient: string; machine: string });
  escrow = await escrowRecipient();
  daemon = stand.process('daemon').pid;
  process.kill(daemon, 'SIGSTOP');
});
after(async () => {
  process.kill(daemon, 'SIGCONT');
  await stand.end();
});

/** Bundles list their recipients in the open. */
async function escrowRecipient(): Promise<string> {
  const { code, stderr } = await stand.bureau(['run', OTHER, '--', 'true']);
  assert.equal(code, 0, stderr);
  const { configRoom } = JSON.parse(readFileSync(stand.paths.machineFile, 'utf8')) as { configRoom: string };
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(configRoom)}/state/m.bureau.credentials/${encodeURIComponent(OTHER)}`;
  const { recipients } = (await stand.matrix(path)).body as { recipients: string[] };
  return recipients.find((each) => each !== recipient) ?? assert.fail('no escrow among the recipients');
}

const asDaemon = (steps: readonly PeerStep[]): Promise<PeerOutcome[]> => speakAs({ uid: stand.uidBase, gid: stand.uidBase }, steps);

function launcher(method: string, input: unknown, bytes: Record<string, string> = {}): PeerStep {
  return { socket: stand.paths.launcherSocket, contract: 'launcher', method, input, bytes };
}

function outputOf(outcome: PeerOutcome | undefined): unknown {
  assert.ok(outcome?.ok === true, JSON.stringify(outcome));
  return outcome.output;
}

/** A header that is right, and newer than any before it. */
function header(changes: Record<string, unknown> = {}): Record<string, unknown> {
  issued = Math.max(Date.now() - HOUR, issued + 1);
  const upstreams = { model: { url: 'https://model.invalid', inject: [{ secret: 'KEY', header: 'X-Api-Key' }] } };
  const [principal, user_id] = [MINE, `@${MINE}:bureau.local`];
  return { v: 1, principal, machine, user_id, issued_at: issued, expires_at: Date.now() + HOUR, upstreams, ...changes };
}

const forge = (changes: Partial<ForgedBundle> = {}): Promise<string> =>
  forgeBundle({ header: header(), secrets: { KEY: 'forged-key-4c1d' }, signature: signer, recipients: [recipient, escrow], ...changes });

async function rotates(bundle: string, principal = MINE): Promise<string> {
  const [outcome] = await asDaemon([launcher('rotate', { principal }, { bundle })]);
  return outcome?.ok === false ? outcome.code : 'taken';
}

/** Everything of the age header of one, everything sealed of the other. */
function spliced(one: string, other: string): string {
  const [first, second] = [one, other].map((bundle) => {
    const bytes = Buffer.from(bundle, 'base64');
    const end = bytes.indexOf('\n', bytes.indexOf('\n--- ') + 1) + 1;
    return [bytes.subarray(0, end), bytes.subarray(end)] as const;
  });
  return Buffer.concat([first?.[0] ?? Buffer.alloc(0), second?.[1] ?? Buffer.alloc(0)]).toString('base64');
}

const stranger = generateKeyPairSync('ed25519');

const FAULTS: readonly (readonly [what: string, code: string, bad: () => Promise<string>, mended: () => Promise<string>])[] = [
  ['sealed to the escrow alone', 'bundle_unreadable', () => forge({ recipients: [escrow] }), () => forge({ recipients: [recipient] })],
  [
    'with the recipients of another bundle',
    'bundle_unreadable',
    async () => spliced(await forge(), await forge()),
    async () => {
      const whole = await forge();
      return spliced(whole, whole);
    },
  ],
  [
    'of another machine',
    'bundle_machine',
    () => forge({ header: header({ machine: 'machine/elsewhere' }) }),
    () => forge({ header: header({ machine }) }),
  ],
  [
    'of another principal',
    'bundle_principal',
    () => forge({ header: header({ principal: OTHER }) }),
    () => forge({ header: header({ principal: MINE }) }),
  ],
  ['whose signature is of another header', 'bundle_signature', () => forge({ signedHeader: header() }), () => forge()],
  ['whose signature is 64 zeros', 'bundle_signature', () => forge({ signature: Buffer.alloc(64) }), () => forge()],
  ['without a signature', 'bundle_signature', () => forge({ signature: Buffer.alloc(0) }), () => forge()],
  ['that a stranger signed', 'bundle_signature', () => forge({ signature: stranger.privateKey }), () => forge({ signature: signer })],
  [
    'that has expired',
    'bundle_expired',
    () => forge({ header: header({ expires_at: Date.now() - 1 }) }),
    () => forge({ header: header({ expires_at: Date.now() + HOUR }) }),
  ],
  [
    'of the future',
    'bundle_not_yet_valid',
    () => forge({ header: header({ issued_at: Date.now() + HOUR, expires_at: Date.now() + 2 * HOUR }) }),
    () => forge(),
  ],
  ['that never ends', 'bundle_malformed', () => forge({ header: header({ expires_at: Date.now() + 1_000 * 86_400_000 }) }), () => forge()],
  [
    'with a field more',
    'bundle_malformed',
    () => forge({ header: header({ allowed_spec: [] }) }),
    () => forge({ header: header({ allowed_specs: [] }) }),
  ],
  ['without the secret that it injects', 'bundle_malformed', () => forge({ secrets: { OTHER_KEY: 'x' } }), () => forge()],
];

for (const [what, code, bad, mended] of FAULTS) {
  test(`a bundle ${what} is refused with ${code}; mended, it is taken`, async () => {
    assert.equal(await rotates(await bad()), code);
    assert.equal(await rotates(await mended()), 'taken');
  });
}

test('what a bundle was refused for counts at create too, and nothing of it is kept', async () => {
  const create = (bundle: string): PeerStep =>
    launcher('create', { principal: 'forged/fresh', id: 'stolen-0', spec: { v: 1, command: ['true'] } }, { bundle });
  const [refused, without] = await asDaemon([
    create(await forge({ header: header({ principal: 'forged/fresh' }), signature: stranger.privateKey })),
    launcher('create', { principal: 'forged/fresh', id: 'stolen-1', spec: { v: 1, command: ['true'] } }),
  ]);
  assert.equal(refused?.ok === false && refused.code, 'bundle_signature');
  assert.equal(without?.ok === false && without.code, 'no_credentials');
});

test('no name gets a number for life, or bars others, unless an operator has signed for it', async () => {
  const numbers = (): string[] => {
    const { principals } = JSON.parse(readFileSync(stand.paths.numbersFile, 'utf8')) as { principals: Record<string, number> };
    return Object.keys(principals);
  };
  const before = numbers();
  const spec = { v: 1, command: ['true'] };
  const outcomes = await asDaemon([
    launcher('create', { principal: 'squat/one', id: 'stolen-0', spec }),
    launcher('create', { principal: 'squat/two', id: 'stolen-0', spec }, { bundle: await forge() }),
    launcher('rotate', { principal: 'squat/three' }, { bundle: await forge() }),
    launcher('rotate', { principal: 'squat' }, { bundle: '' }),
    launcher('authorize', { principal: 'squat/four', authorization: { grants: [], denials: [] } }),
  ]);
  const codes = outcomes.map((outcome) => (outcome.ok ? 'done' : outcome.code));
  assert.deepEqual(codes, ['no_credentials', 'bundle_principal', 'bundle_principal', 'bundle_unreadable', 'not_found']);
  assert.deepEqual(numbers(), before);
  assert.equal(await rotates(await forge({ header: header({ principal: 'squat/five' }) }), 'squat/five'), 'taken');
  assert.deepEqual(numbers(), [...before, 'squat/five']);
});

test('the stranger’s signature is good once the owner has pinned him, and not any more when he is gone', async () => {
  const file = join(stand.paths.operatorsDirectory, 'stranger.pub');
  const theirs = (): Promise<string> => forge({ signature: stranger.privateKey });
  writeFileSync(file, stranger.publicKey.export({ format: 'pem', type: 'spki' }), { mode: 0o644 });
  try {
    assert.equal(await rotates(await theirs()), 'taken');
  } finally {
    rmSync(file);
  }
  assert.equal(await rotates(await theirs()), 'bundle_signature');
});

test('policy says who signs for whom: a pinned operator is refused by the rule "signers" for principals that are not his', async () => {
  const file = join(stand.paths.operatorsDirectory, 'stranger.pub');
  const rules = (signers: unknown): void => writeFileSync(stand.paths.policyFile, JSON.stringify({ v: 1, signers }), { mode: 0o644 });
  const theirs = (principal = MINE): Promise<string> => forge({ header: header({ principal }), signature: stranger.privateKey });
  writeFileSync(file, stranger.publicKey.export({ format: 'pem', type: 'spki' }), { mode: 0o644 });
  try {
    rules([{ operator: 'stranger', principals: ['elsewhere/**'] }]);
    const [refused] = await asDaemon([launcher('rotate', { principal: MINE }, { bundle: await theirs() })]);
    assert.ok(refused?.ok === false);
    assert.equal(refused.code, 'bundle_signer');
    assert.match(refused.message, /rule "signers": stranger signed it, and for "forged\/mine" the policy lets nobody sign/);
    assert.equal(await rotates(await forge()), 'bundle_signer', 'the stand’s own operator is not listed either');
    assert.match(readFileSync(stand.paths.processLog('launcher'), 'utf8'), /"reason":"bundle_signer: signers"/);
    rules([{ operator: 'stranger', principals: ['elsewhere/**', MINE] }]);
    assert.equal(await rotates(await theirs()), 'taken');
    rules([{ operator: 'stranger', principals: ['forged/*'] }]);
    assert.equal(await rotates(await theirs()), 'taken');
    assert.equal(await rotates(await theirs('elsewhere/one'), 'elsewhere/one'), 'bundle_signer');
  } finally {
    rmSync(stand.paths.policyFile);
    rmSync(file);
  }
  assert.equal(await rotates(await forge()), 'taken', 'without the rule every pinned operator signs for all');
});

test('as raw frames past a client’s checks, too much is refused by the launcher itself; the most that it takes gets judged', async () => {
  const { pid } = stand.process('launcher');
  const raw = (bytes: number, said?: string): PeerStep => ({
    socket: stand.paths.launcherSocket,
    raw: callFrames('rotate', { principal: MINE, bundle: Buffer.alloc(bytes, 0x61) }),
    ...(said === undefined ? {} : { until: said }),
  });
  const vast = Buffer.alloc(4);
  vast.writeUInt32BE(64 * 1024 * 1024);
  const steps = [raw(BUNDLE_MAX_BYTES + 1, 'invalid_input'), raw(BUNDLE_MAX_BYTES, 'bundle_unreadable')];
  const frames = Buffer.from(callFrames('status', {}), 'base64');
  const outcomes = await asDaemon([
    ...steps,
    { socket: stand.paths.launcherSocket, raw: Buffer.concat([frames, vast]).toString('base64') },
  ]);
  const said = outcomes.map((outcome) => outputOf(outcome) as { closed: boolean; said: string });
  assert.match(said[0]?.said ?? '', /invalid_input/);
  assert.match(said[1]?.said ?? '', /bundle_unreadable/);
  assert.ok(said[2]?.closed === true, 'a frame of 64 MiB ends the connection');
  assert.equal(stand.process('launcher').pid, pid);
  await until('the launcher to answer', WAIT_MILLISECONDS, async () => (await asDaemon([launcher('list', {})]))[0]?.ok === true);
});

test('the launcher’s socket: with the daemon’s group but not its uid a peer is refused by the kernel’s word; the daemon itself is served', async () => {
  const status = launcher('status', {});
  const refusals = (): (number | undefined)[] =>
    readFileSync(stand.paths.processLog('launcher'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('a peer with a uid that is not allowed was refused'))
      .map((line) => (JSON.parse(line) as { peer?: { uid: number } }).peer?.uid);
  for (const uid of [65_534, 0, stand.uidBase + 1, stand.uidBase + 16, stand.uidBase + 17]) {
    const [outcome] = await speakAs({ uid, gid: stand.uidBase }, [status]);
    // The end of the connection may come before its reason.
    assert.match(outcome?.ok === false ? outcome.code : 'served', /^(peer_refused|connection_lost)$/, `uid ${uid}`);
    assert.ok(refusals().includes(uid), `uid ${uid} was refused by SO_PEERCRED, not on the way there`);
  }
  outputOf((await asDaemon([status]))[0]);
});

test('each request to the real launcher that would change something leaves one audit line, whatever becomes of it', async () => {
  const written = (): { what: string; result: string; reason?: string; target?: string; who: string }[] =>
    readFileSync(stand.paths.processLog('launcher'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('"audit"'))
      .map((line) => (JSON.parse(line) as { audit: { what: string; result: string; who: string } }).audit);
  const before = written().length;
  const on = { principal: OTHER, id: 'nothing-0' };
  await asDaemon([
    launcher('create', { ...on, spec: { v: 1, command: ['true'], profile: 'debug' } }),
    launcher('create', { ...on, spec: { v: 1, command: [] } }),
    launcher('destroy', { ...on, graceMilliseconds: 0 }),
    launcher('forget', on),
    launcher('signal', { ...on, signal: 'SIGTERM' }),
    launcher('updatePayload', { ...on, payload: {} }),
    launcher('authorize', { principal: 'forged/nobody', authorization: { grants: [], denials: [] } }),
    launcher('rotate', { principal: MINE }, { bundle: '' }),
    launcher('rotate', { principal: MINE }, { bundle: await forge() }),
    launcher('nonsense', {}),
    launcher('list', {}),
  ]);
  const lines = written().slice(before);
  assert.ok(lines.every(({ who }) => who === `uid:${stand.uidBase}`));
  assert.deepEqual(
    lines.map(({ what, result, reason = '' }) => `${what} ${result} ${reason}`.trim()),
    [
      'create refused spec_refused: profile_not_allowed',
      'create refused invalid_input',
      'destroy refused not_found',
      'forget refused not_found',
      'signal refused not_found',
      'updatePayload refused not_found',
      'authorize refused not_found',
      'rotate refused bundle_unreadable',
      'rotate ok',
      'nonsense refused unknown_method',
    ],
  );
});

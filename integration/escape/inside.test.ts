// SPDX-License-Identifier: Apache-2.0
// Attacks from inside. Each is made three times: in a sandbox that the real launcher started; in one that is planned by the launcher's
// own code and started here, where it must fail as well; and in the same with one guard away, where it must succeed.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { attackCommand, parseOutcomes, PORTABLE_ATTACKS, type Attack, type AttackFacts, type AttackOutcome } from '@bureau/escape';
import { readCredentials, runCommand, startStand, type Stand } from '@bureau/testkit';
import { WALL_UID, WallFixture } from '@bureau/testkit/wall';
import { controlOf } from './controls.ts';
import { Traps } from './traps.ts';

const PRINCIPAL = 'escape/one';
/** All attacks of one run: some wait a second or two for an answer that must not come. */
const RUN_MILLISECONDS = 90_000;

const traps = new Traps();
const wall = new WallFixture();
let stand: Stand;
const outcomes = new Map<string, ReadonlyMap<string, AttackOutcome>>();

before(async () => {
  await traps.start();
  await traps.plantPrograms(wall.workspace);
  stand = await startStand({ demo: false });
  outcomes.set('piped', await inRealSandbox(PORTABLE_ATTACKS));
  outcomes.set('on a terminal', await onRealTerminal(PORTABLE_ATTACKS));
  outcomes.set('planned here', await inFixture(PORTABLE_ATTACKS));
  outcomes.set('planned here, strict', await inFixture(PORTABLE_ATTACKS, { profile: 'strict' }));
});
after(async () => {
  wall[Symbol.dispose]();
  await traps[Symbol.asyncDispose]();
  await stand.end();
});

/** Everything of the stand that no payload may see. */
function factsOfStand(): AttackFacts {
  const { paths } = stand;
  const hostPaths = [
    paths.configDir,
    paths.stateDir,
    paths.systemDir,
    paths.principalsDir,
    paths.logDir,
    paths.credentialFile,
    paths.launcherSocket,
    paths.daemonSocket,
  ];
  return traps.facts({
    hostPaths,
    markers: [traps.other, paths.configDir, `${paths.stateDir}/launcher`],
    ownPaths: [paths.stateDir],
    readOnlyBind: '',
  });
}

/** The first run makes the workspace; the programs of root are planted into it, as a careless operator would. */
async function inRealSandbox(attacks: readonly Attack[]): Promise<ReadonlyMap<string, AttackOutcome>> {
  const first = await stand.bureau(['run', PRINCIPAL, '--', 'true']);
  assert.equal(first.code, 0, first.stderr);
  await traps.plantPrograms(stand.paths.workspaceOf(PRINCIPAL as never));
  const { stdout, stderr } = await stand.bureau(['run', PRINCIPAL, '--no-tty', '--', ...attackCommand(attacks, factsOfStand())], {
    timeoutMilliseconds: RUN_MILLISECONDS,
  });
  assert.notEqual(stdout, '', stderr);
  return parseOutcomes(attacks, stdout);
}

/** What is printed on a terminal is for a person: the answer is left in the workspace. */
async function onRealTerminal(attacks: readonly Attack[]): Promise<ReadonlyMap<string, AttackOutcome>> {
  const script = 'exec "$@" > /workspace/said';
  await using terminal = stand.terminal(['run', PRINCIPAL, '--', 'sh', '-c', script, 'sh', ...attackCommand(attacks, factsOfStand())]);
  assert.equal(await terminal.exitedWithin(RUN_MILLISECONDS), 0);
  const { stdout } = await runCommand('/bin/cat', [`${stand.paths.workspaceOf(PRINCIPAL as never)}/said`]);
  return parseOutcomes(attacks, stdout);
}

function factsOfFixture(): AttackFacts {
  return traps.facts({ hostPaths: [wall.directory], markers: [traps.other], ownPaths: [wall.directory], readOnlyBind: '' });
}

async function inFixture(
  attacks: readonly Attack[],
  spec: { readonly profile?: 'strict' } = {},
): Promise<ReadonlyMap<string, AttackOutcome>> {
  const { stdout, stderr } = await wall.run(attackCommand(attacks, factsOfFixture()), {}, spec);
  assert.notEqual(stdout, '', stderr);
  return parseOutcomes(attacks, stdout);
}

/** With the guard away; the programs of root are started on the host, by the same uid. */
async function withoutGuard(attack: Attack): Promise<AttackOutcome> {
  const control = controlOf(attack.name, traps);
  const stdout =
    control === undefined
      ? await onHost(attack)
      : (await wall.run(attackCommand([attack], factsOfFixture()), control.change, control.spec)).stdout;
  control?.after?.();
  return parseOutcomes([attack], stdout).get(attack.name) ?? assert.fail('an outcome for each attack');
}

async function onHost(attack: Attack): Promise<string> {
  const facts = factsOfFixture();
  const outside = (path: string): string => path.replace(/^\/workspace/, wall.workspace);
  const program = attackCommand([attack], {
    ...facts,
    setUserId: outside(facts.setUserId),
    fileCapabilities: outside(facts.fileCapabilities),
  });
  const words = ['--reuid', `${WALL_UID}`, '--regid', `${WALL_UID}`, '--clear-groups', '--', ...program];
  const { stdout, stderr } = await runCommand('/usr/bin/setpriv', words);
  assert.notEqual(stdout, '', stderr);
  return stdout;
}

for (const attack of PORTABLE_ATTACKS) {
  describe(`${attack.name} (test ${attack.test}): ${attack.title}`, () => {
    test(`attack: ${attack.name} is stopped by: ${attack.guard}`, (context) => {
      for (const [where, all] of outcomes) {
        const { verdict, detail } = all.get(attack.name) ?? assert.fail(where);
        assert.equal(verdict, 'refused', `${where}: ${detail}`);
        if (where === 'piped') context.diagnostic(detail.slice(0, 160));
      }
    });
    test(`control: ${attack.name} succeeds with: ${attack.control}`, async () => {
      const { verdict, detail } = await withoutGuard(attack);
      assert.equal(verdict, 'succeeded', detail);
    });
  });
}

test('no datagram of a sandbox reached the host; its control’s did', () => {
  assert.equal(traps.datagrams, 1);
});

describe('bureau sandbox test', () => {
  const SELF_TEST = PORTABLE_ATTACKS.filter(({ needsPlanted }) => needsPlanted !== true).length;

  test('says that each attack was refused, and ends with 0', async () => {
    const { code, stdout, stderr } = await stand.bureau(['sandbox', 'test'], { timeoutMilliseconds: RUN_MILLISECONDS });
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, new RegExp(`^${SELF_TEST} attacks, ${SELF_TEST} refused, 0 succeeded, 0 could not be tried$`, 'm'));
  });

  test('ends with 1 and names what succeeded: tracing, where policy and template allow the profile debug', async () => {
    writeFileSync(stand.paths.policyFile, '{"v":1,"profiles":["strict","default","debug"]}', { mode: 0o644 });
    const room = encodeURIComponent(
      readCredentials(stand.facts.credential_file).get('MATRIX_TEMPLATE_ROOM') ?? assert.fail('a template room'),
    );
    const body = { v: 1, description: 'debug', environment: {}, mounts: [], profile: 'debug' };
    const { status } = await stand.matrix(`/_matrix/client/v3/rooms/${room}/state/m.bureau.template/debug`, { method: 'PUT', body });
    assert.equal(status, 200);
    const { code, stdout, stderr } = await stand.bureau(['sandbox', 'test', '--json', '--template', 'debug'], {
      timeoutMilliseconds: RUN_MILLISECONDS,
    });
    assert.equal(code, 1, stderr);
    const report = JSON.parse(stdout) as { ok: boolean; succeeded: number; attacks: { name: string; verdict: string }[] };
    assert.equal(report.ok, false);
    assert.deepEqual(
      report.attacks.filter(({ verdict }) => verdict !== 'refused').map(({ name, verdict }) => `${name} ${verdict}`),
      ['tracing succeeded'],
    );
  });
});

// SPDX-License-Identifier: Apache-2.0
// Attacks from inside. Each is made in a sandbox that the real launcher started, where it must fail, and in one with a guard away, where
// it must succeed. That one is started by the launcher of the same stand or, where the guard is its relay's, by the test from what the
// launcher's code plans (control-starts.ts); there and in a weak launcher's other sandboxes it must fail as well.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { attackCommand, parseOutcomes, PORTABLE_ATTACKS, type Attack, type AttackFacts, type AttackOutcome } from '@bureau/escape';
import { readCredentials, runCommand, startStand, type Stand } from '@bureau/testkit';
import { filterAnswering, WALL_UID, WallFixture, type WallChange } from '@bureau/testkit/wall';
import { controlStart } from './control-starts.ts';
import { controlOf, weaknessOf } from './controls.ts';
import { Traps } from './traps.ts';
import { WeakControls, type WeakSandboxes } from './weak-controls.ts';

const PRINCIPAL = 'escape/one';
/** All attacks of one run: some wait a second or two for an answer that must not come. */
const RUN_MILLISECONDS = 90_000;

/** Its launcher leaves out a guard. */
const WEAK = 'escape/weak';
const ENODATA = 61;
const KERNEL_CODE = ['init_module', 'finit_module', 'delete_module', 'kexec_load', 'kexec_file_load', 'reboot', 'syslog'];

const traps = new Traps();
const wall = new WallFixture();
const weakControls = new WeakControls();
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
  weakControls[Symbol.dispose]();
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

/** One outcome of a run of this attack alone in the fixture. */
async function inChangedFixture(attack: Attack, change: WallChange, spec?: { readonly directory: string }): Promise<AttackOutcome> {
  return outcomeOf(attack, (await wall.run(attackCommand([attack], factsOfFixture()), change, spec)).stdout);
}

function outcomeOf(attack: Attack, stdout: string): AttackOutcome {
  return parseOutcomes([attack], stdout).get(attack.name) ?? assert.fail('an outcome for each attack');
}

/** The programs of root are started on the host, by the same uid. */
async function onHost(attack: Attack): Promise<AttackOutcome> {
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
  return outcomeOf(attack, stdout);
}

/** Attacks that succeed for want of the same guard share one sandbox: its outcomes, by what is away. */
const weakOutcomes = new Map<string, Promise<ReadonlyMap<string, AttackOutcome>>>();

async function byWeakLauncher({ name }: Attack, weak: WeakSandboxes): Promise<AttackOutcome> {
  const weakness = weaknessOf(name, traps);
  const key = JSON.stringify(weakness);
  const alike = PORTABLE_ATTACKS.filter(
    (other) => controlStart(other.name) === 'launcher' && JSON.stringify(weaknessOf(other.name, traps)) === key,
  );
  const started =
    weakOutcomes.get(key) ??
    weak.run(WEAK, weakness, attackCommand(alike, factsOfStand())).then(({ stdout, stderr }) => {
      assert.notEqual(stdout, '', stderr);
      return parseOutcomes(alike, stdout);
    });
  weakOutcomes.set(key, started);
  return (await started).get(name) ?? assert.fail('an outcome for each attack');
}

function succeeded({ verdict, detail }: AttackOutcome): void {
  assert.equal(verdict, 'succeeded', detail);
}

/** Root reaches the kernel by each call that this kernel has; of the others, the answer is seen to be the filter's. */
async function assertKernelCodeControl(attack: Attack): Promise<string> {
  const { change, spec } = controlOf(attack.name, traps);
  const byRoot = await inChangedFixture(attack, change, spec);
  succeeded(byRoot);
  const byFilter = await inChangedFixture(attack, { seccomp: filterAnswering(KERNEL_CODE, ENODATA) });
  const reached = KERNEL_CODE.filter((call) => new RegExp(`(^|, )${call} \\(`).test(byRoot.detail));
  for (const call of ['reboot', 'syslog', ...(takesModules() ? ['init_module', 'finit_module', 'delete_module'] : [])])
    assert.ok(reached.includes(call), `${call}: ${byRoot.detail}`);
  for (const call of KERNEL_CODE.filter((name) => !reached.includes(name)))
    assert.match(byFilter.detail, new RegExp(`${call} \\(ENODATA\\)`));
  return `reached by root: ${reached.join(', ')}`;
}

function takesModules(): boolean {
  return existsSync('/proc/modules') && readFileSync('/proc/sys/kernel/modules_disabled', 'utf8').trim() === '0';
}

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

for (const attack of PORTABLE_ATTACKS) {
  const control = `control: ${attack.name} succeeds with: ${attack.control}`;
  const start = controlStart(attack.name);
  describe(`${attack.name} (test ${attack.test}): ${attack.title}`, () => {
    test(`attack: ${attack.name} is stopped by: ${attack.guard}`, (context) => {
      for (const [where, all] of outcomes) {
        const { verdict, detail } = all.get(attack.name) ?? assert.fail(where);
        assert.equal(verdict, 'refused', `${where}: ${detail}`);
        if (where === 'piped') context.diagnostic(detail.slice(0, 160));
      }
    });
    if (start === 'launcher') weakControls.add(control, async (weak) => succeeded(await byWeakLauncher(attack, weak)));
    else if (start === 'host') test(control, async () => succeeded(await onHost(attack)));
    else if (attack.name === 'kernel_code') test(control, async (context) => context.diagnostic(await assertKernelCodeControl(attack)));
    else
      test(control, async () => {
        const { change, spec, after: close } = controlOf(attack.name, traps);
        const outcome = await inChangedFixture(attack, change, spec);
        close?.();
        succeeded(outcome);
      });
  });
}

weakControls.add('a weak launcher’s sandboxes of other principals refuse every attack: its controls differ in nothing else', async () => {
  for (const [name, { verdict, detail }] of await inRealSandbox(PORTABLE_ATTACKS)) assert.equal(verdict, 'refused', `${name}: ${detail}`);
});
weakControls.add(
  'without --unshare-net the launcher’s own empty network is still in the way of every attack on the network',
  async (weak) => {
    const attacks = PORTABLE_ATTACKS.filter(({ name }) => controlStart(name) === 'fixture: network');
    const { stdout } = await weak.run(WEAK, { options: [{ take: ['--unshare-net'], by: [] }] }, attackCommand(attacks, factsOfStand()));
    for (const [name, { verdict, detail }] of parseOutcomes(attacks, stdout)) assert.equal(verdict, 'refused', `${name}: ${detail}`);
  },
);
weakControls.declare(() => stand);

test('no datagram of a sandbox reached the host; its control’s did', () => {
  assert.equal(traps.datagrams, 1);
});

// SPDX-License-Identifier: Apache-2.0
// A stolen daemon that asks the real launcher for random sandboxes: each is refused with a reason, or stands and ends; the launcher lives on.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { speakAs, startStand, type PeerOutcome, type PeerStep, type Stand } from '@bureau/testkit';

const RUN_MILLISECONDS = 20_000;
const BATCH = 24;
const PRINCIPALS = ['random/one', 'random/two'];
/** A bug would be `internal`. */
const REASONS =
  /^(spec_refused|invalid_input|mount_refused|root_refused|environment_refused|argument_refused|file_missing|variable_unknown|start_failed)$/;

let stand: Stand;
before(async () => {
  stand = await startStand({ demo: false });
  for (const name of PRINCIPALS) {
    const { code, stderr } = await stand.bureau(['run', name, '--', 'true']);
    assert.equal(code, 0, stderr);
  }
  const policy = {
    v: 1,
    binds: [
      { source: '/usr/share', mode: 'ro' },
      { source: '/opt', mode: 'rw' },
    ],
    devices: ['/dev/null'],
    limits: { tmpfsSize: 2 ** 26 },
  };
  writeFileSync(stand.paths.policyFile, JSON.stringify(policy), { mode: 0o644 });
});
after(async () => {
  rmSync(stand.paths.policyFile, { force: true });
  process.kill(stand.process('daemon').pid, 'SIGCONT');
  await stand.end();
});

const asDaemon = (steps: readonly PeerStep[]): Promise<PeerOutcome[]> => speakAs({ uid: stand.uidBase, gid: stand.uidBase }, steps);
const launcher = (method: string, input: unknown): PeerStep => ({
  socket: stand.paths.launcherSocket,
  contract: 'launcher',
  method,
  input,
});

/** mulberry32: small, and the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A spec that often fits the schema, of everything that a spec can have. */
function randomSpec(random: () => number): Record<string, unknown> {
  const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(random() * values.length)] as Value;
  const number = (): number => pick([8, 64, 100, 4_096, 4_096, 2 ** 16, 2 ** 20, 2 ** 24, 4_096, 2 ** 20, 2 ** 24, 2 ** 26, 2 ** 40, -1]);
  const malformed = (): string => pick(['/usr/../etc', '//x', 'x', '', '/a\n', '/${HOME}', '/\u202ex', `/${'x'.repeat(300)}`, '/a\0']);
  const hosts = [
    '/usr/share/doc',
    '/usr/share',
    '/opt',
    '/opt/x',
    '/dev/null',
    '/dev/sda',
    '/etc',
    '/',
    '/proc/1/root',
    '/srv',
    '/nix/store/x',
  ];
  const inside = [
    '/mnt',
    '/mnt/a',
    '/mnt/a/b',
    '/workspace',
    '/workspace/a',
    '/tmp/x',
    '/run/bureau',
    '/newroot',
    '/oldroot',
    '/--ro-bind',
  ];
  const patterns = ['/usr/share/*', '/usr/share/?oc', '/opt/*', '/${MACHINE_NAME}', '/$${x}', stand.paths.stateDir];
  const path = (): string => (random() < 0.04 ? malformed() : pick([...hosts, ...inside, ...patterns]));
  const oddWords = ['__proto__', 'constructor', '-x', 'a b', '', 'x'.repeat(70), '..'];
  const word = (): string => (random() < 0.06 ? pick(oddWords) : pick(['A', 'PATH', 'LD_PRELOAD', 'BUREAU_X', 'KEPT', 'TERM']));
  const flag = (): unknown => pick([true, false, true, false, true, false, 'true']);
  const some = <Value>(make: () => Value): Value[] => Array.from({ length: Math.floor(random() * 4) }, make);
  const mount = (): unknown => {
    const optional = random() < 0.3 ? { optional: flag() } : {};
    switch (pick(['bind', 'bind', 'bind', 'tmpfs', 'tmpfs', 'overlay', 'overlay', 'device', 'device', 'proc'])) {
      case 'bind':
        return {
          type: 'bind',
          source: path(),
          destination: path(),
          ...(random() < 0.4 ? { mode: pick(['ro', 'rw']) } : {}),
          ...(random() < 0.3 ? { glob: true } : {}),
          ...optional,
        };
      case 'tmpfs':
        return { type: 'tmpfs', destination: path(), ...(random() < 0.5 ? { size: number() } : {}) };
      case 'overlay':
        return {
          type: 'overlay',
          lower: path(),
          destination: path(),
          ...(random() < 0.5 ? { upper: pick<unknown>(['tmpfs', { kept: pick(['kept', 'a', '..']) }]) } : {}),
        };
      case 'device':
        return { type: 'device', source: path(), ...optional };
      default:
        return { type: 'proc', destination: path() };
    }
  };
  const fields: Record<string, () => unknown> = {
    environment: () => Object.fromEntries(some(() => [word(), word()])),
    prependVariables: () => Object.fromEntries(some(() => [word(), path()])),
    mounts: () => some(mount),
    createDirectories: () => some(path),
    secretFiles: () => some(word),
    directory: path,
    terminal: flag,
    scratchSize: number,
    profile: () => pick(['strict', 'default', 'debug']),
    resources: () => Object.fromEntries(some(() => [pick(['memory', 'pids', 'cpuWeight', 'cpuQuota', 'openFiles', 'fileSize']), number()])),
    payload: () => ({ [word()]: word() }),
    trigger: () => ({ [word()]: number() }),
    scratch: () => pick(['memory', 'disk']),
    root: () => pick<unknown>([{ type: 'host' }, { type: 'directory', path: path() }, { type: 'nix', environment: path() }]),
    gpu: flag,
    namespaces: () => ({ [pick(['net', 'user', 'pid', 'mount'])]: flag() }),
    isolation: () => pick(['standard', 'none']),
    roles: () => ({ [word()]: [word()] }),
    requiredServices: () => some(word),
  };
  const spec: Record<string, unknown> = {
    v: 1,
    command: pick([['true'], ['true'], ['/nowhere'], ['sh', '-c', 'ls / /mnt; exit 3'], ['--help'], ['\u202e']]),
  };
  for (const [name, make] of Object.entries(fields)) if (random() < 0.12) spec[name] = make();
  return spec;
}

test('random specs: each stands and ends, or is refused with a reason; no bug is met, and the launcher is the same process', async (context) => {
  const seed = randomInt(2 ** 31);
  context.diagnostic(`seed ${seed}`);
  const random = randomOf(seed);
  const { pid } = stand.process('launcher');
  process.kill(stand.process('daemon').pid, 'SIGSTOP');
  const until = performance.now() + RUN_MILLISECONDS;
  const found = new Map<string, number>();
  for (let asked = 0; performance.now() < until; asked += BATCH) {
    const specs = Array.from({ length: BATCH }, () => randomSpec(random));
    const steps = specs.flatMap((spec, at) => {
      const sandbox = { principal: PRINCIPALS[at % PRINCIPALS.length], id: `random-${asked + at}` };
      return [
        launcher('create', { ...sandbox, spec }),
        launcher('destroy', { ...sandbox, graceMilliseconds: 0 }),
        launcher('forget', sandbox),
      ];
    });
    const outcomes = await asDaemon(steps);
    for (const [at, spec] of specs.entries()) {
      const [created, destroyed] = outcomes.slice(at * 3);
      const shown = `seed ${seed}: ${JSON.stringify(spec)}: ${JSON.stringify(created)}`;
      const code = created?.ok === true ? 'stood' : (created?.code ?? 'nothing');
      if (created?.ok === true) assert.ok(destroyed?.ok === true, `${shown}: ${JSON.stringify(destroyed)}`);
      else assert.match(code, REASONS, shown);
      const rule = created?.ok === false ? (/rule "([a-z_]+)"/.exec(created.message)?.[1] ?? '') : '';
      found.set(`${code} ${rule}`, (found.get(`${code} ${rule}`) ?? 0) + 1);
    }
  }
  context.diagnostic(JSON.stringify(Object.fromEntries(found)));
  assert.equal(stand.process('launcher').pid, pid);
  assert.ok((found.get('stood ') ?? 0) > 0, 'the control: some stand');
  const log = readFileSync(stand.paths.processLog('launcher'), 'utf8');
  assert.doesNotMatch(log, /a handler failed|uncaught/);
  const [list] = await asDaemon([launcher('list', {})]);
  assert.deepEqual(list?.ok === true && list.output, { sandboxes: [] });
});

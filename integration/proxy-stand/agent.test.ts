// SPDX-License-Identifier: Apache-2.0
// What an agent in a stand does with its proxy: pip and npm through the list, an API with its key, a stream; and the key that it never finds.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CHECKOUT, runCommand, startStand, type CommandResult, type Stand } from '@bureau/testkit';
import { EventApi } from './event-api.testing.ts';
import { PACKAGE_WORDS, REGISTRY_ADDRESS, Registries } from './registries.testing.ts';

const AGENT = 'stand/one';
const KEY = `sk-canary-${randomBytes(16).toString('hex')}`;
/** Node and npm are copied into the workspace once; a package manager starts slowly on a busy machine. */
const COMMAND_MILLISECONDS = 240_000;
const EVENTS = 20;

let stand: Stand;
let registries: Registries;
let api: EventApi;
let work: string;
/** All that any command inside said. */
let said = '';

before(async () => {
  work = mkdtempSync(join(tmpdir(), 'bureau-proxy-stand-'));
  [registries, api] = [await Registries.start(), await EventApi.start(KEY)];
  stand = await startStand({ demo: false });
  const services = {
    upstreams: { model: { url: api.url, inject: [{ secret: 'MODEL_KEY', header: 'X-Api-Key' }], methods: ['GET'] } },
    egress: [{ host: REGISTRY_ADDRESS, ports: [registries.port] }],
  };
  writeFileSync(join(work, 'services.json'), JSON.stringify(services));
  const words = ['credential', 'provision', AGENT, '--services', join(work, 'services.json'), '--secret', 'MODEL_KEY=env:MODEL_KEY'];
  const provisioned = await stand.bureau(words, { env: { MODEL_KEY: KEY } });
  assert.equal(provisioned.code, 0, provisioned.stderr);
  // Node and npm are those of the checkout: a sandbox has what lies in /usr, which may be neither.
  const workspace = join(work, 'workspace');
  cpSync(process.execPath, join(workspace, 'node'));
  cpSync(join(CHECKOUT, '.toolchain/node_modules/npm'), join(workspace, 'npm'), { recursive: true, dereference: true });
  writeFileSync(join(workspace, 'authority.pem'), registries.authority);
  const copied = await stand.bureau(['run', AGENT, '--workspace', workspace, '--', 'true'], { timeoutMilliseconds: COMMAND_MILLISECONDS });
  assert.equal(copied.code, 0, copied.stderr);
});
after(async () => {
  for (const one of [registries, api]) await one[Symbol.asyncDispose]();
  rmSync(work, { recursive: true });
  await stand.end();
});

async function inside(line: string): Promise<CommandResult> {
  const result = await stand.bureau(['run', AGENT, '--no-tty', '--', 'sh', '-c', line], { timeoutMilliseconds: COMMAND_MILLISECONDS });
  said += result.stdout + result.stderr;
  return result;
}

const bridged = (line: string): string => `bureau-bridge --quiet --proxy-env -- sh -c '${line}'`;
const curl = "curl -sS --unix-socket /proxy.sock -w ' %{http_code}\\n'";

test('pip installs a package from a registry of the list, over TLS that it verifies itself', async () => {
  const index = `--index-url ${registries.url}/simple --cert authority.pem`;
  const install = `v/bin/pip install --quiet --disable-pip-version-check ${index} tiny-wheel`;
  const { code, stdout, stderr } = await inside(
    `cd /workspace && /usr/bin/python3 -m venv v && ${bridged(install)} && v/bin/python -c 'import tiny_wheel; print(tiny_wheel.WORDS)'`,
  );
  assert.deepEqual({ code, stdout: stdout.trim() }, { code: 0, stdout: PACKAGE_WORDS }, stderr);
  assert.ok(registries.seen.some((line) => line.endsWith('.whl')));
});

test('npm installs a package from a registry of the list, over TLS that it verifies itself', async () => {
  const npm = `./node npm/bin/npm-cli.js install --prefix p --cache c --no-audit --no-fund --no-update-notifier --loglevel=error --registry=${registries.url} --cafile=authority.pem tiny-pack`;
  const { code, stdout, stderr } = await inside(
    `cd /workspace && mkdir -p p && ${bridged(npm)} >&2 && ./node -p 'require("./p/node_modules/tiny-pack")'`,
  );
  assert.deepEqual({ code, stdout: stdout.trim() }, { code: 0, stdout: PACKAGE_WORDS }, stderr);
  assert.ok(registries.seen.some((line) => line.endsWith('.tgz')));
});

test('a registry that is not on the list is 403 with a reason; pip and npm end, and nothing arrives', async () => {
  const before = registries.seen.length;
  const elsewhere = `https://127.0.0.3:${registries.port}`;
  const pip = `v/bin/pip download -d d --retries 0 --disable-pip-version-check --index-url ${elsewhere}/simple --cert authority.pem tiny-wheel`;
  const denied = await inside(`cd /workspace && ${bridged(pip)}`);
  assert.notEqual(denied.code, 0);
  const told = await inside(
    `cd /workspace && ${bridged(`curl -sS -o /dev/null -w "%{http_connect}\\n" ${elsewhere}/; curl -sS http://pypi.org/simple/`)}`,
  );
  assert.match(told.stdout, /^403\r?\n/);
  assert.match(
    told.stdout,
    /"code":"egress_host_refused".*no rule of this principal's egress list names pypi\.org|no rule of this principal's egress list names pypi\.org.*"code":"egress_host_refused"/,
  );
  assert.equal(registries.seen.length, before);
});

test('an API gets its key by /v1/http/…, and the agent does not', async () => {
  const { stdout, stderr } = await inside(`${curl} -i http://bureau/v1/http/model/x; ${curl} -X POST http://bureau/v1/http/model/x`);
  assert.match(stdout, /x-echo: \[redacted\]/i, stderr);
  assert.match(stdout, /words for \*+ 200/);
  assert.match(stdout, /"upstream_rule_refused".* 403/);
  assert.equal(api.keys.at(-1), KEY);
});

test('a stream of events arrives as it is told, to its end', async () => {
  const line = `curl -sSN --unix-socket /proxy.sock "http://bureau/v1/http/model/events?count=${EVENTS}&every=200"`;
  // Each event is stamped when it is read: held back ones would all have one time.
  const { stdout, stderr } = await inside(`${line} | while read -r word rest; do [ "$word" = data: ] && date +%s%N; done; true`);
  const stamps = stdout.trim().split(/\s+/).map(Number);
  assert.equal(stamps.length, EVENTS, stderr);
  assert.ok((stamps.at(-1) ?? 0) - (stamps[0] ?? 0) > 1e9, 'they came one by one');
});

/** The key in the spellings that a leak might have; as patterns that do not find themselves: every fourth character is in brackets. */
function spellings(): string[] {
  const bytes = Buffer.from(KEY);
  // Base64 of the key wherever it stands in what was encoded.
  const inner = [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .slice(4, -4),
  );
  const reversed = Buffer.from(bytes).reverse().toString('latin1');
  return [KEY, KEY.slice(10, 34), reversed, bytes.toString('hex'), ...inner].map((form) =>
    form.replaceAll('+', '\\+').replace(/(...)([A-Za-z0-9-])/g, '$1[$2]'),
  );
}

/** Everything that the agent can read: all of its tree, its processes' environments and arguments, and of /usr what is younger than the stand. */
function search(): string {
  const patterns = spellings()
    .map((pattern) => `-e '${pattern}'`)
    .join(' ');
  const grep = `grep -a -l -s -D skip -E ${patterns}`;
  return [
    `for top in /* /.[!.]*; do case $top in /usr|/proc|/sys|/dev|/bin|/lib*|/sbin) ;; *) ${grep} -r "$top";; esac; done`,
    `find /usr -xdev -newer /workspace/authority.pem -type f -exec ${grep} {} +`,
    `${grep} /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/maps /proc/[0-9]*/mountinfo /proc/mounts /proc/cmdline`,
    `env | ${grep} -`,
    'echo searched',
  ].join('; ');
}

test('grep finds the key in nothing that the agent can read', async () => {
  const { stdout, stderr } = await inside(search());
  assert.equal(stdout.trim(), 'searched', stderr);
  for (const secret of [KEY, Buffer.from(KEY).toString('base64').slice(4, -4)]) assert.ok(!said.includes(secret));
});

test('no log has the key, no process shows it, and the daemon’s uid can read it nowhere', async () => {
  const { uidBase, paths } = stand;
  const grep = ['/bin/grep', '-r', '-a', '-l', '-s', '-D', 'skip', '-E', ...spellings().flatMap((pattern) => ['-e', pattern]), '--'];
  const daemon = ['/usr/bin/setpriv', '--reuid', `${uidBase}`, '--regid', `${uidBase}`, '--clear-groups', '--'];
  const shown = stand.processes().flatMap(({ pid }) => [`/proc/${pid}/environ`, `/proc/${pid}/cmdline`]);
  assert.ok(shown.length > 6, 'the stand runs');
  const everywhere = [paths.runDir, paths.logDir, paths.stateDir, paths.configDir];
  for (const words of [
    [...daemon, ...grep, ...everywhere],
    [...grep, paths.logDir, ...shown],
  ]) {
    const [command = '', ...args] = words;
    const { stdout } = await runCommand(command, args, { timeoutMilliseconds: COMMAND_MILLISECONDS });
    assert.equal(stdout, '');
  }
  const control = await runCommand('/bin/grep', ['-r', '-l', '-s', 'proxy', paths.logDir]);
  assert.notEqual(control.stdout, '', 'there are logs to search');
});

test('control: the same search finds it where it lies', async () => {
  writeFileSync(join(stand.paths.workspaceOf(AGENT as never), 'leak'), `x${Buffer.from(KEY).toString('base64')}`);
  const { stdout } = await inside(search());
  assert.deepEqual(stdout.trim().split(/\s+/), ['/workspace/leak', 'searched']);
});

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startStand, type CommandResult, type Stand } from '@bureau/testkit';
import { ModelApi, WORDS } from './model-api.ts';
import { programs } from './programs.ts';
import { REGISTRY_HOST, Registries } from './registries.ts';
import { vendorClients } from './sdk-cache.ts';

const AGENT = 'clients/one';
/** Nobody else of this machine has it: wherever it is found, it came from this bundle. */
const KEY = `sk-canary-${randomBytes(16).toString('hex')}`;
/** The vendors' packages are copied in once. */
const COPY_MILLISECONDS = 180_000;
/** A sandbox with its proxy and relay. */
const START_MILLISECONDS = 30_000;
const SAID = `200 ${WORDS}`;
const STREAMED = `4 ${WORDS}`;

let stand: Stand;
let api: ModelApi;
let registries: Registries;
let work: string;
/** Everything that any sandbox printed. */
let printed = '';

before(async () => {
  work = mkdtempSync(join(tmpdir(), 'bureau-clients-'));
  const vendor = await vendorClients();
  stand = await startStand({ demo: false });
  const tls = certificate();
  api = await ModelApi.start(KEY, tls);
  registries = await Registries.start(work, tls);
  const upstream = { url: `http://127.0.0.1:${api.port}`, methods: ['POST'] };
  const services = {
    upstreams: {
      anthropic: { ...upstream, inject: [{ secret: 'MODEL_KEY', header: 'x-api-key' }] },
      openai: { ...upstream, inject: [{ secret: 'MODEL_KEY', header: 'Authorization', prefix: 'Bearer ' }] },
    },
    egress: [
      { host: '127.0.0.1', ports: [api.port, api.tlsPort] },
      { host: REGISTRY_HOST, ports: [registries.port] },
    ],
  };
  writeFileSync(join(work, 'services.json'), JSON.stringify(services));
  const provision = ['credential', 'provision', AGENT, '--services', join(work, 'services.json'), '--secret', 'MODEL_KEY=env:MODEL_KEY'];
  const provisioned = await stand.bureau(provision, { env: { MODEL_KEY: KEY } });
  assert.equal(provisioned.code, 0, provisioned.stderr);
  const workspace = join(work, 'workspace');
  cpSync(vendor, workspace, { recursive: true });
  for (const [name, text] of Object.entries(programs(api))) writeFileSync(join(workspace, name), text);
  cpSync(join(work, 'cert'), join(workspace, 'ca.pem'));
  const copied = await stand.bureau(['run', AGENT, '--workspace', workspace, '--', 'true'], { timeoutMilliseconds: COPY_MILLISECONDS });
  assert.equal(copied.code, 0, copied.stderr);
});

after(async () => {
  await api[Symbol.asyncDispose]();
  await registries[Symbol.asyncDispose]();
  rmSync(work, { recursive: true });
  await stand.end();
});

function certificate(): { key: Buffer; cert: Buffer } {
  const files = [join(work, 'key'), join(work, 'cert')] as const;
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=test'];
  // npm looks for "localhost" in the certificate of an address that it reaches through a proxy.
  const names = ['-addext', `subjectAltName=IP:127.0.0.1,IP:${REGISTRY_HOST},DNS:localhost`];
  execFileSync('/usr/bin/openssl', [...request, ...names, '-keyout', files[0], '-out', files[1]], { stdio: 'ignore' });
  return { key: readFileSync(files[0]), cert: readFileSync(files[1]) };
}

/** One line of a shell inside the sandbox; the workspace of the first run is there. */
async function inside(line: string): Promise<CommandResult> {
  const result = await stand.bureau(['run', AGENT, '--', 'sh', '-c', line]);
  printed += result.stdout + result.stderr;
  return result;
}

async function says(line: string, expected: readonly string[]): Promise<void> {
  const { stdout, stderr, code } = await inside(line);
  assert.deepEqual({ code, said: stdout.trim().split(/\r?\n/) }, { code: 0, said: expected }, stderr);
}

const MESSAGE = `'{"model":"m","messages":[]}'`;

test('curl on the socket: an upstream with its key, and a refusal with its reason', async () => {
  const curl = `curl -sS --unix-socket /proxy.sock -w ' %{http_code}\\n' -H 'content-type: application/json'`;
  const { stdout, stderr } = await inside(
    `${curl} -d ${MESSAGE} http://bureau/v1/http/anthropic/v1/messages; ${curl} http://bureau/v1/http/anthropic/v1/models`,
  );
  const [answer, refusal] = stdout.trim().split(/\r?\n/);
  assert.match(answer ?? '', new RegExp(`${WORDS}.* 200$`), stderr);
  assert.match(
    refusal ?? '',
    /"code":"upstream_rule_refused".*"rule":"upstreams\.anthropic\.methods".* 403$|"rule":"upstreams\.anthropic\.methods".*"code":"upstream_rule_refused".* 403$/,
  );
  assert.equal(api.seen.at(-1)?.headers['x-api-key'], KEY);
});

test('curl through the bridge: the environment is enough, for http and for https', async () => {
  const curl = 'bureau-bridge --proxy-env -- curl -sS -w "\\n%{http_code}\\n" --noproxy ""';
  await says(`${curl} http://127.0.0.1:${api.port}/open`, [WORDS, '200']);
  await says(`${curl} -k https://127.0.0.1:${api.tlsPort}/open`, [WORDS, '200']);
  const denied = await inside(
    `${curl} https://127.0.0.2:${api.tlsPort}/open; bureau-bridge --proxy-env -- curl -sS http://pypi.org/simple/`,
  );
  assert.match(denied.stderr, /CONNECT tunnel failed, response 403/);
  assert.match(denied.stdout, /"code":"egress_host_refused"/);
});

test('Python’s standard library: the socket, and urllib by the environment', async () => {
  await says('bureau-bridge --proxy-env -- /usr/bin/python3 standard.py', [SAID, WORDS, '403 egress_host_refused']);
});

test('fetch of Node', async () => {
  await says('bureau-bridge -- node fetch.mjs', [SAID, '403 upstream_rule_refused']);
});

test('the SDKs of Anthropic and OpenAI from npm: whole, streamed, refused at once', async () => {
  await says('bureau-bridge -- node anthropic.mjs', [WORDS, STREAMED, '403 upstream_rule_refused']);
  await says('bureau-bridge -- node openai.mjs', [WORDS, STREAMED, '403 upstream_rule_refused']);
});

test('the SDKs of Anthropic and OpenAI from PyPI: the same', async () => {
  const python = 'PYTHONPATH=/workspace/python bureau-bridge -- /usr/bin/python3';
  await says(`${python} anthropic_sdk.py`, [WORDS, STREAMED, '403 upstream_rule_refused']);
  await says(`${python} openai_sdk.py`, [WORDS, STREAMED, '403 upstream_rule_refused']);
});

test('pip and npm install a package through the list, and not beside it', async () => {
  const pip =
    'bureau-bridge --proxy-env -- /usr/bin/python3 -m pip --quiet --disable-pip-version-check install --cert ca.pem --retries 0 --target there';
  await says(
    `${pip} --index-url ${registries.url}/simple bureau-demo && PYTHONPATH=there /usr/bin/python3 -c 'import bureau_demo; print(bureau_demo.WORDS)'`,
    ['installed through the list'],
  );
  const npm =
    'mkdir -p app && cd app && echo {} > package.json && bureau-bridge --proxy-env -- npm install --loglevel error --no-progress --no-audit --no-fund --fetch-retries 0 --cafile ../ca.pem';
  await says(`${npm} --registry ${registries.url} bureau-demo >/dev/null && node -p 'require("bureau-demo")'`, [
    'installed through the list',
  ]);
  assert.ok(registries.asked.includes('/files/demo.tgz'));
  const refused = await inside(`${pip} --index-url https://pypi.org/simple six`);
  assert.notEqual(refused.code, 0);
  const log = await stand.bureau(['proxy', 'log', AGENT, '--tail', '1', '--json']);
  const line = JSON.parse(log.stdout) as Record<string, unknown>;
  assert.deepEqual([line['target'], line['code']], ['pypi.org:443', 'egress_host_refused']);
});

test('bureau-proxy-call, where there is nothing else', async () => {
  const { stdout, code } = await inside(`bureau-proxy-call -d ${MESSAGE} /v1/http/openai/v1/chat/completions`);
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(WORDS));
  assert.equal((await inside('bureau-proxy-call /v1/http/nobody/')).code, 1);
});

test('a person calls as the agent, and it stands in the log as a person’s', async () => {
  await using agent = stand.spawnBureau(['run', AGENT, '--', 'sh', '-c', 'echo up; sleep 60']);
  await agent.stdout.waitFor('up', START_MILLISECONDS);
  const call = ['proxy', 'call', AGENT, 'POST', '/v1/http/anthropic/v1/messages', '-d', '{"model":"m","messages":[]}'];
  const called = await stand.bureau(call);
  assert.equal(called.code, 0, called.stderr);
  assert.match(called.stdout, new RegExp(WORDS));
  const refused = await stand.bureau(['proxy', 'call', AGENT, 'GET', '/v1/http/anthropic/v1/messages']);
  assert.equal(refused.code, 1);
  const { explain, rule } = JSON.parse(refused.stdout) as Record<string, unknown>;
  assert.equal(explain, `bureau auth explain ${AGENT} GET /v1/http/anthropic/v1/messages`);
  const explained = await stand.bureau(String(explain).split(' ').slice(1));
  assert.deepEqual([explained.code, explained.stdout.startsWith('refused (upstream_rule_refused)')], [1, true], explained.stdout);
  assert.ok(explained.stdout.includes(`[rule ${String(rule)}]`), explained.stdout);
  const allowed = await stand.bureau(['auth', 'explain', AGENT, 'matrix/send']);
  assert.deepEqual([allowed.code, allowed.stdout.startsWith('allowed')], [0, true], allowed.stdout);
  const metrics = await stand.bureau(['proxy', 'metrics']);
  assert.match(
    metrics.stdout,
    /^bureau_proxy_requests_total\{principal="clients\/one",service="anthropic",method="POST",status="200"\} 1$/m,
  );
  const log = await stand.bureau(['proxy', 'log', AGENT, '--tail', '2', '--json']);
  const lines = log.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    lines.map((line) => [line['status'], line['operator']]),
    [
      [200, true],
      [403, true],
    ],
  );
});

test('the log of an agent that has ended says where it went, by which rule; the key is nowhere', async () => {
  const log = await stand.bureau(['proxy', 'log', AGENT, '--json']);
  const lines = log.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const tunnel = lines.find((line) => line['method'] === 'CONNECT' && line['status'] === 200);
  assert.deepEqual([tunnel?.['target'], tunnel?.['rule'], tunnel?.['service']], [`127.0.0.1:${api.tlsPort}`, 'egress[0]', 'egress']);
  assert.ok(lines.some((line) => line['service'] === 'anthropic' && line['status'] === 200));
  assert.ok(
    lines.every((line) => line['operator'] !== true || line['service'] === 'anthropic' || line['service'] === '-'),
    'the agent’s calls are its own',
  );
  const files = execFileSync(
    '/bin/sh',
    ['-c', `grep -rlaF '${KEY}' ${stand.paths.logDir} ${stand.paths.runDir} ${stand.paths.workspaceRoot} || true`],
    { encoding: 'utf8' },
  );
  assert.equal(files, '');
  assert.ok(!printed.includes(KEY) && !log.stdout.includes(KEY));
  assert.ok(
    api.seen.some(({ headers }) => headers['x-api-key'] === KEY),
    'the control: the key did arrive',
  );
});

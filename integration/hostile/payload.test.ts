// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { runCommand, startStand, until, type InstanceProcess, type RunningCommand, type Stand } from '@bureau/testkit';

const START_MILLISECONDS = 30_000;

let stand: Stand;
/** Node inside the sandbox: the build's own. */
let node: string;
before(async () => {
  stand = await startStand({ demo: false });
  node = `${realpathSync(stand.paths.buildLink)}/bin/node`;
});
after(async () => await stand.end());

/** Runs a program in a fresh sandbox; `INPUT` is what the host gives it. Answers with what it printed, as JSON. */
async function probe(principal: string, program: string, input: unknown): Promise<Record<string, string>> {
  const script = `const INPUT = ${JSON.stringify(input)};\n${program}`;
  const { code, stdout, stderr } = await stand.bureau(['run', principal, '--no-tty', '--', node, '-e', script]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Record<string, string>;
}

const TRY_CONNECT = `
const { connect } = require('node:net');
const attempt = (options) => new Promise((resolve) => {
  const socket = connect({ ...options, timeout: 3000 });
  socket.once('connect', () => (socket.destroy(), resolve('connected')));
  socket.once('timeout', () => (socket.destroy(), resolve('TIMEOUT')));
  socket.once('error', (error) => resolve(error.code));
});
(async () => {
  const out = {};
  for (const [name, options] of Object.entries(INPUT)) out[name] = await attempt(options);
  console.log(JSON.stringify(out));
})();`;

function livePayloads(): InstanceProcess[] {
  return stand.processes().filter(({ role, zombie, program }) => role.startsWith('payload:') && !zombie && program !== 'bwrap');
}

function fields(pid: number): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n');
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
}

async function startSleeper(principal: string): Promise<{ command: RunningCommand; payload: InstanceProcess }> {
  const command = stand.spawnBureau(['run', principal, '--', 'sh', '-c', 'echo up; exec sleep 4241']);
  await command.stdout.waitFor('up', START_MILLISECONDS);
  const payload = await until('the payload', START_MILLISECONDS, () =>
    livePayloads().find(({ args }) => args[0] === 'sleep' && args[1] === '4241'),
  );
  return { command, payload };
}

test('a payload reaches no network: not the host’s loopback, not the world, no name server, no abstract socket', async () => {
  const abstract = `\0bureau-hostile-${process.pid}`;
  await using server = createServer((socket) => socket.destroy()).listen(abstract);
  await once(server, 'listening');
  const port = Number(new URL(stand.facts.homeserver).port);
  const targets = {
    homeserver: { host: '127.0.0.1', port },
    homeserver6: { host: '::1', port },
    world: { host: '192.0.2.1', port: 443 },
    dns: { host: '1.1.1.1', port: 53 },
    name: { host: 'example.com', port: 80 },
    abstract: { path: abstract },
    proxy: { path: '/proxy.sock' },
  };
  for (const [name, options] of [
    ['homeserver', targets.homeserver],
    ['abstract', targets.abstract],
  ] as const) {
    const control = connect(options);
    await once(control, 'connect').catch((error: unknown) => assert.fail(`${name} must be there on the host: ${String(error)}`));
    control.destroy();
  }
  const { proxy, ...rest } = await probe('hostile/net', TRY_CONNECT, targets);
  assert.equal(proxy, 'connected', 'the positive control');
  for (const [name, outcome] of Object.entries(rest))
    assert.match(outcome, /^(ECONNREFUSED|ENETUNREACH|EADDRNOTAVAIL|EAI_AGAIN|ENOTFOUND)$/, name);
});

test('a payload has its own uid, no capability, no new privileges, a seccomp filter, and three descriptors', async () => {
  const { command, payload } = await startSleeper('hostile/bare');
  await using _held = command;
  const status = fields(payload.pid);
  assert.ok(payload.uid >= stand.uidBase + 16 && (payload.uid - stand.uidBase) % 2 === 0);
  for (const kind of ['Uid', 'Gid']) assert.deepEqual(new Set(status.get(kind)?.split('\t')), new Set([`${payload.uid}`]), kind);
  assert.match(status.get('Groups') ?? '', new RegExp(`^(${payload.uid})?$`));
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) assert.equal(status.get(set), '0000000000000000', set);
  assert.equal(status.get('NoNewPrivs'), '1');
  assert.equal(status.get('Seccomp'), '2');
  // A program that has just begun still has its libraries open; what it was given stays.
  const descriptors = (): string => readdirSync(`/proc/${payload.pid}/fd`).toSorted().join();
  await until('the three descriptors alone', START_MILLISECONDS, () => descriptors() === '0,1,2').catch((cause: unknown) => {
    throw new Error(`It has ${descriptors()}`, { cause });
  });
  for (const kind of ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'])
    assert.notEqual(readlinkSync(`/proc/${payload.pid}/ns/${kind}`), readlinkSync(`/proc/self/ns/${kind}`), kind);
  // The launcher's is empty, too, but all relays share it.
  assert.notEqual(payload.networkNamespace, stand.process('launcher').networkNamespace);
});

test('a payload sees nothing of the host’s Bureau and of other principals, and no socket but its own', async () => {
  const { command, payload } = await startSleeper('hostile/victim');
  await using _held = command;
  const { paths } = stand;
  const number = Number(payload.role.replace('payload:', ''));
  const other = paths.principal(number);
  const files = {
    config: paths.configDir,
    credentials: paths.credentialFile,
    operator: paths.operatorKeyFile,
    escrow: paths.escrowKeyFile,
    state: paths.stateDir,
    session: `${paths.daemonStateDirectory}/session.json`,
    identity: paths.launcherStateDirectory,
    workspace: paths.workspaceOf('hostile/victim' as never),
    logs: paths.logDir,
    run: paths.runDir,
    directory: other.directory,
    uids: paths.uidsFile,
    shadow: '/etc/shadow',
    root: '/root',
    process: `/proc/${payload.pid}/environ`,
  };
  for (const [name, path] of Object.entries(files)) assert.doesNotThrow(() => statSync(path), `${name} must be there on the host`);
  const seen = await probe(
    'hostile/spy',
    `const fs = require('node:fs'); const out = {};
     for (const [name, path] of Object.entries(INPUT)) {
       try { fs.statSync(path).isDirectory() ? fs.readdirSync(path) : fs.readFileSync(path); out[name] = 'read'; } catch (error) { out[name] = error.code; }
     }
     out.own = (fs.writeFileSync('/workspace/x', 'x'), 'written');
     out.runtime = fs.readdirSync('/run/bureau').join();
     out.processes = fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).map((pid) => fs.readFileSync('/proc/' + pid + '/cmdline', 'utf8').split('\\0')[0]).join();
     console.log(JSON.stringify(out));`,
    files,
  );
  const { own, runtime, processes, ...rest } = seen;
  assert.equal(own, 'written', 'the positive control');
  assert.equal(runtime, 'payload.json,proxy.sock');
  assert.deepEqual(new Set(processes?.split(',')), new Set(['/usr/bin/bwrap', node]));
  for (const [name, outcome] of Object.entries(rest)) assert.match(outcome, /^(ENOENT|EACCES)$/, name);
  const sockets = {
    stand: paths.standSocket,
    launcher: paths.launcherSocket,
    daemon: paths.daemonSocket,
    admin: other.adminSocket,
    relay: other.relaySocket,
    proxy: other.proxySocket,
    link: paths.socketLink('hostile/victim' as never),
    inside: '/run/bureau/../.sys/launcher.sock',
  };
  const reached = await probe(
    'hostile/spy',
    TRY_CONNECT,
    Object.fromEntries(Object.entries(sockets).map(([name, path]) => [name, { path }])),
  );
  for (const [name, outcome] of Object.entries(reached)) assert.match(outcome, /^(ENOENT|EACCES|ENOTDIR)$/, name);
});

test('nobody but root reads a proxy’s memory or environment, its own uid included', async () => {
  const { command, payload } = await startSleeper('hostile/memory');
  await using _held = command;
  const proxy = stand.process(payload.role.replace('payload', 'proxy'));
  assert.doesNotThrow(() => readFileSync(`/proc/${proxy.pid}/environ`), 'root can: the positive control');
  for (const uid of [payload.uid, proxy.uid]) {
    for (const file of ['environ', 'mem', 'maps', 'auxv']) {
      const words = ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', '/bin/cat', `/proc/${proxy.pid}/${file}`];
      const { code, stderr } = await runCommand('/usr/bin/setpriv', words);
      assert.equal(code, 1, `${file} as ${uid}`);
      assert.match(stderr, /Permission denied/);
    }
  }
});

describe('the Matrix token', () => {
  /** The homeserver keeps tokens as they are; the test's own knowledge of them comes from there. */
  function homeserverRows(query: string): Record<string, unknown>[] {
    using database = new DatabaseSync(`${stand.paths.homeserverStateDirectory}/data/homeserver.db`, { readOnly: true });
    return database.prepare(query).all() as Record<string, unknown>[];
  }

  const tokens = (): string[] => homeserverRows('SELECT token FROM access_tokens').map(({ token }) => String(token));

  function tokenOf(principal: string): string {
    const row = homeserverRows('SELECT user_id, token FROM access_tokens').find(
      ({ user_id: user }) => user === `@${principal}:bureau.local`,
    );
    assert.ok(row !== undefined);
    return String(row['token']);
  }

  function holding(text: string, secrets: readonly string[]): boolean {
    return secrets.some((secret) => text.includes(secret));
  }

  test('is in nothing that its payload can read, and in no answer of its proxy', async () => {
    const program = `
      const fs = require('node:fs'); const http = require('node:http');
      const seen = [JSON.stringify(process.env)];
      const walk = (directory, depth) => {
        let names = []; try { names = fs.readdirSync(directory, { withFileTypes: true }); } catch {}
        for (const entry of names) {
          const path = directory + '/' + entry.name;
          if (entry.isDirectory() && depth > 0) walk(path, depth - 1);
          else if (entry.isFile()) { try { const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK); const b = Buffer.alloc(200000); seen.push(b.toString('latin1', 0, fs.readSync(fd, b))); fs.closeSync(fd); } catch {} }
        }
      };
      for (const directory of ['/workspace', '/tmp', '/run', '/etc', process.env.HOME, '/dev/shm', '/var']) walk(directory, 4);
      for (const name of fs.readdirSync('/proc')) if (/^[0-9]+$/.test(name)) for (const file of ['environ', 'cmdline', 'mountinfo', 'status']) { try { seen.push(fs.readFileSync('/proc/' + name + '/' + file, 'latin1')); } catch {} }
      const ask = (method, path, body, headers = {}) => new Promise((resolve) => {
        const out = http.request({ socketPath: '/proxy.sock', method, path, headers: { host: 'bureau', ...headers } }, (answer) => {
          seen.push(JSON.stringify(answer.headers)); answer.setEncoding('latin1'); answer.on('data', (piece) => seen.push(piece)); answer.on('end', () => resolve(answer.statusCode));
        });
        out.on('error', () => resolve(0)); out.end(body);
      });
      (async () => {
        const json = { 'content-type': 'application/json' };
        const identity = await ask('GET', '/v1/identity');
        const sent = await ask('POST', '/v1/matrix/rooms/' + encodeURIComponent(INPUT.room) + '/messages', JSON.stringify({ body: 'hello' }), json);
        for (const path of ['/', '/v1/matrix/rooms/x/messages', '/v1/http/matrix/_matrix/client/v3/account/whoami', '/_matrix/client/v3/account/whoami', '/_synapse/admin/v1/users', '/healthz', '/v1/identity?x=%0d%0aX:%20y'])
          for (const method of ['GET', 'POST', 'TRACE', 'OPTIONS']) await ask(method, path, method === 'POST' ? '{"body":1}' : undefined, json);
        console.log(JSON.stringify({ identity: String(identity), sent: String(sent), seen: seen.join('\\n') }));
      })();`;
    const room = JSON.parse(readFileSync(stand.paths.machineFile, 'utf8')).agentsRoom as string;
    const { identity, sent, seen } = await probe('hostile/token', program, { room });
    assert.deepEqual({ identity, sent }, { identity: '200', sent: '200' }, 'the positive control: the key works for it');
    const token = tokenOf('hostile/token');
    const { body } = await stand.matrix('/_matrix/client/v3/account/whoami', { token });
    assert.equal(body['user_id'], '@hostile/token:bureau.local', 'the positive control: this is the key');
    assert.ok((seen ?? '').length > 10_000, 'it has read much');
    assert.ok(!holding(seen ?? '', tokens()));
  });

  test('is in no argument and no foreign environment while an account is made and its agent started', async () => {
    const seen = new Map<string, string>();
    await using deploy = stand.spawnBureau(['agent', 'deploy', 'hostile/fresh', '--', 'sleep', '1000']);
    let ended = false;
    void deploy.exited.then(() => (ended = true));
    await until('the agent deployed', START_MILLISECONDS, () => {
      for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
        for (const file of ['cmdline', 'environ']) {
          try {
            seen.set(
              `${pid} ${file}`,
              `${seen.get(`${pid} ${file}`) ?? ''}${readFileSync(`/proc/${pid}/${file}`, 'latin1')}`.slice(-200_000),
            );
          } catch {
            // It has ended.
          }
        }
      }
      return ended;
    });
    assert.equal((await deploy.exited).code, 0);
    assert.ok(seen.has(`${deploy.pid} cmdline`), 'the positive control');
    const all = [...tokens(), tokenOf('hostile/fresh')];
    assert.deepEqual(
      [...seen].filter(([, text]) => holding(text, all)).map(([where]) => where),
      [],
    );
  });

  test('is in no log and in no Matrix event', () => {
    const all = tokens();
    assert.ok(all.length >= 4, 'operator, machine and two agents');
    const logs = readdirSync(stand.paths.logDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    assert.ok(logs.length >= 5);
    for (const { parentPath, name } of logs) assert.ok(!holding(readFileSync(join(parentPath, name), 'latin1'), all), name);
    const events = homeserverRows('SELECT json FROM event_json').map(({ json }) => String(json));
    assert.ok(
      events.some((json) => json.includes('m.bureau.credentials')),
      'the positive control',
    );
    assert.ok(!events.some((json) => holding(json, all)));
  });

  test('lets its agent into no config room', async () => {
    const room = encodeURIComponent(JSON.parse(readFileSync(stand.paths.machineFile, 'utf8')).configRoom as string);
    const token = tokenOf('hostile/token');
    for (const [path, method] of [
      [`/join/${room}`, 'POST'],
      [`/rooms/${room}/state`, 'GET'],
      [`/rooms/${room}/state/m.bureau.assignment/x`, 'PUT'],
    ] as const) {
      const { status } = await stand.matrix(`/_matrix/client/v3${path}`, { method, token, ...(method === 'GET' ? {} : { body: {} }) });
      assert.equal(status, 403, path);
    }
  });
});

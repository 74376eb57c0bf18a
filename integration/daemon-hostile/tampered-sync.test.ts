// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, before, test } from 'node:test';
import { startStand, until, type Stand } from '@bureau/testkit';
import { operatorOf, pinnedOf, type Person } from './people.testing.ts';
import { daemonLog, principalOf, runs, sandboxes, statusOf } from './stand.testing.ts';
import { TamperingProxy, isSync, type Passing } from './tampering-proxy.testing.ts';

const WAIT_MILLISECONDS = 40_000;
const KEPT = 'tamper/kept';
const OTHER = 'tamper/other';

let stand: Stand;
let proxy: TamperingProxy;
let operator: Person;
let configRoom: string;
/** Payload and relay of the agent that nothing here may touch. */
let kept: string[];

before(async () => {
  stand = await startStand({ demo: false });
  operator = operatorOf(stand);
  ({ configRoom } = pinnedOf(stand));
  for (const [name, word] of [
    [KEPT, '1111'],
    [OTHER, '2222'],
  ] as const) {
    const { code, stderr } = await stand.bureau(['agent', 'deploy', name, '--', 'sleep', word]);
    assert.equal(code, 0, stderr);
  }
  await until('both run', WAIT_MILLISECONDS, () => runs(stand, '1111') && runs(stand, '2222'));
  await stand.leaks.atRest();
  const number = stand
    .processes()
    .find(({ role, args }) => role.startsWith('payload:') && args.includes('1111'))
    ?.role.split(':')[1];
  kept = sandboxes(stand).filter((each) => new RegExp(`^(payload|relay):${number} `).test(each));
  assert.ok(kept.length >= 2, sandboxes(stand).join());
  proxy = await TamperingProxy.between(stand);
});
after(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await stand.end();
});

function assertKept(): void {
  const now = sandboxes(stand);
  assert.deepEqual(
    kept.filter((each) => !now.includes(each)),
    [],
    'the agent that nobody changed was touched',
  );
}

/** Writes the other agent's assignment as an operator does. */
async function assign(content: object): Promise<void> {
  assert.equal(await operator.putState(configRoom, 'm.bureau.assignment', OTHER, content), 200);
}

/** The rightful sender's change arrives: the positive control of everything here. */
let serial = 3_000;
async function operatorsChangeWorks(): Promise<void> {
  serial += 1;
  await assign({ v: 1, principal: OTHER, command: ['sleep', `${serial}`] });
  await until(`${OTHER} is changed`, WAIT_MILLISECONDS, () => runs(stand, `${serial}`));
  assertKept();
}

/** Does something to each answer to a sync. */
function onSync(change: (answer: Passing) => void): { after: (answer: Passing) => void } {
  return { after: (answer) => void (isSync(answer) && answer.status === 200 && change(answer)) };
}

test('through a proxy that does nothing, an operator’s change arrives', async () => {
  await operatorsChangeWorks();
});

const GARBAGE: readonly [what: string, answer: (response: ServerResponse) => void][] = [
  ['truncated JSON', (response) => void response.end('{"next_batch":"s1_2","rooms":{"join":{"!x')],
  ['HTML with status 200', (response) => void response.setHeader('content-type', 'text/html').end('<html>Sign in to the Wi-Fi</html>')],
  ['another shape', (response) => void response.end('{"next_batch":["x"],"rooms":[]}')],
  ['500', (response) => void response.writeHead(500).end('Internal Server Error')],
  ['a storm of 429', (response) => void response.writeHead(429).end('{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":50}')],
  ['nothing at all', (response) => void response.destroy()],
];
for (const [what, answer] of GARBAGE)
  test(`a homeserver that answers ${what}: what runs goes on, it is told, and it is over when it is over`, async () => {
    proxy.tamper({ before: () => answer });
    await until('the daemon notices', WAIT_MILLISECONDS, async () => (await statusOf(stand))?.sync === 'offline');
    assert.match((await stand.bureau(['agent', 'list'])).stdout, /tamper\/kept +running/);
    assertKept();
    proxy.tamper();
    await operatorsChangeWorks();
  });

test('a body that never ends is cut at a bound, and what runs goes on', async (t) => {
  let sent = 0;
  proxy.tamper({
    before: ({ url }) =>
      isSync({ url })
        ? (response) => {
            const more = (): void => {
              for (let room = true; room && !response.destroyed; sent += 1) room = response.write(' '.repeat(1_048_576));
              if (!response.destroyed) response.once('drain', more);
            };
            more();
          }
        : 'pass',
  });
  await until('the daemon notices', WAIT_MILLISECONDS, async () => (await statusOf(stand))?.sync === 'offline');
  t.diagnostic(`${sent} MiB sent`);
  proxy.tamper();
  await operatorsChangeWorks();
});

test('an old answer that is replayed, doubled, or comes after a newer one is not believed, in the daemon that saw it and in the next', async () => {
  let old: string | undefined;
  proxy.tamper(onSync((answer) => void (answer.body.includes('"7777"') && (old ??= answer.body))));
  await assign({ v: 1, principal: OTHER, command: ['sleep', '7777'] });
  await until('it runs', WAIT_MILLISECONDS, () => runs(stand, '7777'));
  const replayed = await until('the proxy to have the answer that told it', WAIT_MILLISECONDS, () => old);
  await operatorsChangeWorks();
  for (const again of [false, true]) {
    if (again) {
      proxy.tamper();
      await proxy.restartDaemon();
    }
    let times = 0;
    let started = false;
    proxy.tamper(
      onSync((answer) => {
        started ||= runs(stand, '7777');
        if (times++ < 3) answer.body = replayed;
      }),
    );
    await until('all of them are sent', WAIT_MILLISECONDS, () => times > 4);
    proxy.tamper();
    await proxy.taken();
    assert.equal(started || runs(stand, '7777'), false, 'what an old answer said was started');
    assert.ok(runs(stand, `${serial}`), 'what is wanted goes on');
    assertKept();
  }
  await operatorsChangeWorks();
});

/** As a server without MSC4222, on which the state of a fork may come as the newest. */
function withoutStateAfter(url: URL): 'pass' {
  for (const name of [...url.searchParams.keys()]) if (name.includes('use_state_after')) url.searchParams.delete(name);
  return 'pass';
}

test('a server that cannot say the state after the timeline tells an end that the room does not have: nothing ends; a true end does', async () => {
  const lie = {
    type: 'm.bureau.assignment',
    state_key: KEPT,
    sender: operator.user,
    event_id: '$of-a-fork',
    origin_server_ts: Date.now() + 60_000,
    content: {},
  };
  let told = 0;
  proxy.tamper({
    before: ({ url }) => withoutStateAfter(url),
    after: (answer) => {
      if (!isSync(answer) || answer.status !== 200 || told > 2) return;
      told += 1;
      const body = JSON.parse(answer.body) as { rooms?: { join?: Record<string, unknown> } };
      const room = { timeline: { events: [lie], limited: false, prev_batch: 'x' }, state: { events: [] } };
      answer.body = JSON.stringify({ ...body, rooms: { ...body.rooms, join: { ...body.rooms?.join, [configRoom]: room } } });
    },
  });
  await until('the lie is told', WAIT_MILLISECONDS, () => told > 2);
  await proxy.taken();
  assertKept();
  await until('the room in doubt is read', WAIT_MILLISECONDS, () => daemonLog(stand).includes('a room in doubt was read'));
  assertKept();
  // The same server, and the truth.
  await assign({});
  await until('a true end is carried out', WAIT_MILLISECONDS, async () => (await principalOf(stand, OTHER)) === undefined);
  proxy.tamper();
  await operatorsChangeWorks();
});

test('a homeserver that is away while many things change: the machine goes on, and catches up with the newest alone', async (t) => {
  const cut = (response: ServerResponse): void => void response.destroy();
  proxy.tamper({ before: () => cut });
  await until('the daemon notices', WAIT_MILLISECONDS, async () => (await statusOf(stand))?.sync === 'offline');
  for (let at = 0; at < 70; at += 1) await assign({ v: 1, principal: OTHER, command: ['sleep', '8888'], generation: at });
  assertKept();
  assert.equal(runs(stand, '8888'), false);
  proxy.tamper();
  await operatorsChangeWorks();
  const line = daemonLog(stand)
    .trim()
    .split('\n')
    .findLast((each) => each.includes('caught up'));
  const { away, milliseconds, events } = JSON.parse(line ?? '{}') as Record<string, number>;
  t.diagnostic(`caught up in ${milliseconds} ms with ${events} events after ${away} ms`);
  assert.equal(runs(stand, '8888'), false, 'what was wanted in between alone never ran');
});

test('events that are none are left out and told in machine status; the others of the same answer are followed', async () => {
  const before = (await statusOf(stand))?.refused.count ?? 0;
  let spoiled = false;
  proxy.tamper(
    onSync((answer) => {
      const body = JSON.parse(answer.body) as { rooms?: { join?: Record<string, Record<string, { events?: unknown[] }>> } };
      const room = body.rooms?.join?.[configRoom];
      for (const section of Object.values(room ?? {})) if (Array.isArray(section?.events)) section.events.unshift(null, { type: 7 }, 'x');
      spoiled ||= room !== undefined;
      answer.body = JSON.stringify(body);
    }),
  );
  await operatorsChangeWorks();
  assert.ok(spoiled);
  assert.ok(((await statusOf(stand))?.refused.count ?? 0) > before);
  assert.match((await stand.bureau(['machine', 'status'])).stdout, /events? of the rooms cannot be read; the newest: /);
  proxy.tamper();
});

// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { basename, dirname } from 'node:path';
import { callProxy } from './call-proxy.ts';

/** Between two signs of life on its terminal. */
const TICK_MILLISECONDS = 30_000;

const [room] = process.argv.slice(2);
if (room === '--version') {
  console.log(basename(dirname(import.meta.dirname)));
} else if (room === undefined) {
  console.error('usage: demo-agent ROOM');
  process.exitCode = 2;
} else {
  await main(room);
}

/** Says who it is, posts one message, then lives: a sign every half minute, and an answer to what is typed. */
async function main(target: string): Promise<void> {
  const identity = await callProxy('GET', '/v1/identity');
  const me = String(identity['principal']);
  console.log(`I am ${me} (${String(identity['user_id'])}). I have no network and no key, only /proxy.sock.`);
  const path = `/v1/matrix/rooms/${encodeURIComponent(target)}/messages`;
  const say = async (body: string): Promise<void> => {
    const { event_id: event } = await callProxy('POST', path, { body, transaction_id: randomUUID() });
    console.log(`said in ${target}: ${body} (${String(event)})`);
  };
  await say(`Hello, I am ${me}. I speak through my proxy; my key is not with me.`);
  console.log('Type a line and I post it. Ctrl-\\ detaches you; I go on.');
  setInterval(() => console.log(`${new Date().toISOString()} still here`), TICK_MILLISECONDS);
  for await (const line of createInterface({ input: process.stdin, terminal: false })) {
    const text = line.trim();
    if (text === '') continue;
    await say(text).catch((error: unknown) => console.log(`could not say it: ${error instanceof Error ? error.message : String(error)}`));
  }
}

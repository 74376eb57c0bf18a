// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { startStand, suiteTest, type IpcEngine } from './compliance-stand.ts';
import { readCorpus } from './testing-corpus.ts';
import { RawPeer } from './testing-raw.ts';

/** Every kept stream at a living server: the fault that it deserves, and the next client is served. */
export function corpusCompliance(engine: IpcEngine): void {
  suiteTest('a server answers every stream of the corpus with its fault, and goes on', async () => {
    await using stand = await startStand(engine);
    for (const { name, frames, end, bytes } of readCorpus()) {
      using peer = await RawPeer.connect(stand.path, { hello: true });
      peer.socket.write(bytes);
      if (end === 'pending') peer.socket.end();
      // A frame that can be read is no message that a server takes; it is refused before what follows is looked at.
      if (frames > 0) assert.equal((await peer.next('fault')).code, 'malformed_frame', name);
      else if (end !== 'pending') assert.equal((await peer.next('fault')).code, end, name);
      await peer.closed;
    }
    using client = await stand.client();
    assert.deepEqual(await client.call('add', { a: 1, b: 1 }), { sum: 2 });
  });
}

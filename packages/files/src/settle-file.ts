// SPDX-License-Identifier: Apache-2.0
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Forces to disk what `writeFileAtomic` wrote with `durable: false`, file and directory entry, without stopping this thread. Rejects with
 * what the system says: the file is there and may be lost in a power cut.
 */
export async function settleFile(path: string): Promise<void> {
  // The file first: an entry must never outlive a power cut that its content does not.
  for (const each of [path, dirname(path)]) {
    await using handle = await open(each, 'r');
    await handle.sync();
  }
}

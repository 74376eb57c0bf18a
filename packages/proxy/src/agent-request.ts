// SPDX-License-Identifier: Apache-2.0
import { IncomingMessage } from 'node:http';

/**
 * A request of the agent. Behind one whose connection was cut, the next that is parsed counts as one that asks for another protocol, for
 * which Node's parser stops. It would go on to the end of what it was given, although the connection is gone: 64 KiB hold 1,700 requests,
 * and each becomes objects of kilobytes (memory.test.ts).
 */
export class AgentRequest extends IncomingMessage {
  declare private asksUpgrade: boolean | null;

  /** Node's own property: set in its constructor and for each head, read when the head is complete. */
  get upgrade(): boolean | null {
    return this.socket.destroyed || this.asksUpgrade;
  }

  set upgrade(asks: boolean | null) {
    this.asksUpgrade = asks;
  }
}

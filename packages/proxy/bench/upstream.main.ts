// SPDX-License-Identifier: Apache-2.0
import { createServer, type AddressInfo, type Socket } from 'node:net';

// What all contestants stand before: answers by the first letter of the path, as cheaply as Node can, and listens on any port.
// s: a small answer; e: events, each with the time at which it left; d: one GiB; u: takes any body, says how long it was.
/** Bytes of the large bodies. */
const LARGE = 1024 ** 3;
/** Events of one stream, and the pause before each. */
const EVENTS = 400;
const EVENT_PAUSE_MILLISECONDS = 2;
const small = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 64\r\n\r\n${'{"ok":true}'.padEnd(64)}`);
const piece = Buffer.alloc(256 * 1024, 'x');

function large(socket: Socket): void {
  socket.write(`HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: ${LARGE}\r\n\r\n`);
  let left = LARGE;
  const push = (): void => {
    while (left > 0) {
      const next = Math.min(left, piece.length);
      left -= next;
      if (!socket.write(piece.subarray(0, next))) return void socket.once('drain', push);
    }
  };
  push();
}

function events(socket: Socket): void {
  socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n');
  let sent = 0;
  const timer = setInterval(() => {
    sent += 1;
    const text = `data: ${process.hrtime.bigint()}\n\n`;
    socket.write(`${text.length.toString(16)}\r\n${text}\r\n`);
    if (sent < EVENTS) return;
    clearInterval(timer);
    socket.write('0\r\n\r\n');
  }, EVENT_PAUSE_MILLISECONDS);
}

const server = createServer({ noDelay: true }, (socket) => {
  let head = '';
  let upload = 0;
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    if (upload > 0) {
      upload -= chunk.length;
      if (upload <= 0) socket.write(small);
      return;
    }
    head += chunk.toString('latin1');
    for (let end = head.indexOf('\r\n\r\n'); end !== -1; end = head.indexOf('\r\n\r\n')) {
      const one = head.slice(0, end);
      head = head.slice(end + 4);
      const kind = one.charAt(one.indexOf(' /') + 2);
      if (kind === 'd') large(socket);
      else if (kind === 'e') events(socket);
      else if (kind === 'u') {
        upload = Number(/content-length: *(\d+)/i.exec(one)?.[1] ?? 0) - head.length;
        head = '';
        if (upload <= 0) socket.write(small);
      } else socket.write(small);
    }
  });
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit());

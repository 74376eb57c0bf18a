// SPDX-License-Identifier: Apache-2.0
import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** The words of the stand-in. */
export const WORDS = 'hello from the stand-in';

/** One request as the API saw it. */
export interface SeenCall {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

/** Stands in for the APIs of Anthropic and OpenAI: knows one key, says one sentence, whole or as a stream. */
export class ModelApi implements AsyncDisposable {
  readonly seen: SeenCall[] = [];
  readonly #servers: Server[] = [];
  readonly #key: string;
  port = 0;
  tlsPort = 0;

  private constructor(key: string) {
    this.#key = key;
  }

  /** On 127.0.0.1, by HTTP and by TLS. */
  static async start(key: string, tls: { readonly key: Buffer; readonly cert: Buffer }): Promise<ModelApi> {
    const api = new ModelApi(key);
    const listener: RequestListener = (request, response) => void api.#answer(request, response);
    api.port = await api.#listen(createHttpServer(listener));
    api.tlsPort = await api.#listen(createHttpsServer(tls, listener));
    return api;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
  }

  async #listen(server: Server): Promise<number> {
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    return (server.address() as AddressInfo).port;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    this.seen.push({ path, headers: request.headers });
    if (path === '/open') return void response.end(WORDS);
    const { 'x-api-key': apiKey, authorization } = request.headers;
    if (apiKey !== this.#key && authorization !== `Bearer ${this.#key}`) return void response.writeHead(401).end('{"error":"no key"}');
    const body = JSON.parse(Buffer.concat(pieces).toString('utf8')) as { stream?: boolean };
    const anthropic = path === '/v1/messages';
    if (body.stream !== true) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(anthropic ? MESSAGE : COMPLETION));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const [type, data] of anthropic ? messageEvents() : completionEvents()) {
      response.write(`${type === '' ? '' : `event: ${type}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
    }
    response.end();
  }
}

const MESSAGE = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'm',
  content: [{ type: 'text', text: WORDS }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 },
};

const COMPLETION = {
  id: 'c1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: WORDS, refusal: null }, logprobs: null, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
};

function* messageEvents(): Generator<[string, unknown]> {
  yield ['message_start', { type: 'message_start', message: { ...MESSAGE, content: [], stop_reason: null } }];
  yield ['content_block_start', { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }];
  for (const word of WORDS.split(/(?<= )/)) {
    yield ['content_block_delta', { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: word } }];
  }
  yield ['content_block_stop', { type: 'content_block_stop', index: 0 }];
  yield ['message_delta', { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 1 } }];
  yield ['message_stop', { type: 'message_stop' }];
}

function* completionEvents(): Generator<[string, unknown]> {
  for (const word of WORDS.split(/(?<= )/)) {
    const choices = [{ index: 0, delta: { content: word }, logprobs: null, finish_reason: null }];
    yield ['', { id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm', choices }];
  }
  yield ['', '[DONE]'];
}

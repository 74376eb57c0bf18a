// SPDX-License-Identifier: Apache-2.0
import { connect as connectPlain, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { Clock } from '@bureau/core';
import type { UpstreamRule } from '@bureau/protocol';
import { UpstreamFailure, failureOfSocket } from './failure.ts';

/** Milliseconds of silence after which the kernel asks whether a quiet peer is still there: a stream has no time limit of its own. */
const KEEP_ALIVE_PROBE = 30_000;

/** What is read at once: as much as the system gives for one call. */
const READ_BYTES = 65_536;

export interface DialOptions {
  readonly url: URL;
  readonly rule: UpstreamRule;
  /** What is offered by ALPN. */
  readonly protocol: 'http/1.1' | 'h2';
  readonly connectMilliseconds: number;
  readonly clock: Clock;
}

/** Opens connections to one upstream; TLS is verified whatever the environment says. */
export class Dialler {
  readonly #options: DialOptions;
  #context: SecureContext | undefined;
  /** What connections without TLS are read into; made for the first. */
  #buffer: Buffer | undefined;

  constructor(options: DialOptions) {
    this.#options = options;
  }

  /**
   * Calls back once: with a connection that stands (TLS included), or with an `UpstreamFailure`. Gives the socket at once, so that it
   * can be destroyed before. The caller must have taken over `error` when it is called back. With `onBytes`, a connection without TLS says
   * what it reads there and not by `data`, in memory that all of them share and that is valid during the call only: Node need not make
   * a buffer for each read.
   */
  open(done: (failure: UpstreamFailure | undefined, socket: Socket) => void, onBytes?: (bytes: Buffer) => void): Socket {
    const { clock, connectMilliseconds } = this.#options;
    const socket = this.#socket(onBytes);
    const finish = (failure: UpstreamFailure | undefined): void => {
      timer.clear();
      socket.off('error', onError).off('close', onClose).off(ready, onReady);
      done(failure, socket);
      if (failure !== undefined) socket.on('error', () => undefined).destroy();
    };
    const onError = (error: unknown): void => finish(failureOfSocket(error, false));
    const onClose = (): void => finish(new UpstreamFailure('unreachable', 'connection closed while it was opened'));
    const onReady = (): void => {
      const wanted = this.#options.protocol;
      if (wanted === 'h2' && (socket as TLSSocket).alpnProtocol !== 'h2')
        return finish(new UpstreamFailure('unreachable', 'it does not speak HTTP/2'));
      finish(undefined);
    };
    const ready = this.#isTls ? 'secureConnect' : 'connect';
    const timer = clock.setTimer(connectMilliseconds, () => finish(new UpstreamFailure('connect_timeout', `${connectMilliseconds} ms`)));
    socket.on('error', onError).on('close', onClose).on(ready, onReady);
    return socket;
  }

  #readInto(onBytes: (bytes: Buffer) => void): OnReadOpts {
    const buffer = (this.#buffer ??= Buffer.allocUnsafeSlow(READ_BYTES));
    return {
      buffer,
      callback: (length) => {
        onBytes(buffer.subarray(0, length));
        return true;
      },
    };
  }

  get #isTls(): boolean {
    return this.#options.url.protocol === 'https:';
  }

  #socket(onBytes: ((bytes: Buffer) => void) | undefined): Socket {
    const { url, rule, protocol } = this.#options;
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const keep = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_PROBE };
    const read = onBytes === undefined || this.#isTls ? {} : { onread: this.#readInto(onBytes) };
    if (rule.unix !== undefined) return connectPlain({ path: rule.unix, ...read });
    if (!this.#isTls) return connectPlain({ host, port: url.port === '' ? 80 : Number(url.port), ...keep, ...read });
    this.#context ??= createSecureContext({ minVersion: 'TLSv1.2', ...(rule.ca === undefined ? {} : { ca: rule.ca }) });
    const socket = connectTls({
      host,
      port: url.port === '' ? 443 : Number(url.port),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      secureContext: this.#context,
      rejectUnauthorized: true,
      ALPNProtocols: [protocol],
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_PROBE);
    return socket;
  }
}

// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, sleep, type Clock, type RoomId, type UserId } from '@bureau/core';
import { audit, type AuditRecord, type Logger } from '@bureau/log';
import type { TimelineEvent } from '@bureau/matrix-sync';
import { COMMANDS, isCommandName, type CommandAnswer, type CommandHandlers, type CommandName } from './commands.ts';
import { resultContent, type Outcome } from './command-result.ts';
import { judgeMessage } from './judge-message.ts';
import type { CommandLedger, LedgerEntry } from './ledger.ts';
import { COMMAND_AGE_MAX, COMMAND_MILLISECONDS, RIGHTS_RETRY_MILLISECONDS, WAITING_MAX } from './limits.ts';
import { mayCommand, type SenderRights } from './sender-rights.ts';
import { SenderRate } from './sender-rate.ts';

export interface RoomCommandsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly machine: UserId;
  /** The only room in which commands count. */
  readonly configRoom: RoomId;
  readonly ledger: CommandLedger;
  /** What the sender of an event was and is; throws when that cannot be known. */
  readonly rights: (event: string, sender: string, signal: AbortSignal) => Promise<SenderRights>;
  readonly handlers: CommandHandlers;
  /** Sends a message once and surely; the same key is the same message. */
  readonly post: (content: Readonly<Record<string, unknown>>, key: string) => void;
}

/**
 * Commands of the config room, each carried out at most once: it is on disk when it was taken and again before it is begun, so a crash
 * loses none that was taken and repeats none that was begun. One at a time, in the order in which they came, beside the sync.
 */
export class RoomCommands {
  readonly #deps: RoomCommandsDeps;
  readonly #rate = new SenderRate();
  readonly #waiting: LedgerEntry[] = [];
  readonly #ending = new AbortController();
  #working = false;

  constructor(deps: RoomCommandsDeps) {
    this.#deps = deps;
  }

  /** Goes on with what an earlier process has left: what was begun is answered as interrupted, what only waited is carried out. */
  start(): void {
    try {
      for (const entry of this.#deps.ledger.inState('begun'))
        this.#answer(
          entry,
          failure('interrupted', 'The machine’s daemon ended while this was under way; see what came of it, and send it again'),
          'failed',
        );
      this.#waiting.push(...this.#deps.ledger.inState('received'));
    } catch (error) {
      this.#deps.logger.error(
        { error: describeError(error) },
        'the ledger of commands cannot be read; what waited in it is not carried out',
      );
    }
    this.#work();
  }

  stop(): void {
    this.#ending.abort(new BureauError('stopped', 'The daemon ends'));
    this.#deps.ledger.close();
  }

  /** Takes messages of a room, in their order; what is a command is on disk when this returns. Never throws. */
  take(room: RoomId, events: readonly TimelineEvent[]): void {
    if (room !== this.#deps.configRoom) return;
    for (const event of events) {
      try {
        this.#take(event);
      } catch (error) {
        // What cannot be recorded is not carried out: after a restart nobody would know that it was.
        this.#deps.logger.error(
          { event: event.eventId, error: describeError(error) },
          'a command could not be recorded and is not carried out',
        );
      }
    }
    this.#work();
  }

  #take(event: TimelineEvent): void {
    const { machine, clock, ledger } = this.#deps;
    const { eventId, sender, at } = event;
    const judged = judgeMessage(event, machine, clock.now());
    if (judged.kind === 'none' || sender === machine || ledger.knowsEvent(eventId)) return;
    const { request, command } = judged;
    const entry: LedgerEntry = {
      event: eventId,
      sender,
      request,
      command,
      parameters: judged.kind === 'command' ? judged.parameters : null,
      at,
    };
    const rate = this.#rate.count(sender, clock.now());
    if (rate !== 'within') {
      if (rate === 'excess') this.#refuse(entry, 'rate_limited', 'Too many commands within a minute; the further ones are not answered');
      return;
    }
    if (ledger.knowsRequest(sender, request))
      return this.#refuse(entry, 'request_repeated', 'A command with this request ID was taken before; a new one needs a new ID');
    if (judged.kind === 'refused') {
      ledger.record(entry, 'begun');
      return this.#answer(entry, failure(judged.code, judged.message), 'refused');
    }
    if (this.#waiting.length >= WAITING_MAX)
      return this.#refuse(entry, 'machine_busy', `${WAITING_MAX} commands wait already; send it again later`);
    ledger.record(entry, 'received');
    this.#waiting.push(entry);
  }

  #work(): void {
    if (this.#working || this.#ending.signal.aborted) return;
    const entry = this.#waiting.shift();
    if (entry === undefined) return;
    this.#working = true;
    void this.#carryOut(entry)
      .catch((error: unknown) => {
        if (!this.#ending.signal.aborted)
          this.#deps.logger.error({ command: entry.command, error: describeError(error) }, 'a command was given up');
      })
      .finally(() => {
        this.#working = false;
        this.#work();
      });
  }

  async #carryOut(entry: LedgerEntry): Promise<void> {
    const { clock, ledger } = this.#deps;
    const { command } = entry;
    // A newer build wrote it, and this one knows it no more.
    if (!isCommandName(command)) return this.#answer(entry, failure('command_unknown', `There is no command ${command}`), 'refused');
    const rights = await this.#rights(entry);
    if (rights === undefined)
      return this.#answer(entry, failure('rights_unknown', 'The homeserver did not tell in time what its sender may do'), 'failed');
    const { level } = COMMANDS[command];
    if (!mayCommand(rights, level))
      return this.#answer(
        entry,
        failure('forbidden', `${command} needs power level ${level} in this room, when it is sent and when it is carried out`),
        'refused',
      );
    ledger.advance(entry.event, 'begun');
    const began = clock.monotonic();
    try {
      const answer = await this.#run(command, entry);
      this.#answer(entry, { status: 'success', ...answer, milliseconds: clock.monotonic() - began }, 'ok');
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      const code = error instanceof BureauError ? error.code : 'failed';
      this.#answer(entry, { ...failure(code, describeError(error)), milliseconds: clock.monotonic() - began }, 'failed');
    }
  }

  async #run(command: CommandName, { parameters, sender }: LedgerEntry): Promise<CommandAnswer> {
    const late = new AbortController();
    const timer = this.#deps.clock.setTimer(COMMAND_MILLISECONDS, () =>
      late.abort(new BureauError('deadline_exceeded', `${command} took longer than ${COMMAND_MILLISECONDS} ms`)),
    );
    const signal = AbortSignal.any([this.#ending.signal, late.signal]);
    try {
      // Judged by this very command's schema when it was taken.
      return await this.#deps.handlers[command](parameters as never, signal, sender);
    } finally {
      timer.clear();
    }
  }

  /** Asks until it is known, or until the command is too old to be carried out. */
  async #rights({ event, sender, at }: LedgerEntry): Promise<SenderRights | undefined> {
    const { clock, logger, rights } = this.#deps;
    const { signal } = this.#ending;
    for (let told = false; clock.now() - at <= COMMAND_AGE_MAX; told = true) {
      try {
        return await rights(event, sender, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!told)
          logger.warn(
            { event, error: describeError(error) },
            'the homeserver does not tell what the sender of a command may do; asking again',
          );
        await sleep(clock, RIGHTS_RETRY_MILLISECONDS, signal);
      }
    }
    return undefined;
  }

  /** For what has no place in the ledger. */
  #refuse(entry: LedgerEntry, code: string, message: string): void {
    this.#tell(entry, failure(code, message), 'refused');
  }

  #answer(entry: LedgerEntry, outcome: Outcome, result: AuditRecord['result']): void {
    this.#tell(entry, outcome, result);
    this.#deps.ledger.advance(entry.event, 'done');
  }

  #tell(entry: LedgerEntry, outcome: Outcome, result: AuditRecord['result']): void {
    const { logger, post } = this.#deps;
    const target = principalIn(entry.parameters);
    audit(logger, {
      who: entry.sender,
      what: `command ${entry.command}`,
      result,
      ...(target === undefined ? {} : { target }),
      ...(outcome.code === undefined ? {} : { reason: outcome.code }),
    });
    try {
      post(resultContent(entry, outcome), `command-result ${entry.event}`);
    } catch (error) {
      logger.error({ event: entry.event, error: describeError(error) }, 'the answer to a command could not be sent');
    }
  }
}

function failure(code: string, body: string): Outcome {
  return { status: 'error', code, body, milliseconds: 0 };
}

function principalIn(parameters: unknown): string | undefined {
  const principal = typeof parameters === 'object' && parameters !== null ? (parameters as { principal?: unknown }).principal : undefined;
  return typeof principal === 'string' ? principal : undefined;
}

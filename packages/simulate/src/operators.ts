// SPDX-License-Identifier: Apache-2.0
import { parsePrincipalName, type PrincipalName } from '@bureau/core';
import type { AuthorizationList } from '@bureau/protocol';
import type { MachineRules } from '@bureau/reconcile';
import { sealFake } from './fake-bundle.ts';
import type { FakeHomeserver } from './fake-homeserver.ts';

export const PRINCIPALS = ['iree/one', 'iree/two', 'iree/three'].map(parsePrincipalName);

/** What an operator wants of one principal. */
export interface Wish {
  readonly generation: number;
  readonly command: readonly string[];
  readonly restart: 'always' | 'on-failure' | 'never';
  readonly desired: 'running' | 'stopped';
  /** Changes the environment, and so the sandbox. */
  readonly revision: number;
  readonly payload?: Readonly<Record<string, unknown>>;
  readonly authorization?: AuthorizationList;
  /** Started only while the gate is open. */
  readonly isGated: boolean;
  readonly update?: 'replace' | 'guarded';
  readonly quarantineAfter?: number;
  readonly isChecked?: boolean;
  /** The content is written so that no machine can read it. */
  readonly isBroken: boolean;
}

/** What an operator chooses when deploying. */
export type Deployment = Pick<Wish, 'command' | 'restart' | 'isGated'> & Partial<Pick<Wish, 'isChecked' | 'update' | 'quarantineAfter'>>;

const CHECK = {
  type: 'socket',
  endpoint: '/workspace/health.sock',
  intervalSeconds: 6,
  timeoutSeconds: 1,
  failureThreshold: 2,
  gracePeriodSeconds: 2,
};

/** State key of what start conditions look at. */
const GATE = 'gate';
const WHEN = { room: '!gates:simulated', type: 'm.gate', stateKey: GATE, match: { open: true } };

/** The newest bundle of a principal. */
export interface Issue {
  readonly issue: number;
  readonly expired: boolean;
}

/** What operators have said, as they remember it; each change goes to the homeserver at once. */
export class Operators {
  readonly #server: FakeHomeserver;
  readonly #wishes = new Map<PrincipalName, Wish>();
  /** What each said before that. */
  readonly #before = new Map<PrincipalName, Wish>();
  readonly #halts = new Map<PrincipalName, number>();
  readonly #issues = new Map<PrincipalName, Issue>();
  /** The highest generation of each principal, removed ones included. */
  readonly #generations = new Map<PrincipalName, number>();
  #template = 0;
  #rules: MachineRules = { cordoned: false, draining: false };
  #isGateOpen = false;

  constructor(server: FakeHomeserver) {
    this.#server = server;
  }

  wish(principal: PrincipalName): Wish | undefined {
    return this.#wishes.get(principal);
  }

  issue(principal: PrincipalName): Issue | undefined {
    return this.#issues.get(principal);
  }

  /** A new assignment, or a new generation of one; a first one comes with credentials. */
  deploy(principal: PrincipalName, how: Deployment): void {
    const generation = (this.#generations.get(principal) ?? -1) + 1;
    const before = this.#wishes.get(principal);
    if (!this.#issues.has(principal)) this.provision(principal, false);
    this.#write(principal, { revision: 0, ...before, ...how, generation, desired: 'running', isBroken: false });
  }

  /** The generation that was stopped by a command, if one was. */
  haltOf(principal: PrincipalName): number | undefined {
    return this.#halts.get(principal);
  }

  noteHalt(principal: PrincipalName, generation: number | undefined): void {
    if (generation === undefined) this.#halts.delete(principal);
    else this.#halts.set(principal, generation);
  }

  /** Nothing new is started, or nothing at all runs. */
  ruleMachine(rules: MachineRules): void {
    this.#rules = rules;
    this.#server.set('machine', '', rules);
  }

  /** What operators say of the machine itself. */
  get rules(): MachineRules {
    return this.#rules;
  }

  /** Whether start conditions hold. */
  get isGateOpen(): boolean {
    return this.#isGateOpen;
  }

  setGate(isOpen: boolean): void {
    this.#isGateOpen = isOpen;
    this.#server.set('gates', GATE, { open: isOpen });
  }

  /** Changes an assignment; nothing happens where there is none. */
  edit(principal: PrincipalName, change: (wish: Wish) => Partial<Wish>): void {
    const wish = this.#wishes.get(principal);
    if (wish !== undefined) this.#write(principal, { ...wish, ...change(wish) });
  }

  /** Says again what was said before the last edit; a generation does not go back, and another policy is another generation. */
  takeBack(principal: PrincipalName): void {
    const before = this.#before.get(principal);
    const now = this.#wishes.get(principal);
    if (before === undefined || now === undefined) return;
    this.#write(principal, { ...before, generation: now.generation + (before.restart === now.restart ? 0 : 1) });
  }

  remove(principal: PrincipalName): void {
    if (!this.#wishes.delete(principal)) return;
    this.#halts.delete(principal);
    this.#server.set('assignments', principal, {});
  }

  /** A new bundle. */
  provision(principal: PrincipalName, expired: boolean): void {
    const issue = { issue: (this.#issues.get(principal)?.issue ?? 0) + 1, expired };
    this.#issues.set(principal, issue);
    const bundle = Buffer.from(sealFake({ principal, ...issue })).toString('base64');
    this.#server.set('credentials', principal, { v: 1, principal, bundle });
  }

  publishTemplate(): void {
    this.#template += 1;
    this.#server.set('templates', 'default', { v: 1, description: 'simulated', environment: { TEMPLATE: String(this.#template) } });
  }

  /** The environment that a sandbox of this wish has, template included. */
  environmentOf({ revision, generation, restart }: Wish): Record<string, string> {
    return { TEMPLATE: String(this.#template), ...ownEnvironment({ revision, generation, restart }) };
  }

  #write(principal: PrincipalName, wish: Wish): void {
    const before = this.#wishes.get(principal);
    if (before !== undefined) this.#before.set(principal, before);
    this.#wishes.set(principal, wish);
    this.#generations.set(principal, Math.max(wish.generation, this.#generations.get(principal) ?? 0));
    const { generation, command, restart, desired, payload, authorization, isBroken, isGated, update, quarantineAfter, isChecked } = wish;
    this.#server.set('assignments', principal, {
      v: 1,
      principal,
      template: 'default',
      command: isBroken ? 'no list' : command,
      environment: ownEnvironment(wish),
      restart,
      desired,
      generation,
      ...(isGated ? { startWhen: WHEN } : {}),
      ...(update === undefined ? {} : { update }),
      ...(quarantineAfter === undefined ? {} : { quarantineAfter }),
      ...(isChecked === true ? { healthCheck: CHECK } : {}),
      ...(payload === undefined ? {} : { payload }),
      ...(authorization === undefined ? {} : { authorization }),
    });
  }
}

function ownEnvironment({ revision, generation, restart }: Pick<Wish, 'revision' | 'generation' | 'restart'>): Record<string, string> {
  return { REVISION: String(revision), GENERATION: String(generation), RESTART: restart };
}

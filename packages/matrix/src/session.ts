// SPDX-License-Identifier: Apache-2.0
import { BureauError, UsageError } from '@bureau/core';
import type { CallOptions, MatrixAnswer, MatrixHttp, MatrixRequest } from './http.ts';
import { AUTHENTICATION_STAGES_MAX } from './limits.ts';
import { authenticationAnswer, readAnswer, sessionAnswer } from './schemas.ts';

export interface MatrixSession {
  readonly userId: string;
  readonly accessToken: string;
  readonly deviceId: string;
}

export interface Registration {
  /** The localpart. */
  readonly username: string;
  readonly password: string;
  readonly registrationToken: string;
  readonly deviceId: string;
  readonly deviceName?: string;
}

export interface Login {
  readonly username: string;
  readonly password: string;
  readonly deviceId: string;
  readonly deviceName?: string;
}

const TOKEN_STAGE = 'm.login.registration_token';
const DUMMY_STAGE = 'm.login.dummy';

/**
 * Registers by user-interactive authentication. Servers ask for the token alone or for it and `m.login.dummy`; a server that wants
 * more (an e-mail address, a captcha) is refused with `matrix_registration_unsupported`.
 */
export async function registerWithToken(http: MatrixHttp, registration: Registration, options: CallOptions): Promise<MatrixSession> {
  const { username, password, deviceId, deviceName, registrationToken } = registration;
  const account = {
    username,
    password,
    device_id: deviceId,
    ...(deviceName === undefined ? {} : { initial_device_display_name: deviceName }),
  };
  let authentication: Record<string, string> | undefined;
  for (let stage = 0; stage <= AUTHENTICATION_STAGES_MAX; stage++) {
    const request: MatrixRequest = {
      ...options,
      method: 'POST',
      path: ['v3', 'register'],
      anonymous: true,
      body: { ...account, ...(authentication === undefined ? {} : { auth: authentication }) },
    };
    const answer = await http.ask(request);
    if (answer.status === 200) return asSession(answer.body, 'register');
    if (answer.status !== 401 || !('flows' in answer.body)) throw http.refusal(request, answer);
    const next = nextStage(answer);
    if (authentication?.['type'] === next.type) throw refusedStage(next.type);
    authentication = next.type === TOKEN_STAGE ? { ...next, token: registrationToken } : next;
  }
  throw new BureauError(
    'matrix_registration_unsupported',
    `Expected the homeserver to register after at most ${AUTHENTICATION_STAGES_MAX} stages of authentication`,
  );
}

/** Logs in with a password. */
export async function loginWithPassword(http: MatrixHttp, login: Login, options: CallOptions): Promise<MatrixSession> {
  const body = {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: login.username },
    password: login.password,
    device_id: login.deviceId,
    ...(login.deviceName === undefined ? {} : { initial_device_display_name: login.deviceName }),
  };
  return asSession(await http.call({ ...options, method: 'POST', path: ['v3', 'login'], anonymous: true, body }), 'login');
}

/** Changes the password of the token's own account, whose other sessions stay. `matrix_forbidden` when the former one is not right. */
export async function changeOwnPassword(
  http: MatrixHttp,
  change: { readonly username: string; readonly former: string; readonly next: string },
  options: CallOptions,
): Promise<void> {
  const request: MatrixRequest = {
    ...options,
    method: 'POST',
    path: ['v3', 'account', 'password'],
    body: {
      new_password: change.next,
      logout_devices: false,
      auth: { type: 'm.login.password', identifier: { type: 'm.id.user', user: change.username }, password: change.former },
    },
  };
  const answer = await http.ask(request);
  if (answer.status === 200) return;
  // The stage that was asked for again was refused: servers answer that with 401 or 403.
  if (answer.status === 401 && 'flows' in answer.body)
    throw new BureauError('matrix_forbidden', 'The homeserver refused the former password of this account');
  throw http.refusal(request, answer);
}

function nextStage(answer: MatrixAnswer): { type: string; session: string } {
  const { flows, completed, session } = readAnswer(authenticationAnswer, answer.body, 'register');
  const flow = flows.find(
    ({ stages }) => stages.includes(TOKEN_STAGE) && stages.every((stage) => stage === TOKEN_STAGE || stage === DUMMY_STAGE),
  );
  const type = flow?.stages.find((stage) => !completed.includes(stage));
  if (type === undefined) {
    throw new UsageError(
      'matrix_registration_unsupported',
      'Expected a homeserver that registers accounts with a registration token alone; turn that on in its configuration (Synapse: registration_requires_token)',
    );
  }
  return { type, session: session ?? '' };
}

/** The same stage asked for again means that what we gave for it was refused. */
function refusedStage(type: string): UsageError {
  if (type === TOKEN_STAGE)
    return new UsageError(
      'matrix_registration_token_refused',
      'The homeserver refused the registration token; give one that is valid (it may have expired, been used up or been revoked)',
    );
  return new UsageError('matrix_registration_unsupported', `The homeserver refused the stage ${type} of registration`);
}

function asSession(answer: unknown, what: string): MatrixSession {
  const { user_id: userId, access_token: accessToken, device_id: deviceId } = readAnswer(sessionAnswer, answer, what);
  return { userId, accessToken, deviceId };
}

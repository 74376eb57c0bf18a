// SPDX-License-Identifier: Apache-2.0
import { describeError, hasCode, parseLocalpart, parseServerName, parseUserId, userIdOf, type Clock, type ServerName } from '@bureau/core';
import { BUILT_IN_TEMPLATES } from '@bureau/templates';
import { ADMINISTRATOR } from './administrator.ts';
import { MatrixClient } from './client.ts';
import { readCredentialFile, type CredentialFile } from './credential-file.ts';
import { Findings, type Check, type DoctorReport } from './doctor-report.ts';
import { checkRooms, type DoctorContext } from './doctor-rooms.ts';
import { parseHomeserverUrl } from './http.ts';
import { BUREAU_SPACE, STANDARD_ROOMS } from './rooms.ts';

/** A repair may bring to light what was hidden behind it (a room made anew is not yet in the credential file); more rounds than this do not help. */
const REPAIR_ROUNDS_MAX = 3;

export interface DoctorOptions {
  readonly credentialFilePath: string;
  /** Default: the credential file's. */
  readonly homeserverUrl?: string;
  /** Default: that of the administrator's user ID. */
  readonly serverName?: ServerName;
  readonly clock: Clock;
  /** Repair what can be repaired, then look again. Default false: nothing is written. */
  readonly fix?: boolean;
  readonly signal?: AbortSignal;
}

/** Looks at everything that `setUpMatrix` makes. Findings are values; throws only when called off. */
export async function examineMatrix(options: DoctorOptions): Promise<DoctorReport> {
  const repaired = new Map<string, string>();
  for (let round = 0; ; round++) {
    const findings = await oneRound(options);
    const repairs = options.fix === true && round < REPAIR_ROUNDS_MAX ? findings.list.filter(({ repair }) => repair !== undefined) : [];
    if (repairs.length === 0) {
      const checks = findings.list.map((finding) => asCheck(finding, repaired.get(finding.name)));
      return { checks, ok: checks.every(({ status }) => status !== 'fail') };
    }
    for (const { name, message, repair } of repairs) {
      try {
        await repair?.();
        repaired.set(name, message);
      } catch {
        // The next round finds it still there and says so.
        options.signal?.throwIfAborted();
      }
    }
  }
}

function asCheck({ name, status, message, fix }: Check, former: string | undefined): Check {
  if (former !== undefined && status === 'pass') return { name, status, message: `repaired: ${former}`, repaired: true };
  return { name, status, message, ...(fix === undefined ? {} : { fix }) };
}

async function oneRound(options: DoctorOptions): Promise<Findings> {
  const findings = new Findings();
  const context = await checkAccess(options, findings);
  if (typeof context === 'string') skipRooms(findings, context);
  else await checkRooms(context, findings);
  return findings;
}

/** Credential file, server, token, name. Answers why the rest cannot be looked at, if so. */
async function checkAccess(options: DoctorOptions, findings: Findings): Promise<DoctorContext | string> {
  const { credentialFilePath, signal } = options;
  const rest = ['homeserver', 'authentication', 'server name'];
  const stop = (because: string): string => {
    for (const name of rest) findings.skip(name, because);
    return because;
  };
  let credentials: CredentialFile;
  let client: MatrixClient;
  try {
    credentials = readCredentialFile(credentialFilePath);
    const token = credentials.get('MATRIX_ADMIN_TOKEN');
    const homeserverUrl = parseHomeserverUrl(options.homeserverUrl ?? credentials.get('MATRIX_HOMESERVER_URL') ?? '');
    client = new MatrixClient({ homeserverUrl, clock: options.clock, ...(token === undefined ? {} : { token }) });
  } catch (error) {
    findings.fail(
      'credential file',
      describeError(error),
      `put right what it says, or run: bureau matrix setup --credential-file ${credentialFilePath}`,
    );
    return stop('there is no credential file that can be used');
  }
  findings.pass('credential file', credentialFilePath);

  rest.shift();
  try {
    const versions = await client.versions({ signal });
    findings.pass('homeserver', `answers; its newest specification is ${versions.at(-1) ?? 'unknown'}`);
  } catch (error) {
    signal?.throwIfAborted();
    findings.fail('homeserver', describeError(error), 'start the homeserver (script/up), or correct MATRIX_HOMESERVER_URL');
    return stop('the homeserver does not answer');
  }

  rest.shift();
  let userId: string;
  try {
    userId = (await client.whoami({ signal })).userId;
  } catch (error) {
    signal?.throwIfAborted();
    const dead = hasCode(error, 'matrix_unknown_token') || hasCode(error, 'matrix_missing_token');
    findings.fail(
      'authentication',
      dead ? 'the homeserver does not know MATRIX_ADMIN_TOKEN' : describeError(error),
      `run: bureau matrix setup --credential-file ${credentialFilePath}`,
    );
    return stop('the token does not work');
  }
  const recorded = credentials.get('MATRIX_ADMIN_USER');
  if (recorded === userId) findings.pass('authentication', `the token is ${userId}'s`);
  else
    findings.warn(
      'authentication',
      `the token is ${userId}'s, and MATRIX_ADMIN_USER says ${recorded ?? 'nothing'}`,
      'run: bureau matrix setup',
    );
  return checkServerName(options, { client, credentials, userId }, findings);
}

function checkServerName(
  options: DoctorOptions,
  found: { client: MatrixClient; credentials: CredentialFile; userId: string },
  findings: Findings,
): DoctorContext | string {
  try {
    const userId = parseUserId(found.userId);
    const serverName = parseServerName(userId.slice(userId.indexOf(':') + 1));
    // Not the token's owner: with another operator's token the rooms are still to be the administrator's.
    const owner = userIdOf(parseLocalpart(ADMINISTRATOR), serverName);
    if (options.serverName !== undefined && options.serverName !== serverName) {
      findings.fail(
        'server name',
        `the homeserver calls itself ${serverName}, not ${options.serverName}`,
        'give the right --server-name, or the credential file of the right server',
      );
      return 'it is another server';
    }
    findings.pass('server name', serverName);
    return {
      client: found.client,
      owner,
      serverName,
      credentials: found.credentials,
      credentialFilePath: options.credentialFilePath,
      signal: options.signal,
    };
  } catch (error) {
    findings.fail('server name', describeError(error), 'run: bureau matrix setup');
    return 'the user ID cannot be read';
  }
}

function skipRooms(findings: Findings, because: string): void {
  for (const { label } of [BUREAU_SPACE, ...STANDARD_ROOMS]) findings.skip(label, because);
  for (const name of BUILT_IN_TEMPLATES.keys()) findings.skip(`template ${name}`, because);
}

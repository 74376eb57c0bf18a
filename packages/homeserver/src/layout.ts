// SPDX-License-Identifier: Apache-2.0

/** Where each file of one homeserver is. */
export interface HomeserverLayout {
  /** root:homeserver 0750. Only root writes here, so the homeserver cannot replace its own configuration. */
  readonly directory: string;
  /** homeserver 0700: database, signing key. Root never writes into it. */
  readonly dataDirectory: string;
  /** Symbolic link to the installed Synapse (`homeserverLibrary`); what runs after an upgrade changes here. */
  readonly libraryLink: string;
  readonly configFile: string;
  readonly logConfigFile: string;
  /** Read by the homeserver; whoever holds it can make a server administrator. */
  readonly sharedSecretFile: string;
  /** Read by the homeserver; signs short-lived login tokens. */
  readonly macaroonSecretFile: string;
  /** Read by the homeserver; signs its forms. */
  readonly formSecretFile: string;
  /** Written by an operator, if there is a TURN server: `turn.ts`. */
  readonly turnFile: string;
  /** Written by an operator beside it; shared with the TURN server, read by the homeserver. */
  readonly turnSecretFile: string;
  /** root 0600: the server administrator's password. */
  readonly administratorPasswordFile: string;
  /** root 0600: what `matrix setup` and account creation register with. */
  readonly registrationTokenFile: string;
}

/** The layout below a homeserver's state directory. Pure. */
export function homeserverLayout(directory: string): HomeserverLayout {
  return {
    directory,
    dataDirectory: `${directory}/data`,
    libraryLink: `${directory}/library`,
    configFile: `${directory}/homeserver.json`,
    logConfigFile: `${directory}/log.json`,
    sharedSecretFile: `${directory}/registration-shared-secret`,
    macaroonSecretFile: `${directory}/macaroon-secret`,
    formSecretFile: `${directory}/form-secret`,
    turnFile: `${directory}/turn.json`,
    turnSecretFile: `${directory}/turn-secret`,
    administratorPasswordFile: `${directory}/administrator-password`,
    registrationTokenFile: `${directory}/registration-token`,
  };
}

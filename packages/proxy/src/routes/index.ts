// SPDX-License-Identifier: Apache-2.0
import type { Route } from '../router.ts';
import { healthz } from './healthz.ts';
import { identity } from './identity.ts';
import { matrixMessages } from './matrix-messages.ts';

/** Everything that an agent can ask for. */
export const ROUTES: readonly Route[] = [healthz, identity, matrixMessages];

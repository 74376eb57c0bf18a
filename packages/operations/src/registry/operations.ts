// SPDX-License-Identifier: Apache-2.0
import { agentDeploy } from '../agents/deploy.ts';
import { agentList } from '../agents/list.ts';
import { agentLogs } from '../agents/logs.ts';
import { agentRemove } from '../agents/remove.ts';
import { agentRestart } from '../agents/restart.ts';
import { agentStop } from '../agents/stop.ts';
import { observe } from '../agents/observe.ts';
import { run } from '../agents/run.ts';
import { doctorHost } from '../host/doctor-host.ts';
import { machinePlan } from '../machine/plan.ts';
import { machineStatus } from '../machine/status.ts';
import { matrixDoctor } from '../matrix/doctor.ts';
import { matrixSetup } from '../matrix/setup.ts';
import { matrixUserCreate } from '../matrix/user-create.ts';
import { standDown } from '../stand/down.ts';
import { standUp } from '../stand/up.ts';
import type { AnyOperation } from './operation.ts';

/** Every operation there is, in the order of the help page. */
export const OPERATIONS: readonly AnyOperation[] = [
  run,
  observe,
  agentDeploy,
  agentList,
  agentStop,
  agentRestart,
  agentRemove,
  agentLogs,
  machineStatus,
  machinePlan,
  matrixSetup,
  matrixDoctor,
  matrixUserCreate,
  doctorHost,
  standUp,
  standDown,
];

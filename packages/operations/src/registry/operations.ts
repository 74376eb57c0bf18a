// SPDX-License-Identifier: Apache-2.0
import { agentDeploy } from '../agents/deploy.ts';
import { agentList } from '../agents/list.ts';
import { agentLogs } from '../agents/logs.ts';
import { agentPayload } from '../agents/payload.ts';
import { agentRemove } from '../agents/remove.ts';
import { agentRestart } from '../agents/restart.ts';
import { agentShow } from '../agents/show.ts';
import { agentStop } from '../agents/stop.ts';
import { agentWait } from '../agents/wait.ts';
import { observe } from '../agents/observe.ts';
import { run } from '../agents/run.ts';
import { credentialList } from '../credentials/list.ts';
import { credentialProvision } from '../credentials/provision.ts';
import { credentialRecover } from '../credentials/recover.ts';
import { credentialRevoke } from '../credentials/revoke.ts';
import { credentialRotate } from '../credentials/rotate.ts';
import { credentialShow } from '../credentials/show.ts';
import { doctorHost } from '../host/doctor-host.ts';
import { machineCommand } from '../machine/command.ts';
import { machineConfirm } from '../machine/confirm.ts';
import { machineCordon, machineDrain, machineUncordon } from '../machine/cordon.ts';
import { machineDecommission } from '../machine/decommission.ts';
import { machineDoctor } from '../machine/doctor.ts';
import { machineIdentityMigrate } from '../machine/identity-migrate.ts';
import { machineIdentityShow } from '../machine/identity-show.ts';
import { machineLabel } from '../machine/label.ts';
import { machineList } from '../machine/list.ts';
import { machinePlan } from '../machine/plan.ts';
import { machineProvision } from '../machine/provision.ts';
import { machineRevoke } from '../machine/revoke.ts';
import { machineShow } from '../machine/show.ts';
import { machineStatus } from '../machine/status.ts';
import { matrixDoctor } from '../matrix/doctor.ts';
import { matrixInspect } from '../matrix/inspect.ts';
import { matrixMessages } from '../matrix/messages.ts';
import { matrixRoomCreate } from '../matrix/room-create.ts';
import { matrixRoomDelete } from '../matrix/room-delete.ts';
import { matrixRoomList } from '../matrix/room-list.ts';
import { matrixRoomMembers } from '../matrix/room-members.ts';
import { matrixSend } from '../matrix/send.ts';
import { matrixSetup } from '../matrix/setup.ts';
import { matrixSpaceCreate } from '../matrix/space-create.ts';
import { matrixSpaceDelete } from '../matrix/space-delete.ts';
import { matrixSpaceList } from '../matrix/space-list.ts';
import { matrixSpaceMembers } from '../matrix/space-members.ts';
import { matrixStateGet } from '../matrix/state-get.ts';
import { matrixStateSet } from '../matrix/state-set.ts';
import { matrixUserCreate } from '../matrix/user-create.ts';
import { matrixUserInvite } from '../matrix/user-invite.ts';
import { matrixUserKick } from '../matrix/user-kick.ts';
import { matrixUserList } from '../matrix/user-list.ts';
import { matrixUserWhoami } from '../matrix/user-whoami.ts';
import { matrixWatch } from '../matrix/watch.ts';
import { authExplain } from '../auth/explain.ts';
import { proxyCall } from '../proxy/call.ts';
import { proxyLog } from '../proxy/log.ts';
import { proxyMetrics } from '../proxy/metrics.ts';
import { sandboxValidate } from '../sandbox/validate.ts';
import { sandboxExplain } from '../sandbox/explain.ts';
import { sandboxTest } from '../sandbox/attack-sandbox.ts';
import { standDown } from '../stand/down.ts';
import { standUp } from '../stand/up.ts';
import { templateDiff } from '../templates/diff.ts';
import { templateHistory } from '../templates/history.ts';
import { templateImpact } from '../templates/impact.ts';
import { templateList } from '../templates/list.ts';
import { templatePush } from '../templates/push.ts';
import { templateResolve } from '../templates/resolve.ts';
import { templateShow } from '../templates/show.ts';
import { templateValidate } from '../templates/validate.ts';
import type { AnyOperation } from './operation.ts';

/** Every operation there is, in the order of the help page. */
export const OPERATIONS: readonly AnyOperation[] = [
  run,
  observe,
  agentDeploy,
  agentList,
  agentShow,
  agentWait,
  agentStop,
  agentRestart,
  agentPayload,
  agentRemove,
  agentLogs,
  credentialProvision,
  credentialShow,
  credentialList,
  credentialRotate,
  credentialRevoke,
  credentialRecover,
  proxyLog,
  proxyCall,
  proxyMetrics,
  authExplain,
  machineList,
  machineShow,
  machineStatus,
  machinePlan,
  machineLabel,
  machineCordon,
  machineUncordon,
  machineDrain,
  machineCommand,
  machineProvision,
  machineConfirm,
  machineDoctor,
  machineDecommission,
  machineRevoke,
  machineIdentityShow,
  machineIdentityMigrate,
  matrixSetup,
  matrixDoctor,
  matrixUserCreate,
  matrixUserList,
  matrixUserInvite,
  matrixUserKick,
  matrixUserWhoami,
  matrixSpaceCreate,
  matrixSpaceList,
  matrixSpaceDelete,
  matrixSpaceMembers,
  matrixRoomCreate,
  matrixRoomList,
  matrixRoomDelete,
  matrixRoomMembers,
  matrixSend,
  matrixStateGet,
  matrixStateSet,
  matrixInspect,
  matrixWatch,
  matrixMessages,
  templateList,
  templateShow,
  templateResolve,
  templateValidate,
  templateDiff,
  templateImpact,
  templatePush,
  templateHistory,
  sandboxExplain,
  sandboxValidate,
  sandboxTest,
  doctorHost,
  standUp,
  standDown,
];

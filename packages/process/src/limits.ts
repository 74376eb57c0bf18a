// SPDX-License-Identifier: Apache-2.0

/** A child that is not ready by then is killed, where the caller names no other time. A Node process of ours needs 0.1 to 0.5 s. */
export const READY_MILLISECONDS = 15_000;
/** `ready\n`, or why not, and nothing else belongs on the readiness pipe; a child that sends more is confused. */
export const READY_LINE_MAX_BYTES = 64;
/** Why a process says that it cannot start: a message with two paths and its causes. */
export const FAILURE_MAX_CHARACTERS = 1_024;
/** From the end of the readiness pipe to the exit event of the same death; without an exit by then the child has only closed the pipe. */
export const CLOSED_TO_EXIT_MILLISECONDS = 500;
/** From SIGKILL to gone. Only a process in an uninterruptible wait (a dead disk) takes longer. */
export const KILL_WAIT_MILLISECONDS = 5_000;
/** Between two looks at a control group whose end is waited for, besides what the kernel tells. */
export const LOOK_AGAIN_MILLISECONDS = 2_000;
/** Between two looks whether killed processes are gone, where no control group tells it. */
export const KILL_LOOK_MILLISECONDS = 5;
/** Rounds of stop-and-look-again over a tree that forks meanwhile; a tree that is still growing then is killed as far as it is known. */
export const STOP_ROUNDS = 32;
/** What an error quotes of a child's log. */
export const LOG_TAIL_BYTES = 2_048;
/** `rmdir` of an emptied control group may answer EBUSY for a moment. Blocks the event loop, so it is short. */
export const CGROUP_BUSY_MILLISECONDS = 250;
/** Between two tries of that `rmdir`. */
export const CGROUP_BUSY_PAUSE_MILLISECONDS = 2;
/** Longest group name; the kernel's limit for a directory name is 255. */
export const CGROUP_NAME_MAX_BYTES = 64;
/** Node's timers wrap above this; longer ones are made of several. */
export const TIMER_MAX_MILLISECONDS = 2_147_483_647;
/** The largest uid; 4294967295 means "no change" to the kernel. */
export const UID_MAX = 4_294_967_294;
/** After the last member of a pool was taken, before others are started: what took it is still using the processors. */
export const REFILL_QUIET_MILLISECONDS = 300;
/** … but never later than this after the first that was taken, however many are taken meanwhile: fifty at once take two seconds of two processors. */
export const REFILL_LATEST_MILLISECONDS = 2_500;
/** Pause before a member is started again that ended while it waited, or did not come to wait: a broken program is not started all day. */
export const REFILL_AFTER_FAILURE_MILLISECONDS = 5_000;
/** From a member's start to its waiting: 0.1 s; a machine under load gets 200 times that. */
export const WARM_MILLISECONDS = 20_000;

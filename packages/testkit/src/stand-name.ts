// SPDX-License-Identifier: Apache-2.0
import { parseInstanceName, type InstanceName } from '@bureau/core';

/** `t`, five digits of the process's pid, five of the time: 11 characters, told from what a person chooses. */
const PATTERN = /^t([0-9a-z]{5})[0-9a-z]{5}$/;

/** An instance name that no other test process has. */
export function standName(pid: number, now: number): InstanceName {
  const digits = (value: number): string => value.toString(36).padStart(5, '0').slice(-5);
  return parseInstanceName(`t${digits(pid)}${digits(now)}`);
}

/** The pid of the test process that a stand's name was made for; undefined for every other name. */
export function ownerOf(name: string): number | undefined {
  const digits = PATTERN.exec(name)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 36);
}

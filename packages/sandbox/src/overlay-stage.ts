// SPDX-License-Identifier: Apache-2.0
import { dirname } from 'node:path';
import type { OverlayPlan } from '@bureau/protocol';

/**
 * Puts the overlays together and becomes its last arguments. Runs as root of a user namespace in which only the payload's uid exists, so it can
 * do nothing that this uid could not; everything it mounts is in a mount namespace that ends with the sandbox. Arguments: base directory,
 * uid, number of overlays, for each `lower identity upper size stage`, then the command. Nothing of a spec is ever part of its text.
 */
const SCRIPT = `
set -eu
fail() { printf 'bwrap: overlay: %s\\n' "$1" >&2; exit 1; }
base=$1; uid=$2; count=$3; shift 3
/usr/bin/mount -n -i -t tmpfs -o mode=0700,size=16m tmpfs "$base" || fail 'this host does not let an ordinary user mount in a namespace of its own'
while [ "$count" -gt 0 ]; do
  lower=$1 identity=$2 upper=$3 size=$4 stage=$5; shift 5; count=$((count - 1))
  /usr/bin/mkdir "$stage" "$stage/lower" "$stage/merged" "$stage/memory"
  /usr/bin/mount -n -i --rbind -- "$lower" "$stage/lower" || fail "$lower cannot be mounted"
  [ "$(/usr/bin/stat -c %d:%i -- "$stage/lower")" = "$identity" ] || fail "$lower is not what the launcher admitted"
  if [ -z "$upper" ]; then
    /usr/bin/mount -n -i -t tmpfs -o "mode=0700,size=$size" tmpfs "$stage/memory" || fail 'no memory file system'
    upper=$stage/memory
    /usr/bin/mkdir "$upper/upper" "$upper/work"
  fi
  /usr/bin/mount -n -i -t overlay -o "lowerdir=$stage/lower,upperdir=$upper/upper,workdir=$upper/work,userxattr" overlay "$stage/merged" ||
    fail "the kernel refuses it on $lower (an overlay by an ordinary user needs Linux 5.11, and an upper on ext4, xfs, btrfs or tmpfs)"
done
exec /usr/bin/unshare --user --map-user="$uid" --map-group="$uid" -- "$@"
`;

/** bubblewrap's command line behind one that makes the overlays first; as it is when there is none. Pure. */
export function withOverlays(
  overlays: readonly OverlayPlan[],
  uid: number,
  program: string,
  args: readonly string[],
): { program: string; args: string[] } {
  const [first] = overlays;
  if (first === undefined) return { program, args: [...args] };
  const words = overlays.flatMap(({ lower, upper, stage }) => [
    ...[lower.path, lower.identity],
    ...(typeof upper === 'string' ? [upper, ''] : ['', String(upper)]),
    stage,
  ]);
  return {
    program: '/usr/bin/unshare',
    args: [
      ...['--user', '--map-root-user', '--mount', '--propagation', 'private', '--', '/bin/sh', '-c', SCRIPT, 'sh'],
      ...[dirname(first.stage), String(uid), String(overlays.length), ...words, program, ...args],
    ],
  };
}

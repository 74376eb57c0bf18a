#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs one step in a checkout of its own that holds exactly the files of a list: staged.sh LIST OUTPUT STEP ARGUMENT
#   types PROJECT    type check; OUTPUT is its log
#   bundle FOLDER    bundles of an application or a package; OUTPUT is a directory
#   test PREFIX      the tests whose path begins with PREFIX; no OUTPUT (-)
# Run by Bazel, in a folder where the files of LIST are (links are followed). The copy is below /tmp, not in Bazel's output
# base, since tests start processes of other users there, and goes when the step ends, however it ends.
set -eu
umask 022
list=$1 output=$2 step=$3 argument=$4
checkout=$(dirname -- "$(readlink -f -- package-lock.json)")
[ "$output" = - ] || output=$PWD/$output
parent=${TMPDIR:-/tmp}
# Bazel kills what a person interrupts, so nothing can clean up: copies that nobody holds go with the next step.
find "$parent" -maxdepth 1 -name 'bureau-bazel-??????' -mmin +1 | while IFS= read -r left; do
  flock --nonblock "$left" rm -rf -- "$left" || :
done
stage=$(mktemp -d "$parent/bureau-bazel-XXXXXX")
exec 9< "$stage"
flock 9
child=
# shellcheck disable=SC2329 -- called by the traps
clean() {
  trap - EXIT
  [ -z "$child" ] || { kill -TERM "$child" 2>/dev/null || :; wait "$child" 2>/dev/null || :; }
  rm -rf -- "$stage"
}
trap clean EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
chmod 755 "$stage"

xargs -r -d '\n' cp -L --parents --no-preserve=ownership -t "$stage" < "$list"
rm -rf -- "$stage/node_modules" "$stage/.toolchain"
ln -s "$checkout/node_modules" "$checkout/.toolchain" "$stage/"
# The links that npm made; relative ones between packages lead to the copies.
for manifest in "$stage"/apps/*/package.json "$stage"/packages/*/package.json "$stage"/integration/package.json; do
  folder=${manifest%/package.json}
  links=$checkout/${folder#"$stage/"}/node_modules
  rm -rf -- "$folder/node_modules"
  [ ! -d "$links" ] || [ ! -f "$manifest" ] || cp -a "$links" "$folder/node_modules"
done

PATH=$stage/.toolchain/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
cd "$stage"
mkdir -p apps packages build integration
case "$step" in
  types)
    node_modules/.bin/tsc --project "$argument" --pretty false > "$stage/.log" 2>&1 || { cat "$stage/.log" >&2; exit 1; }
    cp "$stage/.log" "$output" ;;
  bundle) node build/bazel/bundle.ts "$argument" "$output" ;;
  test)
    git init --quiet # some checks ask git which files there are
    # In the background: a shell that waits can clean up when Bazel ends a test that takes too long.
    # The Bazel server ignores SIGHUP, and a shell SIGINT for what runs in the background; tests expect neither.
    env --default-signal node build/test.ts "$argument" 9<&- &
    child=$!
    wait "$child" ;;
  *) echo "staged.sh: unknown step '$step'; expected types, bundle or test" >&2; exit 2 ;;
esac

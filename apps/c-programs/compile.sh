#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles one program of src/: PROGRAM=NAME compile.sh OUTPUT [--sanitize|--hurried]; in a build, OUTPUT is called bureau-NAME.
# For tests: with the sanitizers; a starter that waits less for others (src/starter/patience.h).
# Static: a sandbox may have no libc of the host's.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
output=$1
compiler=${CC:-cc}
command -v "$compiler" >/dev/null 2>&1 || { echo "compile.sh: expected a C compiler called '$compiler', found none; script/setup installs one (Debian: gcc and libc6-dev)" >&2; exit 1; }
common="-std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -Wconversion -Wshadow -Wformat=2 -Wstrict-prototypes -Wvla -fno-common"
# bureau-exec has no library (src/exec/system.h): nobody sets up a canary or relocates it, so it has a fixed address and needs neither.
case "${PROGRAM:-}" in
  exec) hardened="-ffreestanding -nostdlib -fno-stack-protector -fno-tree-loop-distribute-patterns -fno-asynchronous-unwind-tables -fno-pie -no-pie -static" ;;
  bridge|proxy-call|starter) hardened="-D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -static-pie" ;;
  *) echo "compile.sh: PROGRAM is '${PROGRAM:-}'; expected bridge, exec, proxy-call or starter" >&2; exit 2 ;;
esac
case "${2:-}" in
  --sanitize) flags="$common -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" ;;
  ""|--hurried) flags="$common -O2 $hardened -fstack-clash-protection -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--build-id=none -s" ;;
  *) echo "compile.sh: unknown argument '$2'; expected --sanitize or --hurried" >&2; exit 2 ;;
esac
[ "${2:-}" != --hurried ] || flags="$flags -DSTART_MILLISECONDS=300 -DGO_MILLISECONDS=400 -DRUN_MILLISECONDS=500"
# shellcheck disable=SC2086 -- a list of words
exec "$compiler" $flags -o "$output" "$here/src/$PROGRAM"/*.c

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts the locked Synapse into /usr/lib/bureau/homeserver/<first 16 hex of sha256 of requirements.txt>/, readable by every uid.
#   install.sh          installs unless it is there; prints one line
#   install.sh --path   prints the directory, does nothing
# The directory counts once `.complete` is in it; a half-made one is made afresh. BUREAU_LIBRARY_DIR replaces /usr/lib/bureau.
set -eu
umask 022
here=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
lock="$here/requirements.txt"
parent="${BUREAU_LIBRARY_DIR:-/usr/lib/bureau}/homeserver"
python=/usr/bin/python3 # never the one on the PATH: it may live where other uids cannot go

fail() { echo "homeserver: $*" >&2; exit 1; }

sum=$(sha256sum "$lock")
target="$parent/$(printf %.16s "$sum")"
if [ "${1:-}" = --path ]; then echo "$target"; exit 0; fi
[ $# -eq 0 ] || fail "unknown argument $1; expected nothing or --path"
if [ -e "$target/.complete" ]; then echo "homeserver: already installed in $target"; exit 0; fi

[ -x "$python" ] || fail "expected $python; install it with: apt-get install python3 python3-venv"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$version" = 3.11 ] || fail "the lock is for Python 3.11 (Debian 12); $python is $version. Make a lock for it with deploy/matrix/lock.sh"
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python cannot make virtual environments; install: apt-get install python3-venv"

mkdir -p "$parent" || fail "cannot make $parent; run as root or set BUREAU_LIBRARY_DIR"
exec 9>"$parent/.lock"
flock 9 # a second installer waits, then finds the work done
if [ -e "$target/.complete" ]; then echo "homeserver: already installed in $target"; exit 0; fi

started=$(date +%s)
log="$parent/install.log"
rm -rf -- "$target"
# 9>&-: nothing that pip may leave running keeps the lock.
{
  "$python" -m venv "$target" &&
  "$target/bin/python" -m pip install --disable-pip-version-check --no-input --only-binary :all: --require-hashes --no-deps --requirement "$lock" &&
  "$target/bin/python" -m pip check &&
  "$target/bin/python" -c 'import synapse.app.homeserver'
} >"$log" 2>&1 9>&- || { tail -n 5 -- "$log" >&2; rm -rf -- "$target"; fail "installation failed; the whole log is $log; is the package index reachable?"; }
: > "$target/.complete"
echo "homeserver: installed Synapse in $target ($(($(date +%s) - started)) s)"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes requirements.txt from requirements.in: every package with its hashes, for Debian 12's Python 3.11 on x86_64, wheels only.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
/usr/bin/python3 -m venv "$work/tool"
"$work/tool/bin/pip" install --quiet uv==0.13.9
cd "$here"
"$work/tool/bin/uv" pip compile --quiet --no-config --generate-hashes --only-binary :all: --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
  --no-emit-index-url --no-emit-find-links --custom-compile-command deploy/matrix/lock.sh --output-file "$work/requirements.txt" requirements.in
# No machine's path may enter the repository.
if grep -nE 'file:|--(index|extra-index|find-links)' "$work/requirements.txt"; then echo 'lock.sh: requirements.txt names a place of this machine' >&2; exit 1; fi
{ echo '# SPDX-License-Identifier: Apache-2.0'; cat "$work/requirements.txt"; } > requirements.txt

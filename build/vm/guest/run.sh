#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Inside the machine that script/vm boots: runs its steps, one after the other. build/vm/guest-report.ts reads the lines with @vm.
# /bureau-vm/checkout holds the path of the checkout; the kernel's command line may name steps (bureau.steps=cgroup,stand).
set -u
stty -F /dev/ttyS1 raw -echo 2>/dev/null
cd "$(cat /bureau-vm/checkout)" || exit 1
wanted=facts,cgroup,stand,escape
for word in $(cat /proc/cmdline); do
  case "$word" in bureau.steps=*) wanted=${word#bureau.steps=} ;; esac
done

# A network that leads nowhere: attacks from inside try the host's addresses, and their controls must find one.
ip link add bureau-vm0 type dummy && ip address add 192.0.2.1/24 dev bureau-vm0 && ip link set bureau-vm0 up

# What the machine is, and that it is what this is about: systemd, and a unified tree that has the controllers.
step_facts() {
  uname -sr && systemctl --version | head -n 1 && bwrap --version || return 1
  echo "systemd says: $(systemctl is-system-running)"
  systemctl list-units --failed --no-legend
  [ "$(cat /proc/1/comm)" = systemd ] || { echo "expected systemd as process 1, found $(cat /proc/1/comm)"; return 1; }
  [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || { echo "expected cgroup v2 alone at /sys/fs/cgroup, found $(stat -f -c %T /sys/fs/cgroup)"; return 1; }
  echo "controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
  for controller in cpu io memory pids; do
    grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers || { echo "expected the controller $controller in the unified tree"; return 1; }
  done
}
step_cgroup() { script/test packages/process/src/cgroup packages/process/src/resource-report packages/sandbox/src/resource-limits; }
# The way that a person goes.
step_stand() {
  script/up --instance vm && stand_answers
  code=$?
  script/down --instance vm --purge || return 1
  return $code
}
stand_answers() {
  bin/bureau --instance vm run iree/one --no-tty -- sh -c 'id -u; cat /proc/self/cgroup; curl -sS --unix-socket /proxy.sock http://bureau/v1/identity' || return 1
  cat /sys/fs/cgroup/bureau-vm/cgroup.subtree_control
  bin/bureau --instance vm sandbox validate || return 1
  bin/bureau --instance vm sandbox test
}
# One line a test: a file takes ten minutes here, and what has passed stands even when the rest is not waited for.
step_escape() { script/test --each escape; }
# A name with a slash is no step but tests: part of a file's path.
run_step() { case "$1" in */*) script/test --each "$1" ;; *) "step_$1" ;; esac; }

for step in $(echo "$wanted" | tr , ' '); do
  echo "@vm start $step"
  began=$(date +%s)
  # Through a pipe, as anybody's log is made: the serial line is a terminal.
  { run_step "$step" 2>&1; echo $? > /run/bureau-vm.code; } | cat
  echo "@vm end $step $(cat /run/bureau-vm.code) $(($(date +%s) - began))"
done
echo "@vm done"

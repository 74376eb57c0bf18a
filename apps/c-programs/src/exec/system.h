// SPDX-License-Identifier: Apache-2.0
#ifndef BUREAU_EXEC_SYSTEM_H
#define BUREAU_EXEC_SYSTEM_H

// System calls without a C library. A static glibc asks the processor for its features before `main`, and in a virtual machine each of those
// questions goes to the hypervisor: 0.35 ms of every start of a sandbox, eight times what all the rest of bureau-exec takes.

#include <asm/unistd.h>

// Answers what the kernel answers: an error is -errno. Calls of fewer arguments leave the last ones 0.
static inline long system_call(long number, long first, long second, long third, long fourth) {
#if defined(__x86_64__)
  long answer;
  register long r10 __asm__("r10") = fourth;
  __asm__ volatile("syscall" : "=a"(answer) : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10) : "rcx", "r11", "memory");
  return answer;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = first;
  register long x1 __asm__("x1") = second;
  register long x2 __asm__("x2") = third;
  register long x3 __asm__("x3") = fourth;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
#else
#error "bureau-exec is written for x86_64 and arm64: add the system call of this processor here, and its _start in start.c"
#endif
}

// All of bureau-exec. Does not return: it becomes the command, or ends.
__attribute__((noreturn)) void bureau_exec(long count, char **arguments, char **environment);

#endif

// SPDX-License-Identifier: Apache-2.0
// Where the kernel starts the program: the stack holds the count, the arguments, NULL, the environment, NULL. With the sanitizers of the
// compiler it is a program of the C library, which they need.
#include "system.h"

#ifdef __SANITIZE_ADDRESS__
int main(int count, char **arguments, char **environment) { bureau_exec(count, arguments, environment); }
#else
#if defined(__x86_64__)
__asm__(".text\n.globl _start\n.type _start, @function\n_start:\n  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call begin\n");
#elif defined(__aarch64__)
__asm__(".text\n.globl _start\n.type _start, @function\n_start:\n  mov x29, #0\n  mov x30, #0\n  mov x0, sp\n  bl begin\n");
#endif

__attribute__((noreturn, used, visibility("hidden"))) void begin(long *stack) {
  char **arguments = (char **)(stack + 1);
  bureau_exec(stack[0], arguments, arguments + stack[0] + 1);
}
#endif

// SPDX-License-Identifier: Apache-2.0
#include "starter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void fail(const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  dprintf(STDERR_FILENO, "bureau-starter: %s\n", text);
  _exit(EXIT_FAILED);
}

void await_launcher(void) {
  for (;;) {
    struct pollfd both[] = {{.fd = LAUNCHER, .events = POLLIN}, {.fd = RELAY}};
    if (poll(both, 2, -1) < 0) {
      if (errno == EINTR) continue;
      fail("cannot wait for the launcher: %s", strerror(errno));
    }
    if (both[1].revents != 0) _exit(EXIT_NOTHING);
    if (both[0].revents != 0) return;
  }
}

void receive(int socket, const char magic[4], size_t most, struct message *message) {
  struct {
    char magic[4];
    uint32_t number;
  } words;
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
  } control;
  struct iovec vector = {&words, sizeof words};
  struct msghdr envelope = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
  ssize_t size;
  do size = recvmsg(socket, &envelope, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  while (size < 0 && errno == EINTR);
  if (size == 0) _exit(EXIT_NOTHING); // it has gone, or wants no sandbox any more
  if (size < 0) fail("cannot hear an order: %s", strerror(errno));
  message->count = 0;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(&envelope); part != NULL; part = CMSG_NXTHDR(&envelope, part)) {
    if (part->cmsg_len < CMSG_LEN(0)) break;
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t here = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    if (message->count + here > most) fail("expected at most %zu descriptors", most);
    memcpy(message->descriptors + message->count, CMSG_DATA(part), here * sizeof(int));
    message->count += here;
  }
  if (size != (ssize_t)sizeof words || (envelope.msg_flags & MSG_CTRUNC) != 0 || memcmp(words.magic, magic, 4) != 0)
    fail("expected a message \"%.4s\", found %zd other bytes: launcher and starter must be of one build", magic, size);
  message->number = ntohl(words.number);
}

void receive_bytes(int socket, void *bytes, size_t size) {
  for (size_t have = 0; have < size;) {
    ssize_t more = read(socket, (char *)bytes + have, size - have);
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) fail("cannot read an order: %s", strerror(errno));
    if (more == 0) _exit(EXIT_NOTHING);
    have += (size_t)more;
  }
}

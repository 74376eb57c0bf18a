// SPDX-License-Identifier: Apache-2.0
#include "starter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void fail(const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  size_t size = length < 0 ? 0 : (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
  send(CONTROL, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  _exit(EXIT_FAILED);
}

void receive(const char magic[4], size_t most, struct message *message) {
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
  do size = recvmsg(CONTROL, &envelope, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  while (size < 0 && errno == EINTR);
  if (size == 0) _exit(EXIT_NOTHING); // the relay has gone, or wants no sandbox any more
  if (size < 0) fail("cannot hear the relay: %s", strerror(errno));
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
    fail("expected a message \"%.4s\", found %zd other bytes: relay and starter must be of one build", magic, size);
  message->number = ntohl(words.number);
}

void receive_bytes(void *bytes, size_t size) {
  for (size_t have = 0; have < size;) {
    ssize_t more = read(CONTROL, (char *)bytes + have, size - have);
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) fail("cannot read from the relay: %s", strerror(errno));
    if (more == 0) _exit(EXIT_NOTHING);
    have += (size_t)more;
  }
}

// SPDX-License-Identifier: Apache-2.0
#include "starter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool send_message(int socket, const char magic[4], uint32_t number, const int *descriptors, size_t count) {
  struct {
    char magic[4];
    uint32_t number;
  } words = {.number = htonl(number)};
  memcpy(words.magic, magic, 4);
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
  } control;
  memset(&control, 0, sizeof control);
  struct iovec vector = {&words, sizeof words};
  struct msghdr envelope = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN(sizeof(int) * count);
  memcpy(CMSG_DATA(&control.header), descriptors, sizeof(int) * count);
  ssize_t sent;
  do sent = sendmsg(socket, &envelope, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == (ssize_t)sizeof words;
}

bool send_bytes(int socket, const void *bytes, size_t size) {
  for (size_t sent = 0; sent < size;) {
    ssize_t more = send(socket, (const char *)bytes + sent, size - sent, MSG_NOSIGNAL);
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) return false;
    sent += (size_t)more;
  }
  return true;
}

// Frames of relayReport (packages/protocol/src/relay-contract.ts): the length, then msgpack.
static const char STARTED[] = "\0\0\0\x17\x82\xa4type\xa7started\xa3pid\xce";
static const char RUNNING[] = "\0\0\0\x0e\x81\xa4type\xa7running";

void report(pid_t init) {
  char frame[sizeof STARTED + sizeof(uint32_t)];
  const char *text = init == 0 ? RUNNING : STARTED;
  size_t size = init == 0 ? sizeof RUNNING - 1 : sizeof STARTED - 1;
  memcpy(frame, text, size);
  if (init != 0) {
    uint32_t number = htonl((uint32_t)init);
    memcpy(frame + size, &number, sizeof number);
    size += sizeof number;
  }
  send_bytes(REPORTS, frame, size);
}

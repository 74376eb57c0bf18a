// SPDX-License-Identifier: Apache-2.0
// One client and its connection to the proxy: bytes both ways, each direction ending on its own.
#include "bridge.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

// One direction. What was read and could not be written at once waits in `bytes`; nothing more is read meanwhile.
struct flow {
  unsigned char *bytes;
  size_t start, length;
  bool ended;   // the source has said its last byte
  bool shut;    // the destination knows, or takes no more
  bool discard; // the destination takes no more: what still comes is thrown away
};

struct connection {
  struct end client, proxy;
  struct flow up, down; // client to proxy, proxy to client
  int64_t deadline;     // 0, or when waiting for the proxy or lingering ends
  bool is_dead;
  struct connection *next, *previous;
};

void watch(struct set *set, struct end *end, uint32_t interest) {
  if (end->fd < 0 || interest == end->interest) return;
  // A descriptor without interest leaves the set: it would still report a hang-up, without end.
  int operation = end->interest == 0 ? EPOLL_CTL_ADD : interest == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  struct epoll_event event = {.events = interest, .data.ptr = end};
  if (epoll_ctl(set->epoll, operation, end->fd, &event) != 0) fail("cannot watch a connection: %s", strerror(errno));
  end->interest = interest;
}

static void set_deadline(struct set *set, struct connection *connection, int64_t deadline) {
  if ((connection->deadline != 0) != (deadline != 0)) set->timed = deadline != 0 ? set->timed + 1 : set->timed - 1;
  connection->deadline = deadline;
}

static void close_end(struct set *set, struct end *end) {
  watch(set, end, 0);
  if (end->fd >= 0) close(end->fd);
  end->fd = -1;
}

static void end_connection(struct set *set, struct connection *connection, bool reset) {
  if (connection->is_dead) return;
  connection->is_dead = true;
  if (reset && connection->client.fd >= 0) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection->client.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  }
  set_deadline(set, connection, 0);
  close_end(set, &connection->client);
  close_end(set, &connection->proxy);
  if (connection->previous != NULL) connection->previous->next = connection->next;
  else set->first = connection->next;
  if (connection->next != NULL) connection->next->previous = connection->previous;
  connection->next = set->dead;
  set->dead = connection;
  set->count -= 1;
  if (!set->accepting) {
    set->accepting = true;
    watch(set, &set->listener, EPOLLIN);
  }
}

void free_dead(struct set *set) {
  while (set->dead != NULL) {
    struct connection *connection = set->dead;
    set->dead = connection->next;
    free(connection->up.bytes);
    free(connection->down.bytes);
    free(connection);
  }
}

static void throw_away(struct flow *flow) {
  free(flow->bytes);
  flow->bytes = NULL;
  flow->length = 0;
  flow->shut = flow->discard = true;
}

static bool is_later(int error) { return error == EAGAIN || error == EINTR; }

// Writes what waits. False when the destination takes no more, now or ever.
static bool write_waiting(struct flow *flow, struct end *to) {
  while (flow->length > 0) {
    ssize_t written = send(to->fd, flow->bytes + flow->start, flow->length, MSG_NOSIGNAL);
    if (written < 0) {
      if (!is_later(errno)) throw_away(flow);
      return false;
    }
    flow->start += (size_t)written;
    flow->length -= (size_t)written;
  }
  free(flow->bytes);
  flow->bytes = NULL;
  return true;
}

// Writes a fresh chunk and keeps what is not taken. False as above, or without memory for it.
static bool write_fresh(struct flow *flow, struct end *to, const unsigned char *chunk, size_t length) {
  ssize_t written = send(to->fd, chunk, length, MSG_NOSIGNAL);
  if (written < 0 && !is_later(errno)) {
    throw_away(flow);
    return false;
  }
  size_t taken = written < 0 ? 0 : (size_t)written;
  if (taken == length) return true;
  flow->bytes = malloc(length - taken);
  if (flow->bytes == NULL) {
    throw_away(flow);
    return false;
  }
  memcpy(flow->bytes, chunk + taken, length - taken);
  flow->start = 0;
  flow->length = length - taken;
  return false;
}

// False when the client has reset its connection.
static bool pump(struct flow *flow, struct end *from, struct end *to) {
  static unsigned char chunk[CHUNK_BYTES];
  for (int round = 0; round < ROUNDS_PER_EVENT; round++) {
    if (flow->length > 0 && !write_waiting(flow, to) && !flow->discard) return true;
    if (!flow->ended) {
      ssize_t got = recv(from->fd, chunk, sizeof chunk, 0);
      if (got < 0 && is_later(errno)) return true;
      if (got > 0) {
        if (!flow->discard && !write_fresh(flow, to, chunk, (size_t)got) && !flow->discard) return true;
        continue;
      }
      if (got < 0 && from->source == SOURCE_CLIENT) return false;
      // A proxy that closes before it has read everything is an error too; what it had answered has been read by now.
      flow->ended = true;
    }
    if (!flow->shut) {
      flow->shut = true;
      shutdown(to->fd, SHUT_WR);
    }
    return true;
  }
  return true;
}

static void settle(struct set *set, struct connection *connection) {
  struct flow *up = &connection->up, *down = &connection->down;
  if (down->discard) { // the client takes nothing any more
    end_connection(set, connection, false);
    return;
  }
  if (up->ended && up->shut && down->ended && down->shut) {
    end_connection(set, connection, false);
    return;
  }
  // The answer is out and the proxy reads no more. Closing now, with bytes of the client unread, would reset the connection under
  // the answer.
  if (down->ended && down->shut && up->discard && connection->deadline == 0) {
    set_deadline(set, connection, now_milliseconds() + LINGER_MILLISECONDS);
  }
  uint32_t client = (!up->ended && up->length == 0 ? EPOLLIN : 0u) | (down->length > 0 ? EPOLLOUT : 0u);
  // PRI stands for "tell when it hangs up": a proxy that has only said its last byte may still read.
  uint32_t hang_up = down->ended && !up->shut ? EPOLLPRI : 0u;
  uint32_t proxy = (!down->ended && down->length == 0 ? EPOLLIN : 0u) | (up->length > 0 ? EPOLLOUT : 0u) | hang_up;
  watch(set, &connection->client, client);
  watch(set, &connection->proxy, proxy);
}

void handle_end(struct set *set, struct end *end, uint32_t events) {
  struct connection *connection = end->connection;
  if (connection->is_dead) return;
  bool is_reset = end->source == SOURCE_CLIENT && (events & EPOLLERR) != 0;
  if (is_reset || !pump(&connection->up, &connection->client, &connection->proxy)) { // nobody is there to answer
    end_connection(set, connection, false);
    return;
  }
  pump(&connection->down, &connection->proxy, &connection->client);
  // A proxy that has hung up reads no more, though nothing was written to it since.
  if (end->source == SOURCE_PROXY && (events & EPOLLHUP) != 0 && connection->down.ended && !connection->up.shut) throw_away(&connection->up);
  settle(set, connection);
}

// Connects to the proxy; while it is away the client waits, unread.
static void try_proxy(struct set *set, struct connection *connection, int64_t now) {
  connection->proxy.fd = connect_proxy(set->proxy_path);
  if (connection->proxy.fd >= 0) {
    set_deadline(set, connection, 0);
    settle(set, connection);
  } else if (!is_passing(errno) || now >= connection->deadline) {
    end_connection(set, connection, true);
  }
}

static void add_connection(struct set *set, int fd) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) {
    close(fd);
    return;
  }
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connection->client = (struct end){.source = SOURCE_CLIENT, .fd = fd, .connection = connection};
  connection->proxy = (struct end){.source = SOURCE_PROXY, .fd = -1, .connection = connection};
  connection->next = set->first;
  if (set->first != NULL) set->first->previous = connection;
  set->first = connection;
  set->count += 1;
  int64_t now = now_milliseconds();
  set_deadline(set, connection, now + CONNECT_MILLISECONDS);
  try_proxy(set, connection, now);
}

void accept_clients(struct set *set) {
  for (int round = 0; round < ROUNDS_PER_EVENT * 8; round++) {
    int fd = set->count < CONNECTIONS_MAX ? accept4(set->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) : -1;
    if (fd >= 0) {
      add_connection(set, fd);
    } else if (set->count >= CONNECTIONS_MAX || (set->count > 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))) {
      set->accepting = false; // until a connection ends
      watch(set, &set->listener, 0);
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return;
    }
  }
}

void look_at_timed(struct set *set, int64_t now) {
  for (struct connection *connection = set->first, *next; connection != NULL; connection = next) {
    next = connection->next;
    if (connection->deadline == 0) continue;
    if (connection->proxy.fd < 0) try_proxy(set, connection, now);
    else if (now >= connection->deadline) end_connection(set, connection, false);
  }
}

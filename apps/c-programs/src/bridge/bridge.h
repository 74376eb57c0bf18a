// SPDX-License-Identifier: Apache-2.0
// What the parts of bureau-bridge share. One thread, one epoll set; every descriptor is non-blocking and close-on-exec.
#ifndef BUREAU_BRIDGE_H
#define BUREAU_BRIDGE_H

#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Limits, each with its reason.
enum {
  CHUNK_BYTES = 64 * 1024,         // read at once, and the most that waits in each direction of one connection
  ROUNDS_PER_EVENT = 8,            // chunks moved before another connection has its turn
  CONNECTIONS_MAX = 4096,          // twice as many descriptors; further clients wait in the backlog
  BACKLOG = 1024,                  // connections that the kernel holds for us
  CONNECT_MILLISECONDS = 5000,     // a proxy that is being started again is back in less than one second
  RETRY_MILLISECONDS = 10,         // between two attempts to reach it
  LINGER_MILLISECONDS = 2000,      // for a client to take its answer after the proxy has closed early
  EXIT_DRAIN_MILLISECONDS = 200,   // for bytes that the command sent right before it ended
  EXIT_BRIDGE = 125,               // our own failure, as env(1) and timeout(1) have it
  EXIT_CANNOT_RUN = 126,
  EXIT_NOT_FOUND = 127,
};

struct options {
  struct sockaddr_storage listen;
  socklen_t listen_length;
  const char *socket;
  bool proxy_environment;
  bool quiet;
  char **command; // NULL without one
};

// What an epoll event belongs to.
enum source { SOURCE_LISTENER, SOURCE_SIGNAL, SOURCE_CLIENT, SOURCE_PROXY };

struct connection;

struct end {
  enum source source; // first: events of listener and signals carry nothing else
  int fd;             // -1 when closed
  uint32_t interest;  // what epoll was told; 0 is not in the set
  struct connection *connection;
};

// options.c: exits with EXIT_BRIDGE and one line when the arguments are not right.
void parse_options(int argc, char **argv, struct options *options);
// "127.0.0.1:8642" or "[::1]:8642" of a bound socket; `text` has room for 64 characters.
void format_address(const struct sockaddr_storage *address, char *text);

// sockets.c
int listen_tcp(const struct options *options, struct sockaddr_storage *bound);
// A connection to the proxy's socket, or -1 with errno: EAGAIN while its backlog is full.
int connect_proxy(const char *path);
// Whether an error of connect_proxy() may pass: the proxy is being started, or has many callers.
bool is_passing(int error);
// Tries for CONNECT_MILLISECONDS; exits with EXIT_BRIDGE when nobody answers.
void probe_proxy(const char *path);

// connection.c
struct set {
  int epoll;
  const char *proxy_path;
  struct end listener;
  bool accepting;
  size_t count;
  size_t timed; // connections that wait for the proxy or linger: looked at every RETRY_MILLISECONDS
  struct connection *first;
  struct connection *dead; // freed when no event can name them any more
};
void accept_clients(struct set *set);
void handle_end(struct set *set, struct end *end, uint32_t events);
void look_at_timed(struct set *set, int64_t now);
void free_dead(struct set *set);
void watch(struct set *set, struct end *end, uint32_t interest);

// child.c
pid_t start_command(const struct options *options, const struct sockaddr_storage *bound, const sigset_t *inherited);
// Reaps whatever has ended; true when the command is among it, with the shell's code for its end.
bool reap(pid_t command, int *code);

// main.c
int64_t now_milliseconds(void);
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

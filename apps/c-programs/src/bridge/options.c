// SPDX-License-Identifier: Apache-2.0
// The command line.
#include "bridge.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static const char HELP[] =
    "bureau-bridge [--listen ADDRESS:PORT] [--socket PATH] [--proxy-env] [--quiet] [-- COMMAND ARGUMENT...]\n"
    "\n"
    "Carries TCP connections to the proxy's Unix socket, for programs that cannot speak to one.\n"
    "  --listen ADDRESS:PORT  where to listen; a loopback address, port 0 for a free one (default 127.0.0.1:8642)\n"
    "  --socket PATH          the proxy's socket (default /run/bureau/proxy.sock)\n"
    "  --proxy-env            sets http_proxy, https_proxy, all_proxy and no_proxy (both cases) for COMMAND\n"
    "  --quiet                says nothing when all is well\n"
    "  -- COMMAND ...         runs it, passes INT, TERM, HUP, QUIT, USR1 and USR2 on, ends with its exit code (128+n on signal n);\n"
    "                         it finds the bridge's address in BUREAU_BRIDGE_URL\n"
    "Exit codes: 125 the bridge failed, 126 COMMAND cannot be run, 127 it is not there.\n";

static bool is_loopback(const struct sockaddr_storage *address) {
  if (address->ss_family == AF_INET) {
    return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
  }
  return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static void parse_listen(const char *text, struct options *options) {
  char host[INET6_ADDRSTRLEN] = "";
  const char *colon = strrchr(text, ':');
  bool bracketed = text[0] == '[' && colon != NULL && colon > text + 1 && colon[-1] == ']';
  size_t length = colon == NULL ? 0 : (size_t)(colon - text) - (bracketed ? 2 : 0);
  char *end = NULL;
  unsigned long port = colon == NULL || colon[1] < '0' || colon[1] > '9' ? 65536 : strtoul(colon + 1, &end, 10);
  if (port > 65535 || end == NULL || *end != '\0' || length == 0 || length >= sizeof host) {
    fail("--listen: expected ADDRESS:PORT such as 127.0.0.1:8642 or [::1]:8642, found '%.80s'", text);
  }
  memcpy(host, text + (bracketed ? 1 : 0), length);
  memset(&options->listen, 0, sizeof options->listen);
  struct sockaddr_in *four = (struct sockaddr_in *)&options->listen;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&options->listen;
  if (!bracketed && inet_pton(AF_INET, host, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)port);
    options->listen_length = sizeof *four;
  } else if (bracketed && inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)port);
    options->listen_length = sizeof *six;
  } else {
    fail("--listen: expected a numeric address such as 127.0.0.1 or [::1], found '%s'", host);
  }
  if (!is_loopback(&options->listen)) {
    fail("--listen: expected a loopback address, found %s: TCP does not tell who connects, so only this sandbox may", host);
  }
}

static const char *value_of(int argc, char **argv, int *at, const char *name) {
  size_t length = strlen(name);
  if (strncmp(argv[*at], name, length) != 0) return NULL;
  if (argv[*at][length] == '=') return argv[*at] + length + 1;
  if (argv[*at][length] != '\0') return NULL;
  if (*at + 1 >= argc) fail("%s: expected a value after it; see --help", name);
  *at += 1;
  return argv[*at];
}

void parse_options(int argc, char **argv, struct options *options) {
  memset(options, 0, sizeof *options);
  options->socket = "/run/bureau/proxy.sock";
  parse_listen("127.0.0.1:8642", options);
  for (int at = 1; at < argc; at++) {
    const char *value = NULL;
    if (strcmp(argv[at], "--") == 0) {
      if (at + 1 >= argc) fail("expected a command after --");
      options->command = argv + at + 1;
      return;
    }
    if ((value = value_of(argc, argv, &at, "--listen")) != NULL) {
      parse_listen(value, options);
    } else if ((value = value_of(argc, argv, &at, "--socket")) != NULL) {
      if (value[0] != '/' || strlen(value) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        fail("--socket: expected an absolute path of at most 107 bytes, found '%.120s'", value);
      }
      options->socket = value;
    } else if (strcmp(argv[at], "--proxy-env") == 0) {
      options->proxy_environment = true;
    } else if (strcmp(argv[at], "--quiet") == 0) {
      options->quiet = true;
    } else if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
      fputs(HELP, stdout);
      exit(fflush(stdout) == 0 ? 0 : EXIT_BRIDGE);
    } else {
      fail("unknown argument '%.80s'; a command stands behind --; see --help", argv[at]);
    }
  }
}

void format_address(const struct sockaddr_storage *address, char *text) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address->ss_family == AF_INET) {
    const struct sockaddr_in *four = (const struct sockaddr_in *)address;
    inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
    snprintf(text, 64, "%s:%u", host, ntohs(four->sin_port));
  } else {
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
    snprintf(text, 64, "[%s]:%u", host, ntohs(six->sin6_port));
  }
}

// SPDX-License-Identifier: Apache-2.0
// bureau-proxy-call: one HTTP request to the proxy's Unix socket, its answer on stdout. For sandboxes that have no curl.
#include "call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char USAGE[] =
    "Usage: bureau-proxy-call [OPTIONS] [METHOD] PATH\n"
    "Calls PATH (/v1/identity) on the proxy of this sandbox and writes the answer's body to stdout, as it comes.\n"
    "  -H 'NAME: VALUE'  send this header; may be repeated\n"
    "  -d DATA           send DATA as JSON; @FILE and - (stdin) are sent as they are read. METHOD is POST then\n"
    "  -i                write the answer's status line and headers first\n"
    "  -t SECONDS        give up when nothing comes for so long (900)\n"
    "  -s SOCKET         another socket than /run/bureau/proxy.sock\n"
    "Exit code: 0 for a status below 400, 1 for one above (the body says why), 2 for wrong arguments, 3 when there is no whole answer.\n";

void fail(int code, const char *format, ...) {
  va_list arguments;
  fputs("bureau-proxy-call: ", stderr);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(code);
}

static bool is_token(const char *text, size_t length) {
  if (length == 0) return false;
  for (size_t at = 0; at < length; at++) {
    unsigned char one = (unsigned char)text[at];
    if (one <= ' ' || one >= 127 || strchr("()<>@,;:\\\"/[]?={}", one) != NULL) return false;
  }
  return true;
}

// A header must be one line of its own and must not say where the message ends: that is ours to say.
static void check_header(const char *header) {
  const char *colon = strchr(header, ':');
  if (colon == NULL || !is_token(header, (size_t)(colon - header))) fail(EXIT_USAGE, "expected -H 'NAME: VALUE', found '%.100s'", header);
  for (const char *at = colon; *at != '\0'; at++) {
    if (((unsigned char)*at < ' ' && *at != '\t') || *at == 127) fail(EXIT_USAGE, "expected a header without control characters");
  }
  static const char *const OURS[] = {"host:", "connection:", "content-length:", "transfer-encoding:", "expect:"};
  for (size_t at = 0; at < sizeof OURS / sizeof OURS[0]; at++) {
    if (strncasecmp(header, OURS[at], strlen(OURS[at])) == 0) fail(EXIT_USAGE, "header '%.100s' is written by this program", header);
  }
}

static void check_request(const struct call *call) {
  if (!is_token(call->method, strlen(call->method))) fail(EXIT_USAGE, "expected a method such as GET, found '%.100s'", call->method);
  if (call->path[0] != '/') fail(EXIT_USAGE, "expected a path that starts with '/', found '%.100s'", call->path);
  for (const char *at = call->path; *at != '\0'; at++) {
    if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 127) fail(EXIT_USAGE, "expected a path of printable ASCII; percent-encode the rest");
  }
}

int main(int count, char **arguments) {
  struct call call = {.socket = "/run/bureau/proxy.sock", .method = NULL, .seconds = 900};
  int option;
  while ((option = getopt(count, arguments, "+H:d:it:s:h")) != -1) {
    switch (option) {
    case 'H':
      check_header(optarg);
      if (call.header_count == HEADERS_MAX) fail(EXIT_USAGE, "expected at most %d headers", HEADERS_MAX);
      call.headers[call.header_count++] = optarg;
      break;
    case 'd': call.data = optarg; break;
    case 'i': call.show_head = true; break;
    case 's': call.socket = optarg; break;
    case 't':
      call.seconds = atoi(optarg);
      if (call.seconds < 1 || call.seconds > 86400) fail(EXIT_USAGE, "expected -t with 1 to 86400 seconds");
      break;
    case 'h': fputs(USAGE, stdout); return 0;
    default: fputs(USAGE, stderr); return EXIT_USAGE;
    }
  }
  int left = count - optind;
  if (left < 1 || left > 2) {
    fputs(USAGE, stderr);
    return EXIT_USAGE;
  }
  call.method = left == 2 ? arguments[optind] : call.data == NULL ? "GET" : "POST";
  call.path = arguments[count - 1];
  check_request(&call);
  return answer(&call, send_request(&call));
}

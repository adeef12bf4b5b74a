/* Waits for several channels in one epoll loop, and prints what arrives on any of them. Needs zipcd.
 *
 *   zipc_example_event_loop COUNT /greetings /news ...
 *
 * Exit code: 0 after COUNT messages, or the number of the error. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <zipc.h>

enum { MOST = 16 };

static int complain(void) {
  const ZipcError *error = zipc_last_error();
  fprintf(stderr, "event_loop: %s\nhint: %s\n", error->message, zipc_error_advice(error->code));
  return (int)error->code;
}

/* Everything that waits in the channel. Returns how many messages that was, -1 after an error. */
static long take_all(ZipcContext *receiver) {
  for (long count = 0;; ++count) {
    uint8_t *message;
    const uint32_t size = zipc_receive(receiver, &message);
    if (message == NULL) { /* EMPTY: from here on the descriptor tells when there is something again */
      const zipc_error code = zipc_last_error()->code;
      return code == ZIPC_ERROR_EMPTY || code == ZIPC_ERROR_PEER_GONE ? count : -1;
    }
    printf("%s: %.*s\n", receiver->name, (int)size, (const char *)message);
  }
}

int main(int argc, char **argv) {
  if (argc < 3 || argc > 2 + MOST) {
    fprintf(stderr, "Usage: %s COUNT NAME...\n", argv[0]);
    return ZIPC_ERROR_INVALID_ARGUMENT;
  }
  static ZipcContext receivers[MOST];
  const int loop = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 2; i < argc; ++i) {
    ZipcContext *receiver = &receivers[i - 2];
    *receiver = zipc_create_receiver(argv[i], 64, 1024);
    if (receiver->queue == NULL) return complain();
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = receiver};
    const int descriptor = zipc_fd(receiver); /* the library's: it is polled, and nothing else */
    if (descriptor < 0) return complain();
    if (epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event) != 0) return ZIPC_ERROR_SYSTEM;
  }

  for (long left = atol(argv[1]); left > 0;) {
    struct epoll_event ready[MOST];
    const int count = epoll_wait(loop, ready, MOST, -1);
    for (int i = 0; i < count; ++i) {
      const long taken = take_all(ready[i].data.ptr);
      if (taken < 0) return complain();
      left -= taken;
    }
  }

  for (int i = 2; i < argc; ++i) {
    epoll_ctl(loop, EPOLL_CTL_DEL, zipc_fd(&receivers[i - 2]), NULL); /* before it is gone */
    zipc_destroy(&receivers[i - 2]);
  }
  return 0;
}

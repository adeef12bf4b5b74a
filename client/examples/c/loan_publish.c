/* Writes each message where it will be read: into the channel's memory, without a copy.
 *
 *   zipc_example_loan_publish /frames 100      and in another terminal: zipc_example_peek_pop /frames 100
 *
 * Exit code: 0, or the number of the error (zipc.h). */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zipc.h>

enum { kQueueSize = 8, kFrameSize = 640 * 480 };

static int complain(void) {
  const ZipcError *error = zipc_last_error();
  fprintf(stderr, "loan_publish: %s\nhint: %s\n", error->message, zipc_error_advice(error->code));
  return (int)error->code;
}

/* A picture as a camera would write it. */
static void render(uint8_t *frame, long number) { memset(frame, (int)(number % 256), kFrameSize); }

/* zipc_loan does not wait: looks again every millisecond, for five seconds. */
static uint8_t *wait_for_slot(ZipcContext *sender) {
  uint8_t *slot = zipc_loan(sender);
  for (int tries = 0; slot == NULL && zipc_last_error()->code == ZIPC_ERROR_FULL && tries < 5000; ++tries) {
    nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
    slot = zipc_loan(sender);
  }
  return slot;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "Usage: %s NAME [COUNT]\n", argv[0]);
    return ZIPC_ERROR_INVALID_ARGUMENT;
  }
  const long count = argc > 2 ? atol(argv[2]) : 100;

  ZipcContext sender = zipc_create_sender(argv[1], kQueueSize, kFrameSize);
  if (sender.queue == NULL) return complain();

  for (long number = 1; number <= count; ++number) {
    uint8_t *slot = wait_for_slot(&sender);
    if (slot == NULL) return complain();
    render(slot, number); /* nobody sees the slot yet; to give up here, just do not publish */
    if (!zipc_publish(&sender, kFrameSize)) return complain();
  }

  zipc_destroy(&sender);
  return 0;
}

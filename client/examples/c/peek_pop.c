/* Reads each message in place and takes it out of the channel only when it was dealt with: should this process die before
 * zipc_pop, its successor gets the same message again. See loan_publish.c.
 *
 *   zipc_example_peek_pop /frames 100
 *
 * Exit code: 0 after COUNT messages, or the number of the error: 6 when nothing arrived for five seconds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zipc.h>

enum { kQueueSize = 8, kFrameSize = 640 * 480 };

static int complain(void) {
  const ZipcError *error = zipc_last_error();
  fprintf(stderr, "peek_pop: %s\nhint: %s\n", error->message, zipc_error_advice(error->code));
  return (int)error->code;
}

static unsigned long brightness(const uint8_t *frame, uint32_t size) {
  unsigned long sum = 0;
  for (uint32_t i = 0; i < size; ++i) sum += frame[i];
  return size == 0 ? 0 : sum / size;
}

/* zipc_peek does not wait: looks again every millisecond, for five seconds. */
static uint32_t wait_for_frame(ZipcContext *receiver, uint8_t **frame) {
  uint32_t size = zipc_peek(receiver, frame);
  for (int tries = 0; *frame == NULL && zipc_last_error()->code == ZIPC_ERROR_EMPTY && tries < 5000; ++tries) {
    nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
    size = zipc_peek(receiver, frame);
  }
  return size;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "Usage: %s NAME [COUNT]\n", argv[0]);
    return ZIPC_ERROR_INVALID_ARGUMENT;
  }
  const long count = argc > 2 ? atol(argv[2]) : 100;

  ZipcContext receiver = zipc_create_receiver(argv[1], kQueueSize, kFrameSize);
  if (receiver.queue == NULL) return complain();

  for (long number = 1; number <= count; ++number) {
    uint8_t *frame;
    const uint32_t size = wait_for_frame(&receiver, &frame);
    if (frame == NULL) return complain();
    printf("frame %ld: brightness %lu\n", number, brightness(frame, size)); /* it stays in the queue meanwhile */
    if (!zipc_pop(&receiver)) return complain();                           /* done: the sender may use the slot */
  }

  zipc_destroy(&receiver);
  return 0;
}

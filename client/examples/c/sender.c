/* Sends numbered greetings over a channel that exists, asked for by its name alone.
 *
 *   zipcctl create /greetings
 *   zipc_example_sender /greetings 10      and in another terminal: zipc_example_receiver /greetings 10
 *
 * Exit code: 0, or the number of the error (zipc.h). */
#include <stdio.h>
#include <stdlib.h>
#include <zipc.h>

static int complain(void) {
  const ZipcError *error = zipc_last_error();
  fprintf(stderr, "sender: %s\nhint: %s\n", error->message, zipc_error_advice(error->code));
  return (int)error->code;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "Usage: %s NAME [COUNT]\n", argv[0]);
    return ZIPC_ERROR_INVALID_ARGUMENT;
  }
  const long count = argc > 2 ? atol(argv[2]) : 10;

  /* The sizes come from whoever made the channel. To make it here: zipc_create_sender(name, queue_size, message_size). */
  ZipcContext sender = zipc_open_sender(argv[1]);
  if (sender.queue == NULL) return complain();

  for (long number = 1; number <= count; ++number) {
    char text[64];
    const int length = snprintf(text, sizeof text, "hello %ld", number);
    /* Waits for space when the queue is full; zipc_send would return at once. */
    if (!zipc_send_blocking(&sender, (const uint8_t *)text, (size_t)length, 5000)) return complain();
  }

  zipc_destroy(&sender); /* gives the role back; what was sent stays in the channel */
  return 0;
}

/* Prints what arrives on a channel that exists, asked for by its name alone. See sender.c.
 *
 *   zipc_example_receiver /greetings 10
 *
 * Exit code: 0 after COUNT messages, or the number of the error: 7 when nothing arrived for five seconds. */
#include <stdio.h>
#include <stdlib.h>
#include <zipc.h>

static int complain(void) {
  const ZipcError *error = zipc_last_error();
  fprintf(stderr, "receiver: %s\nhint: %s\n", error->message, zipc_error_advice(error->code));
  return (int)error->code;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "Usage: %s NAME [COUNT]\n", argv[0]);
    return ZIPC_ERROR_INVALID_ARGUMENT;
  }
  const long count = argc > 2 ? atol(argv[2]) : 10;

  ZipcContext receiver = zipc_open_receiver(argv[1]);
  if (receiver.queue == NULL) return complain();

  for (long number = 1; number <= count; ++number) {
    uint8_t *message;
    const uint32_t size = zipc_receive_blocking(&receiver, &message, 5000);
    if (message == NULL) return complain(); /* a message of length 0 would not be NULL */
    printf("%.*s\n", (int)size, (const char *)message); /* it points into the channel: good until the next receive */
  }

  zipc_destroy(&receiver);
  return 0;
}

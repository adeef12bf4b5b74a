/* A program of somebody else's, in C. */
#include <stdio.h>
#include <unistd.h>
#include <zipc.h>

int main(void) {
  char name[40];
  snprintf(name, sizeof name, "/consumer.c.%d", (int)getpid());
  ZipcContext sender = zipc_create_sender(name, 8, 64);
  ZipcContext receiver = zipc_open_receiver(name);
  uint8_t *message = NULL;
  const int good = zipc_send(&sender, (const uint8_t *)"hello", 5) && zipc_receive(&receiver, &message) == 5 &&
                   memcmp(message, "hello", 5) == 0;
  zipc_destroy(&sender);
  zipc_destroy(&receiver);
  zipc_unlink(name);
  if (!good) fprintf(stderr, "%s\n", zipc_last_error()->message);
  return good ? 0 : 1;
}

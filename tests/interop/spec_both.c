#include <stdio.h>
#include <string.h>
#include "zipc.h"

#define QUEUE_SIZE 64
#define MESSAGE_SIZE 1024

int main() {
    // Clean up any previous shared memory
    zipc_unlink("/test");

    // Create sender and receiver
    ZipcContext sender = zipc_create_sender("/test", QUEUE_SIZE, MESSAGE_SIZE);
    ZipcContext receiver = zipc_create_receiver("/test", QUEUE_SIZE, MESSAGE_SIZE);

    // Send a message
    const char* msg = "Hello, IPC!";
    zipc_send(&sender, (const uint8_t*)msg, strlen(msg) + 1);

    // Receive the message
    uint8_t *received = NULL;
    uint32_t len = zipc_receive(&receiver, &received);

    if (len > 0) {
        printf("Received: %s\n", (char*)received);
    }

    // Clean up
    zipc_unlink("/test");
    return 0;
}

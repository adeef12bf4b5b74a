#include <iostream>
#include <chrono>
#include <thread>
#include "zipc.h"

#define QUEUE_SIZE 64
#define MESSAGE_SIZE 1024

int main() {
    ZipcContext receiver = zipc_create_receiver("/my-zipc-path", QUEUE_SIZE, MESSAGE_SIZE);

    uint8_t *received_msg = nullptr;
    while (true) {
        uint32_t len = zipc_receive(&receiver, &received_msg);
        if (len > 0) {
            std::cout << "Received: " << (char*)received_msg << std::endl;
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
    }

    return 0;
}

// What the machine itself can do. Each is as little code as it can be done with.
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "workloads.h"

namespace zipc::bench {
namespace {

/// A shared page for what each limit needs.
template <typename T>
struct Shared {
  Shared() : it(new (mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) T) {}
  ~Shared() { munmap(static_cast<void*>(it), sizeof(T)); }
  Shared(const Shared&) = delete;
  T* it;
};

/// A number in a cache line. Only for round trips: nothing keeps the sender from overwriting it.
struct RawLine {
  static constexpr const char* kName = "limit: cache line";
  static constexpr bool kBlocks = false;
  static bool handles(const Case& c) { return c.workload == Workload::round_trip && c.wait == Wait::spin && c.size == 8; }
  static std::string absent(const Case&) { return {}; }
  template <std::size_t>
  struct Channel : Shared<Line> {
    Channel(const Case&, int) {}
  };
  template <std::size_t Size>
  struct Sender {
    explicit Sender(Channel<Size>& channel) : line(*channel.it) {}
    template <Wait>
    void send(std::uint64_t number) {
      line.value.store(number + 1, std::memory_order_release);
    }
    Line& line;
  };
  template <std::size_t Size>
  struct Receiver {
    explicit Receiver(Channel<Size>& channel) : line(*channel.it) {}
    template <Wait>
    void receive(std::uint64_t number) {
      spin_until([&] { return line.value.load(std::memory_order_acquire) == number + 1; });
    }
    Line& line;
  };
};

/// The same with a futex to sleep on: one wake-up and one sleep each way.
struct RawFutex {
  static constexpr const char* kName = "limit: futex";
  static constexpr bool kBlocks = true;
  static bool handles(const Case& c) {
    return c.size == 8 && (c.workload == Workload::asleep || (c.workload == Workload::round_trip && c.wait == Wait::block));
  }
  static std::string absent(const Case&) { return {}; }
  struct alignas(128) Word32 {
    std::atomic<std::uint32_t> value{0};
  };
  template <std::size_t>
  struct Channel : Shared<Word32> {
    Channel(const Case&, int) {}
  };
  template <std::size_t Size>
  struct Sender {
    explicit Sender(Channel<Size>& channel) : word(channel.it->value) {}
    template <Wait>
    void send(std::uint64_t number) {
      word.store(static_cast<std::uint32_t>(number + 1));
      syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    }
    std::atomic<std::uint32_t>& word;
  };
  template <std::size_t Size>
  struct Receiver {
    explicit Receiver(Channel<Size>& channel) : word(channel.it->value) {}
    template <Wait>
    void receive(std::uint64_t number) {
      const auto expected = static_cast<std::uint32_t>(number + 1);
      for (std::uint32_t seen; (seen = word.load()) != expected;) syscall(SYS_futex, &word, FUTEX_WAIT, seen, nullptr, nullptr, 0);
    }
    std::atomic<std::uint32_t>& word;
  };
};

/// The least that sending can be: a call that copies 8 bytes and publishes them with one release store. It never looks
/// whether there is room: only for send_alone, which leaves room.
struct CopyAndStore {
  static constexpr const char* kName = "limit: copy, store and call";
  static constexpr bool kBlocks = false;
  static bool handles(const Case& c) { return c.workload == Workload::send_alone && c.size == 8; }
  static std::string absent(const Case&) { return {}; }
  struct Ring {
    Line tail;
    Message<8> slots[16384];
  };
  template <std::size_t>
  struct Channel : Shared<Ring> {
    Channel(const Case&, int) {}
  };
  [[gnu::noipa]] static void store(Ring& ring, std::uint64_t index, const void* bytes, std::size_t size) {
    std::memcpy(&ring.slots[index % std::size(ring.slots)], bytes, size);
    ring.tail.value.store(index + 1, std::memory_order_release);
  }
  template <std::size_t Size>
  struct Sender {
    explicit Sender(Channel<Size>& channel) : ring(*channel.it) {}
    template <Wait>
    void send(std::uint64_t number) {
      Message<8> message;
      fill<8>(&message, number);
      store(ring, number, &message, sizeof message);
    }
    Ring& ring;
  };
  template <std::size_t Size>
  struct Receiver {
    explicit Receiver(Channel<Size>& channel) : ring(*channel.it) {}
    template <Wait>
    void receive(std::uint64_t number) {
      spin_until([&] { return ring.tail.value.load(std::memory_order_acquire) > number; });
      if (!check<8>(&ring.slots[number % std::size(ring.slots)], number)) give_up("wrong message");
    }
    Ring& ring;
  };
};

}  // namespace

void add_limits(Contestants& all) {
  add<RawLine>(all);
  add<RawFutex>(all);
  add<CopyAndStore>(all);
}

}  // namespace zipc::bench

// Limits: what the machine itself can do, each by as little code as it can be done with. And references, the bare rings: for a stream
// they are no limit, as how often they look and publish is just one way of many.
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include <zipc/hot_path.hpp>  // fetch_for_writing

#include "common/write_back.h"
#include "pausing.h"
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
/// whether there is room: only for send_alone, which leaves room. With `with_format` it also writes what zipc's format wants: the length,
/// which has another line than the data, and the counters. Its ring is as long as the others', so that it goes through as much memory.
template <bool with_format>
struct CopyAndStore {
  static constexpr const char* kName = with_format ? "limit: copy, length, store and call" : "limit: copy, store and call";
  static constexpr bool kBlocks = false;
  static bool handles(const Case& c) { return c.workload == Workload::send_alone && c.size == 8 && c.queue == kSlots; }
  static std::string absent(const Case&) { return {}; }
  static constexpr std::size_t kSlots = 1024;
  struct Ring {
    Line tail;
    std::uint64_t messages, bytes;
    Message<8> slots[kSlots];
    std::uint64_t lengths[kSlots];
  };
  template <std::size_t>
  struct Channel : Shared<Ring> {
    Channel(const Case&, int) {}
  };
  [[gnu::noipa]] static void store(Ring& ring, std::uint64_t index, const void* bytes, std::size_t size) {
    std::memcpy(&ring.slots[index % kSlots], bytes, size);
    if (with_format) {
      if (ring.lengths[index % kSlots] != size) ring.lengths[index % kSlots] = size;  // HotPath::write_length()
      ++ring.messages;
      ring.bytes += size;
    }
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
      const std::uint64_t slot = number % kSlots;
      if (!check<8>(&ring.slots[slot], number) || (with_format && ring.lengths[slot] != 8)) give_up("wrong message");
    }
    Ring& ring;
  };
};

enum class Help { none, fetches, writes_back };
constexpr const char* kBareRings[][3] = {  // of each Pause and Help
    {"reference: bare ring", "", "reference: bare ring, writing back"},
    {"reference: bare ring, pausing", "reference: bare ring, pausing, fetching", "reference: bare ring, pausing, writing back"},
    {"reference: bare ring, four pauses", "reference: bare ring, four pauses, fetching", "reference: bare ring, four pauses, writing back"},
    {"reference: bare ring, pausing long", "reference: bare ring, pausing long, fetching", "reference: bare ring, pausing long, writing back"}};

/// A queue in zipc's format and nothing else: indices, lengths and counters, but no check, no peer that could sleep, die or be
/// another library, no channel that could move. What the format itself costs. A length is written where it is not what it was a lap ago. Where
/// lines are written back, the receiver does that with what it has read (write_back.h), where that helps. If it fetches, it asks for cache lines
/// before it needs them, where zipc does: for the slot that is written next, or eight messages later in long queues (sixteen in batches); and for
/// the one that is to be read so much later, if it is known to be there.
template <Pause pause, Help help = Help::none>
struct BareRing {
  static constexpr const char* kName = kBareRings[static_cast<int>(pause)][static_cast<int>(help)];
  static constexpr bool fetches = help == Help::fetches;
  static constexpr bool kBlocks = false;
  static bool handles(const Case& c) {
    if (c.wait != Wait::spin) return false;
    if (!helps(c)) return false;
    if (c.workload == Workload::round_trip) return help == Help::none || (fetches && pause != Pause::lasting);
    return c.workload == Workload::throughput && (!fetches || pause == Pause::lasting);
  }
  static std::string absent(const Case&) { return {}; }
  /// Lines are written back where zipc does so.
  static bool helps(const Case& c) {
    const Params params{.queue_size = static_cast<std::uint32_t>(c.queue), .message_size = static_cast<std::uint32_t>(c.size)};
    return help != Help::writes_back || gains_by_writing_back(params);
  }
  struct alignas(64) Side {
    std::atomic<std::uint32_t> index;
    std::uint32_t peers_index;
    std::uint64_t messages, bytes;
  };
  template <std::size_t Size>
  struct Channel {
    Channel(const Case& c, int) : slots(c.queue), bytes(2 * sizeof(Side) + slots * (sizeof(std::uint64_t) + Size)) {
      memory = static_cast<std::byte*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
      if (memory == MAP_FAILED) give_up("mmap");
    }
    ~Channel() { munmap(memory, bytes); }
    Channel(const Channel&) = delete;
    std::size_t slots, bytes;
    std::byte* memory;
  };
  template <std::size_t Size>
  struct End {
    explicit End(Channel<Size>& channel)
        : slots(channel.slots), receiver(*reinterpret_cast<Side*>(channel.memory)), sender((&receiver)[1]),
          lengths(reinterpret_cast<std::uint64_t*>(&sender + 1)), data(reinterpret_cast<std::byte*>(lengths + slots)) {}
    [[nodiscard]] std::uint32_t after(std::uint32_t index) const { return index + 1 == slots ? 0 : index + 1; }
    static std::uintptr_t line_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }
    [[nodiscard]] bool is_long() const { return fetches_ahead({.queue_size = static_cast<std::uint32_t>(slots), .message_size = Size}); }
    /// What is written `ahead` slots after slot `index`.
    void fetch_ahead(std::uint32_t index, std::uint32_t ahead) const {
      if (fetches) fetch_all_for_writing(line_of(data + (index + ahead) * Size), Size);
    }
    /// Whether a receiver that knows the messages before `known` fetches the one `ahead` slots after `index`.
    [[nodiscard]] bool knows_ahead(std::uint32_t index, std::uint32_t known, std::uint32_t ahead) const {
      return fetches && (known >= index ? known - index : known + slots - index) > ahead;
    }
    void fetch_lengths_ahead(std::uint32_t index, std::uint32_t known, std::uint32_t ahead) const {
      if (index % kLengthsInLine == 0 && knows_ahead(index, known, ahead)) fetch_for_reading(line_of(lengths + index + ahead));
    }
    void fetch_received_ahead(std::uint32_t index, std::uint32_t known, std::uint32_t ahead) const {
      if (!knows_ahead(index, known, ahead)) return;
      fetch_all_for_reading(reinterpret_cast<std::uintptr_t>(data) + (index + ahead) * Size, Size);
    }
    /// What was read of slot `index`.
    void write_back(std::uint32_t index) const {
      if constexpr (help != Help::writes_back) return;
      write_lines_back(lines_done_with(line_of(data + index * Size), Size, Size));
    }
    template <typename Look>
    void wait_until(Look look) const {
      look_until(look, pauses);
    }
    std::size_t slots;
    Side& receiver;
    Side& sender;
    std::uint64_t* lengths;
    std::byte* data;
    int pauses = pauses_of(pause);
  };
  /// The sender reads nothing on the line that the receiver polls, as zipc's does not: it has copies of its own.
  template <std::size_t Size>
  struct SendingEnd : End<Size> {
    explicit SendingEnd(Channel<Size>& channel)
        : End<Size>(channel), tail(this->sender.index), head(this->receiver.index), messages(this->sender.messages),
          bytes(this->sender.bytes) {}
    /// Waits until there is a slot before `full`.
    void wait_for_space(std::uint32_t full) {
      this->wait_until([&] { return head != full || (head = this->receiver.index.load(std::memory_order_acquire)) != full; });
    }
    void write(std::uint64_t number) {
      fill<Size>(this->data + tail * Size, number);
      if (this->lengths[tail] != Size) this->lengths[tail] = Size;  // HotPath::write_length()
      tail = this->after(tail);
    }
    void publish(std::uint64_t count) {
      this->sender.messages = messages += count;
      this->sender.bytes = bytes += count * Size;
      this->sender.index.store(tail, std::memory_order_release);
    }
    std::uint32_t tail, head;
    std::uint64_t messages, bytes;
  };
  template <std::size_t Size>
  struct Sender : SendingEnd<Size> {
    using SendingEnd<Size>::SendingEnd;
    template <Wait>
    void send(std::uint64_t number) {
      this->wait_for_space(this->after(this->tail));
      this->write(number);
      this->publish(1);
      this->fetch_ahead(this->tail, this->is_long() ? kSlotsAhead - 1 : 0);
    }
  };
  template <std::size_t Size>
  struct Receiver : End<Size> {
    using End<Size>::End;
    template <Wait>
    void receive(std::uint64_t number) {
      auto& own = this->receiver;
      const std::uint32_t head = own.index.load(std::memory_order_relaxed);
      this->wait_until([&] {
        return own.peers_index != head || (own.peers_index = this->sender.index.load(std::memory_order_acquire)) != head;
      });
      this->fetch_received_ahead(head, own.peers_index, kSlotsAhead);
      if (this->lengths[head] != Size || !check<Size>(this->data + head * Size, number)) give_up("wrong message");
      this->write_back(head);
      ++own.messages;
      own.index.store(this->after(head), std::memory_order_release);
    }
  };
};

/// The same with up to kBatch messages published at once, and up to kBatch slots given back at once.
template <Help help>
struct BareBatches {
  static constexpr const char* kName = help == Help::fetches ? "reference: bare ring, batches" : "reference: bare ring, batches, writing back";
  static constexpr bool kBlocks = false;
  using Ring = BareRing<Pause::lasting, help>;
  static bool handles(const Case& c) { return takes_batches(c) && Ring::helps(c); }
  static std::string absent(const Case&) { return {}; }
  template <std::size_t Size>
  using Channel = typename Ring::template Channel<Size>;

  template <std::size_t Size>
  struct Sender : Ring::template SendingEnd<Size> {
    using Ring::template SendingEnd<Size>::SendingEnd;
    void send_all(std::uint64_t first, std::uint64_t last) {
      while (first != last) {
        std::uint32_t written = 0;
        for (; first != last && written != kBatch && this->head != this->after(this->tail); ++written) {
          if (this->is_long()) this->fetch_ahead(this->tail, kSlotsAheadInBatch);
          this->write(first++);
        }
        this->publish(written);
        this->wait_for_space(this->after(this->tail));
      }
    }
  };
  template <std::size_t Size>
  struct Receiver : Ring::template End<Size> {
    using Ring::template End<Size>::End;
    void receive_all(std::uint64_t first, std::uint64_t last) {
      auto& own = this->receiver;
      std::uint32_t head = own.index.load(std::memory_order_relaxed);
      while (first != last) {
        this->wait_until([&] {
          return own.peers_index != head || (own.peers_index = this->sender.index.load(std::memory_order_acquire)) != head;
        });
        std::uint32_t read = 0;
        for (; first != last && read != kBatch && own.peers_index != head; ++read) {
          this->fetch_received_ahead(head, own.peers_index, kSlotsAheadInBatch);
          this->fetch_lengths_ahead(head, own.peers_index, kSlotsAheadInBatch);
          if (this->lengths[head] != Size || !check<Size>(this->data + head * Size, first++)) give_up("wrong message");
          this->write_back(head);
          head = this->after(head);
        }
        own.messages += read;
        own.index.store(head, std::memory_order_release);
      }
    }
  };
};

/// A wake-up of nobody: what a system call costs a sender that has to make one.
struct WakeNobody {
  static constexpr const char* kName = "limit: futex wake, nobody asleep";
  static constexpr bool kBlocks = false;
  static bool handles(const Case& c) { return c.workload == Workload::send_alone && c.size == 8; }
  static std::string absent(const Case&) { return {}; }
  template <std::size_t>
  struct Channel : Shared<std::uint32_t> {
    Channel(const Case&, int) {}
  };
  template <std::size_t Size>
  struct Sender {
    explicit Sender(Channel<Size>& channel) : word(channel.it) {}
    template <Wait>
    void send(std::uint64_t) {
      syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    }
    std::uint32_t* word;
  };
  template <std::size_t Size>
  struct Receiver {
    explicit Receiver(Channel<Size>&) {}
    template <Wait>
    void receive(std::uint64_t) {}
  };
};

/// The timer that paces the others, without messages.
struct TimerAlone {
  static constexpr const char* kName = "limit: timer alone";
  static constexpr bool kBlocks = true;
  static bool handles(const Case& c) { return c.workload == Workload::paced; }
  static std::string absent(const Case&) { return {}; }
  template <std::size_t>
  struct Channel {
    Channel(const Case&, int) {}
  };
  template <std::size_t Size>
  struct Sender {
    explicit Sender(Channel<Size>&) {}
    template <Wait>
    void send(std::uint64_t) {}
  };
  template <std::size_t Size>
  struct Receiver {
    explicit Receiver(Channel<Size>&) {}
    template <Wait>
    void receive(std::uint64_t) {}
  };
};

/// What memory can do: one core writes a few messages, the other reads what the first has written, each timed alone. They go
/// through as much memory as the queue has, so that no cache holds more of it than of the queue.
enum class Bandwidth { read, write, copy };

template <std::size_t Size>
class Transfer final : public Measurement {
 public:
  Transfer(Bandwidth what, const Case& c)
      : what_(what), budget_ns_(c.budget_ns), slots_((c.queue + kMessages - 1) / kMessages * kMessages), bytes_(2 * slots_ * sizeof(Message<Size>)) {
    void* const memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) give_up("mmap");
    messages_ = static_cast<Message<Size>*>(memory);
    copies_ = messages_ + slots_;
  }
  ~Transfer() override { munmap(messages_, bytes_); }
  Transfer(const Transfer&) = delete;

  void run(int side, const std::function<void()>& ready) override {
    ready();
    const int timed = what_ == Bandwidth::read ? 1 : 0;
    std::vector<std::uint64_t> times;
    const std::uint64_t lap = slots_ / kMessages;  // rounds; the first finds memory that is not there yet
    const std::uint64_t rounds = lap + std::max<std::uint64_t>(budget_ns_ / 100'000, 20);
    for (std::uint64_t round = 0; round < rounds; ++round) {
      for (int turn = 0; turn < 2; ++turn) {
        arena->meet();
        if (turn != side) continue;
        const std::uint64_t start = now_ns();
        for (std::uint64_t i = 0; i < kMessages; ++i) transfer(side, round % lap * kMessages + i, round + i);
        if (side == timed && round >= lap) times.push_back(now_ns() - start);
      }
    }
    if (side == timed) {
      std::sort(times.begin(), times.end());
      (*arena)[Value::ns] = static_cast<double>(times[times.size() / 2]) / kMessages;
      (*arena)[Value::mean_ns] = static_cast<double>(std::accumulate(times.begin(), times.end(), std::uint64_t{0})) /
                                 static_cast<double>(times.size()) / kMessages;
      (*arena)[Value::messages] = static_cast<double>(times.size() * kMessages);
    }
    arena->meet();
  }

 private:
  static constexpr std::size_t kMessages = std::max<std::size_t>(262144 / Size, 1);  // of a round: so that the clock does not count

  void transfer(int side, std::size_t slot, std::uint64_t number) {
    if (what_ == Bandwidth::copy) {
      if (side == 0) std::memcpy(&copies_[slot], &messages_[slot], Size);
      asm volatile("" ::: "memory");
    } else if (side == 0) {
      fill<Size>(&messages_[slot], number);
    } else if (!check<Size>(&messages_[slot], number)) {
      give_up("wrong message");
    }
  }

  Bandwidth what_;
  std::uint64_t budget_ns_;
  std::size_t slots_, bytes_;
  Message<Size>* messages_;
  Message<Size>* copies_;
};

class BandwidthLimit final : public Contestant {
 public:
  BandwidthLimit(Bandwidth what, std::string name) : what_(what), name_(std::move(name)) {}
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] bool handles(const Case& c) const override {
    return c.workload == Workload::throughput && c.wait == Wait::spin && c.place == Place::processes;
  }
  [[nodiscard]] std::string absent(const Case&) const override { return {}; }
  [[nodiscard]] std::unique_ptr<Measurement> prepare(const Case& c) const override {
    return with_size(c.size, [&](auto size) -> std::unique_ptr<Measurement> { return std::make_unique<Transfer<size()>>(what_, c); });
  }

 private:
  Bandwidth what_;
  std::string name_;
};

}  // namespace

void add_limits(Contestants& all) {
  add<RawLine>(all);
  add<RawFutex>(all);
  add<CopyAndStore<false>>(all);
  add<CopyAndStore<true>>(all);
  add<BareRing<Pause::none>>(all);
  add<BareRing<Pause::brief>>(all);
  add<BareRing<Pause::four>>(all);
  add<BareRing<Pause::lasting>>(all);
  add<BareRing<Pause::brief, Help::fetches>>(all);
  add<BareRing<Pause::four, Help::fetches>>(all);
  add<BareRing<Pause::lasting, Help::fetches>>(all);
  add<BareRing<Pause::none, Help::writes_back>>(all);
  add<BareRing<Pause::brief, Help::writes_back>>(all);
  add<BareRing<Pause::four, Help::writes_back>>(all);
  add<BareRing<Pause::lasting, Help::writes_back>>(all);
  add<BareBatches<Help::fetches>>(all);
  add<BareBatches<Help::writes_back>>(all);
  add<WakeNobody>(all);
  add<TimerAlone>(all);
  all.push_back(std::make_unique<BandwidthLimit>(Bandwidth::read, "limit: cross-core read"));
  all.push_back(std::make_unique<BandwidthLimit>(Bandwidth::write, "limit: cross-core write"));
  all.push_back(std::make_unique<BandwidthLimit>(Bandwidth::copy, "limit: memcpy, one core"));
}

}  // namespace zipc::bench

/// What is measured, and who takes part.
///
/// A contestant is a struct T with
///   kName                                 as the table calls it
///   kBlocks                               whether it has calls that sleep
///   static std::string library()          whose code it is, and the version, e.g. "Boost 1.74"; not there: nobody's to speak of
///   static std::string absent(Case)       why it cannot take part in a case; empty: it can
///   Channel<Size>(Case, index)            made by the parent, before it forks. `index` 0: there, 1: back
///   Sender<Size>(Channel&)                made in one process,
///   Receiver<Size>(Channel&)              made in the other. Both processes start at once: who needs the other first waits for it
///   Sender::send<Wait>(number)            writes message `number` with fill() and sends it, waiting for room
///   Receiver::receive<Wait>(number)       waits for a message, and gives up unless it is message `number` by check()
/// One that passes messages in batches has, in place of the last two,
///   Sender::send_all(first, end)          the same for messages first to end - 1
///   Receiver::receive_all(first, end)
/// One that has its own way to measure something else registers that under its own workload: see limits.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace zipc::bench {

enum class Wait { spin, block };
enum class Place { processes, threads, unpinned, one_core };
enum class Workload { throughput, round_trip, asleep, send_alone, paced };

inline constexpr std::size_t kSizes[] = {8, 64, 256, 1024, 65536, 1048576};  // bytes of a message

struct Case {
  Workload workload = Workload::throughput;
  std::string contestant;
  std::size_t size = 64;    // bytes
  std::size_t queue = 1024;  // slots
  Wait wait = Wait::spin;
  Place place = Place::processes;
  std::uint64_t rate = 0;            // messages a second, of Workload::paced
  std::uint64_t budget_ns = 60'000'000;  // how long to measure, about
  std::uint64_t count = 0;           // exactly so many messages, without calibration; 0: as the budget allows

  bool operator==(const Case&) const = default;
};

/// One measurement: made in the parent, run in both sides, ended in the parent.
class Measurement {
 public:
  virtual ~Measurement() = default;
  /// Makes its ends, with what threads they have, then calls `ready`, which pins the calling thread and no other, and measures.
  virtual void run(int side, const std::function<void()>& ready) = 0;
};

class Contestant {
 public:
  virtual ~Contestant() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  /// Whose code it is, with the version; empty: nobody's to speak of.
  [[nodiscard]] virtual std::string library() const { return {}; }
  /// Whether this object is the one for the case; a contestant may have several, for compile-time sizes.
  [[nodiscard]] virtual bool handles(const Case& c) const = 0;
  /// Why it cannot take part; empty: it can.
  [[nodiscard]] virtual std::string absent(const Case& c) const = 0;
  [[nodiscard]] virtual std::unique_ptr<Measurement> prepare(const Case& c) const = 0;
};
using Contestants = std::vector<std::unique_ptr<Contestant>>;

/// A name that no other run uses, for a channel in /dev/shm and the like; at most 30 characters, without '/'.
[[nodiscard]] std::string unique_name();

// One a file in contestants/. Those whose library was not found at build time report that.
void add_limits(Contestants&);
void add_zipc(Contestants&);
void add_boost_lockfree(Contestants&);
void add_boost_message_queue(Contestants&);
void add_kernel(Contestants&);
void add_iceoryx(Contestants&);
void add_zeromq(Contestants&);
void add_nng(Contestants&);

}  // namespace zipc::bench

// zipc: the C API through libzipc.so, the C++ API inlined; copied in, in place and in batches, with and without a broker.
#include <zipc/zipc.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "in_place.h"
#include "service.h"
#include "workloads.h"

namespace zipc::bench {
namespace {

constexpr std::uint16_t kTimeoutMs = 10'000;

/// How the calls of one API are made. Each send and receive is one attempt that fails when the queue is full or empty.
struct CApiCopied {
  static constexpr const char* kName = "zipc C, copied in";
  static constexpr const char* kNameBrokered = "zipc C, copied in, zipcd";
  template <std::size_t Size, Wait wait>
  static void send(zipc::Sender& sender, std::uint64_t number) {
    Message<Size> message;
    fill<Size>(&message, number);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&message);
    if constexpr (wait == Wait::spin) {
      spin_until([&] { return zipc_send(sender.context(), bytes, Size); });
    } else if (!zipc_send_blocking(sender.context(), bytes, Size, kTimeoutMs)) {
      give_up("zipc_send_blocking", zipc_last_error()->message);
    }
  }
  template <std::size_t Size, Wait wait>
  static void receive(zipc::Receiver& receiver, std::uint64_t number) {
    std::uint8_t* message = nullptr;
    std::uint32_t length = 0;
    if constexpr (wait == Wait::spin) {
      spin_until([&] { return (length = zipc_receive(receiver.context(), &message)) != 0; });
    } else {
      length = zipc_receive_blocking(receiver.context(), &message, kTimeoutMs);
    }
    if (length != Size || !check<Size>(message, number)) give_up("wrong message", zipc_last_error()->message);
  }
};

struct CApiInPlace {
  static constexpr const char* kName = "zipc C, in place";
  static constexpr const char* kNameBrokered = "zipc C, in place, zipcd";
  template <std::size_t Size, Wait wait>
  static void send(zipc::Sender& sender, std::uint64_t number) {
    std::uint8_t* slot = nullptr;
    if constexpr (wait == Wait::spin) {
      spin_until([&] { return (slot = zipc_loan(sender.context())) != nullptr; });
    } else if ((slot = zipc_loan_blocking(sender.context(), kTimeoutMs)) == nullptr) {
      give_up("zipc_loan_blocking", zipc_last_error()->message);
    }
    fill<Size>(slot, number);
    if (!zipc_publish(sender.context(), Size)) give_up("zipc_publish", zipc_last_error()->message);
  }
  template <std::size_t Size, Wait wait>
  static void receive(zipc::Receiver& receiver, std::uint64_t number) {
    std::uint8_t* message = nullptr;
    std::uint32_t length = 0;
    if constexpr (wait == Wait::spin) {
      spin_until([&] { return (length = zipc_peek(receiver.context(), &message)) != 0; });
    } else {
      length = zipc_peek_blocking(receiver.context(), &message, kTimeoutMs);
    }
    if (length != Size || !check<Size>(message, number)) give_up("wrong message", zipc_last_error()->message);
    if (!zipc_pop(receiver.context())) give_up("zipc_pop", zipc_last_error()->message);
  }
};

template <bool keeps>
struct CppInPlace : InPlace<keeps> {
  static constexpr const char* kName = keeps ? "zipc C++, in place" : "zipc C++, receive()";
  static constexpr const char* kNameBrokered = "zipc C++, in place, zipcd";
};

struct CppBatches : InBatches {
  static constexpr const char* kName = "zipc C++, batches";
};

/// As InBatches.
struct CBatches {
  static constexpr const char* kName = "zipc C, batches";
  template <std::size_t Size>
  static void send_all(zipc::Sender& sender, const std::uint32_t (&sizes)[kBatch], std::uint64_t first, std::uint64_t last) {
    while (first != last) {
      std::uint8_t* slots = nullptr;
      const auto most = static_cast<std::uint32_t>(std::min<std::uint64_t>(kBatch, last - first));
      const std::uint32_t count = zipc_loan_batch(sender.context(), &slots, most);
      if (count == 0 && zipc_last_error()->code != ZIPC_ERROR_FULL) give_up("zipc_loan_batch", zipc_last_error()->message);
      for (std::uint32_t i = 0; i < count; ++i) fill<Size>(slots + i * Size, first++);
      if (count != 0 && zipc_publish_batch(sender.context(), sizes, count) != count) {
        give_up("zipc_publish_batch", zipc_last_error()->message);
      }
    }
  }
  template <std::size_t Size>
  static void receive_all(zipc::Receiver& receiver, std::uint32_t (&sizes)[kBatch], std::uint64_t first, std::uint64_t last) {
    while (first != last) {
      std::uint8_t* messages = nullptr;
      const auto most = static_cast<std::uint32_t>(std::min<std::uint64_t>(kBatch, last - first));
      const std::uint32_t count = zipc_peek_batch(receiver.context(), &messages, sizes, most);
      if (count == 0 && zipc_last_error()->code != ZIPC_ERROR_EMPTY) give_up("zipc_peek_batch", zipc_last_error()->message);
      for (std::uint32_t i = 0; i < count; ++i) {
        if (sizes[i] != Size || !check<Size>(messages + i * Size, first++)) give_up("wrong message");
      }
      if (count != 0 && !zipc_pop_batch(receiver.context(), count)) give_up("zipc_pop_batch", zipc_last_error()->message);
    }
  }
};

std::string zipcd_socket() { return Service::folder() + "/zipcd.sock"; }

std::string start_zipcd() {
#ifdef ZIPCD
  static Service zipcd(ZIPCD);
  const std::string config = Service::folder() + "/zipcd.yaml";
  std::ofstream(config) << "dynamic: {linger: 0s}\nlimits: {total_size: 2GiB, channel_size: 1GiB}\n";
  return zipcd.start({"--config", config, "--socket", zipcd_socket()}, "listening");
#else
  return "zipcd was not built";
#endif
}

template <typename Api, bool brokered>
struct Zipc {
  static constexpr const char* kName = brokered ? Api::kNameBrokered : Api::kName;
  static constexpr bool kBlocks = true;
  static std::string absent(const Case&) { return brokered ? start_zipcd() : ""; }

  template <std::size_t Size>
  struct Channel {
    Channel(const Case& c, int) : params{.queue_size = static_cast<std::uint32_t>(c.queue), .message_size = Size} {
      setenv("ZIPC_BROKER", brokered ? "require" : "off", 1);
      if (brokered) setenv("ZIPC_SOCKET", zipcd_socket().c_str(), 1);
    }
    ~Channel() {  // zipcd removes its own
      if (!brokered) shm_unlink(name.c_str());
    }
    std::string name = '/' + unique_name();
    Params params;
  };

  template <std::size_t Size>
  struct Sender {
    explicit Sender(Channel<Size>& channel) : end(zipc::Sender::create(channel.name, channel.params)) {
      if (!end) give_up("zipc", end.failure().message.c_str());
    }
    template <Wait wait>
    void send(std::uint64_t number) {
      Api::template send<Size, wait>(*end, number);
    }
    Result<zipc::Sender> end;
  };

  template <std::size_t Size>
  struct Receiver {
    explicit Receiver(Channel<Size>& channel) : end(zipc::Receiver::create(channel.name, channel.params)) {
      if (!end) give_up("zipc", end.failure().message.c_str());
    }
    template <Wait wait>
    void receive(std::uint64_t number) {
      Api::template receive<Size, wait>(*end, number);
    }
    Result<zipc::Receiver> end;
  };
};

/// How they are made in batches.
template <typename Api>
struct ZipcBatches {
  static constexpr const char* kName = Api::kName;
  static constexpr bool kBlocks = false;
  static bool handles(const Case& c) { return takes_batches(c); }
  static std::string absent(const Case&) { return {}; }

  template <std::size_t Size>
  using Channel = Zipc<CppInPlace<true>, false>::Channel<Size>;

  template <std::size_t Size>
  struct Sender {
    explicit Sender(Channel<Size>& channel) : end(zipc::Sender::create(channel.name, channel.params)) {
      if (!end) give_up("zipc", end.failure().message.c_str());
      std::fill(std::begin(sizes), std::end(sizes), Size);
    }
    void send_all(std::uint64_t first, std::uint64_t last) { Api::template send_all<Size>(*end, sizes, first, last); }
    Result<zipc::Sender> end;
    std::uint32_t sizes[kBatch];
  };

  template <std::size_t Size>
  struct Receiver {
    explicit Receiver(Channel<Size>& channel) : end(zipc::Receiver::create(channel.name, channel.params)) {
      if (!end) give_up("zipc", end.failure().message.c_str());
    }
    void receive_all(std::uint64_t first, std::uint64_t last) { Api::template receive_all<Size>(*end, sizes, first, last); }
    Result<zipc::Receiver> end;
    std::uint32_t sizes[kBatch];
  };
};

}  // namespace

void add_zipc(Contestants& all) {
  add<Zipc<CApiCopied, false>>(all);
  add<Zipc<CApiInPlace, false>>(all);
  add<Zipc<CppInPlace<true>, false>>(all);
  add<Zipc<CppInPlace<false>, false>>(all);
  add<ZipcBatches<CBatches>>(all);
  add<ZipcBatches<CppBatches>>(all);
  add<Zipc<CApiCopied, true>>(all);
  add<Zipc<CppInPlace<true>, true>>(all);
}

}  // namespace zipc::bench

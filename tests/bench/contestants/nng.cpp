// nng: pair0 sockets over ipc, each side with the library's threads.
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <unistd.h>

#include "copying.h"

namespace zipc::bench {
namespace {

struct Nng {
  static constexpr const char* kName = "nng, ipc";
  static std::string library() { return std::string("nng ") + nng_version(); }
  static std::string absent(const Case&) { return {}; }

  struct Channel {
    Channel(const Case& c, int) : path("/tmp/" + unique_name()), queue(static_cast<int>(std::min<std::size_t>(c.queue, 8192))), wait(c.wait) {}
    ~Channel() { unlink(path.c_str()); }
    std::string path;
    int queue;  // 8192 is nng's most
    Wait wait;
  };

  struct End {
    explicit End(Channel& channel) : url("ipc://" + channel.path), flags(channel.wait == Wait::spin ? NNG_FLAG_NONBLOCK : 0) {
      nng_pair0_open(&socket);
      nng_socket_set_int(socket, NNG_OPT_SENDBUF, channel.queue);
      nng_socket_set_int(socket, NNG_OPT_RECVBUF, channel.queue);
      nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, 0);
      nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, 1);
    }
    ~End() { nng_close(socket); }
    End(const End&) = delete;
    static bool went_through(int result, const char* what) {
      if (result == 0) return true;
      if (result != NNG_EAGAIN) give_up(what, nng_strerror(result));
      return false;
    }
    std::string url;
    nng_socket socket{};
    int flags;
  };

  struct Sender : End {
    explicit Sender(Channel& channel) : End(channel) { went_through(nng_listen(socket, url.c_str(), nullptr, 0), "nng_listen"); }
    bool send(const void* bytes, std::size_t size) {
      return went_through(nng_send(socket, const_cast<void*>(bytes), size, flags), "nng_send");  // NOLINT: it only reads
    }
  };

  struct Receiver : End {
    explicit Receiver(Channel& channel) : End(channel) {
      went_through(nng_dial(socket, url.c_str(), nullptr, NNG_FLAG_NONBLOCK), "nng_dial");  // tries again until it is there
    }
    bool receive(void* bytes, std::size_t size) { return went_through(nng_recv(socket, bytes, &size, flags), "nng_recv"); }
  };
};

}  // namespace

void add_nng(Contestants& all) { add<Copying<Nng>>(all); }

}  // namespace zipc::bench

// ZeroMQ: PAIR sockets over ipc, each side with a context and its thread.
#include <unistd.h>
#include <zmq.h>

#include <cerrno>

#include "copying.h"

namespace zipc::bench {
namespace {

struct ZeroMq {
  static constexpr const char* kName = "ZeroMQ, ipc";
  static std::string library() {
    int major = 0, minor = 0, patch = 0;
    zmq_version(&major, &minor, &patch);
    return "ZeroMQ " + std::to_string(major) + '.' + std::to_string(minor) + '.' + std::to_string(patch);
  }
  static std::string absent(const Case&) { return {}; }

  struct Channel {
    Channel(const Case& c, int) : path("/tmp/" + unique_name()), queue(static_cast<int>(c.queue)), wait(c.wait) {}
    ~Channel() { unlink(path.c_str()); }
    std::string path;
    int queue;
    Wait wait;
  };

  struct End {
    explicit End(Channel& channel) : context(zmq_ctx_new()), socket(zmq_socket(context, ZMQ_PAIR)), flags(channel.wait == Wait::spin ? ZMQ_DONTWAIT : 0) {
      const int linger = 0, reconnect_ms = 1;
      zmq_setsockopt(socket, ZMQ_SNDHWM, &channel.queue, sizeof channel.queue);
      zmq_setsockopt(socket, ZMQ_RCVHWM, &channel.queue, sizeof channel.queue);
      zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
      zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &reconnect_ms, sizeof reconnect_ms);
    }
    ~End() {
      zmq_close(socket);
      zmq_ctx_term(context);
    }
    End(const End&) = delete;
    static bool went_through(int result, const char* what) {
      if (result >= 0) return true;
      if (errno != EAGAIN) give_up(what, zmq_strerror(errno));
      return false;
    }
    void* context;
    void* socket;
    int flags;
  };

  struct Sender : End {
    explicit Sender(Channel& channel) : End(channel) {
      if (zmq_bind(socket, ("ipc://" + channel.path).c_str()) != 0) give_up("zmq_bind", zmq_strerror(errno));
    }
    bool send(const void* bytes, std::size_t size) { return went_through(zmq_send(socket, bytes, size, flags), "zmq_send"); }
  };

  struct Receiver : End {
    explicit Receiver(Channel& channel) : End(channel) {
      if (zmq_connect(socket, ("ipc://" + channel.path).c_str()) != 0) give_up("zmq_connect", zmq_strerror(errno));
    }
    bool receive(void* bytes, std::size_t size) { return went_through(zmq_recv(socket, bytes, size, flags), "zmq_recv"); }
  };
};

}  // namespace

void add_zeromq(Contestants& all) { add<Copying<ZeroMq>>(all); }

}  // namespace zipc::bench

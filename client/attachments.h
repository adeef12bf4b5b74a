/// The roles that this process holds, and how it comes by them: from the broker, or by itself.
///
/// There is one table for the process, because existing programs keep their contexts on the stack and cannot give them back:
/// who asks again for a role that its process holds gets a further context over the same memory, and loses nothing.
///
/// *Thread safety.* Every public function locks the table (notify() only if that is free); a fork waits for it. *Invariants.*
/// 1. One entry for each segment and role. 2. An entry's lock is held as long as the entry exists. 3. An entry inherited from a
/// parent is the parent's until the parent is gone.
#pragma once

#include <atomic>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "client/connection.h"
#include "client/context.h"
#include "client/readiness.h"
#include "common/segment.h"

namespace zipc {

/// The set-up lock of a segment, for a scope. The file must stay open for as long.
class SetUpLock {
 public:
  static Result<SetUpLock> take(const SegmentFile& file);
  SetUpLock(SetUpLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)), handle_(std::move(other.handle_)) {}
  SetUpLock& operator=(SetUpLock&&) = delete;
  ~SetUpLock() {
    if (fd_ >= 0) unlock(fd_, handle_, LockKind::set_up);
  }

 private:
  SetUpLock(int fd, LockHandle handle) : fd_(fd), handle_(std::move(handle)) {}
  int fd_;
  LockHandle handle_;
};

/// A role that somebody asks for. Without params the channel must exist.
struct RoleRequest {
  std::string name;
  Role role = Role::sender;
  std::optional<Params> params;
};

/// A mutex that knows who holds it.
class OwnedMutex {
 public:
  void lock() {
    mutex_.lock();
    note_owner();
  }
  bool try_lock() {
    const bool locked = mutex_.try_lock();
    if (locked) note_owner();
    return locked;
  }
  void unlock() {
    owner_.store({}, std::memory_order_relaxed);  // only the owner asks whether it is the owner
    mutex_.unlock();
  }
  [[nodiscard]] bool is_ours() const noexcept { return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

 private:
  void note_owner() noexcept { owner_.store(std::this_thread::get_id(), std::memory_order_relaxed); }  // as above
  std::mutex mutex_;
  std::atomic<std::thread::id> owner_{};
};

class Attachments {
 public:
  /// The one of this process. It is never destroyed: contexts may outlive every static object.
  static Attachments& of_process();

  /// Takes a role: through the process's connection, or directly when there is no broker and ZIPC_BROKER permits.
  [[nodiscard]] Result<ZipcContext> attach(const RoleRequest& request);

  /// Takes a role through this broker only. The connection is used during the call only.
  [[nodiscard]] Result<ZipcContext> attach_through(Connection& broker, const RoleRequest& request);

  /// The channel of `context` has other memory, or may get it soon: goes there, and makes `context` stand for it. Waits for
  /// the broker. Returns whether it has other memory; what the context pointed to stays good then, but is shared with nobody.
  /// Error::fenced: the role was taken away. Otherwise why it could not be done yet; calling again may succeed.
  [[nodiscard]] Result<bool> follow(ZipcContext& context) noexcept;

  /// In a channel without a broker, looks whether the peer of `context` has gone without saying so. If so, the ring tells.
  void look_after_peer(const ZipcContext& context) noexcept;

  /// Extends the lease of the role that `context` stands for. Error::fenced, closed, unsupported (it has none), no_broker.
  [[nodiscard]] Result<void> renew(const ZipcContext& context);

  /// The descriptor of the role that `context` stands for, which takes care of it from now on. Error::unsupported (without a
  /// broker), closed, fenced, role_taken (the parent's), and as Readiness::descriptor().
  [[nodiscard]] Result<int> descriptor(ZipcContext& context);

  /// Sends the broker at `path` a call that wants no reply, over a connection that this process has, if no other thread uses
  /// that just now. Returns whether it was sent. Never blocks.
  bool notify(const std::string& path, std::string_view method, protocol::json::object parameters) noexcept;

  /// Ends one use of the role that `context` stands for, and with the last one the role. Unknown contexts (over a caller's
  /// memory) are left alone.
  void detach(const ZipcContext& context);

  /// Removes a channel's name: through the broker that owns it, or directly.
  [[nodiscard]] Result<void> remove(const std::string& name);

 private:
  struct Attachment {
    SegmentId id;
    std::string name;
    Role role = Role::sender;
    Params params;
    Mapping mapping;
    LockHandle lock;
    pid_t owner = 0;           // the process that took the role
    int uses = 1;              // contexts of this process
    std::int64_t lease = 0;    // 0: taken directly
    std::string broker;        // its socket; empty: taken directly
    Waiting waiting = Waiting::adaptive;  // of new contexts
    bool watched = false;      // the broker sees by itself when the lease ends
    bool fenced = false;       // the role was taken away, and the memory is private
    std::shared_ptr<Readiness> readiness = {};  // null: taken directly
    std::vector<Mapping> former;  // memory that the channel has left, made private: copies of contexts still point there
  };

  /// A role, taken but not entered.
  struct Taken {
    SegmentFile file;
    LockHandle lock;
    std::optional<SetUpLock> set_up;
    Params params;
    Mapping mapping;  // none if `again`, maybe
    std::int64_t lease = 0;
    std::string broker;
    Waiting waiting = Waiting::adaptive;
    bool watched = false;
    bool again = false;  // this process has it already
  };

  Attachments();

  [[nodiscard]] Result<Taken> take_brokered(Connection& broker, const RoleRequest& request);
  [[nodiscard]] Result<Taken> take_direct(const RoleRequest& request);
  /// Nothing: the file was removed while we were looking; try again.
  [[nodiscard]] Result<std::optional<Taken>> take_file(SegmentFile file, const RoleRequest& request);
  [[nodiscard]] Result<ZipcContext> enter(Result<Taken> taken, const RoleRequest& request);
  [[nodiscard]] Result<ZipcContext> use_again(Attachment& attachment, const Taken& taken);
  [[nodiscard]] Result<void> follow(Attachment& attachment);
  /// Goes on in other memory, where the role was taken.
  [[nodiscard]] Result<void> go_to(Attachment& attachment, Taken taken);
  /// Has its lease from a broker that does not know its number.
  [[nodiscard]] Result<void> resume(Attachment& attachment);
  [[nodiscard]] static ZipcContext context_of(const Attachment& attachment, std::uint64_t id = 0);
  /// The role that `attachment` has, in the channel's present memory.
  [[nodiscard]] Result<Taken> take_where_it_is(const Attachment& attachment);
  [[nodiscard]] Result<void> fence(Attachment& attachment);
  /// Waits until the broker has decided whether the channel moves.
  [[nodiscard]] Result<void> await_move(const Attachment& attachment);
  [[nodiscard]] Attachment* find(const ZipcContext& context) noexcept;
  [[nodiscard]] Attachment* find(const SegmentId& id, const std::string& name, Role role) noexcept;
  [[nodiscard]] bool holds(const std::string& name, Role role) const noexcept;

  OwnedMutex mutex_;
  std::list<Attachment> attachments_;
  ProcessConnection connection_;
};

}  // namespace zipc

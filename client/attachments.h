/// The roles that this process holds, and how it comes by them: from the broker, or by itself.
///
/// There is one table for the process, because existing programs keep their contexts on the stack and cannot give them back:
/// who asks again for a role that its process holds gets a further context over the same memory, and loses nothing.
///
/// *Thread safety.* Every public function locks the table; a fork waits for it. *Invariants.* 1. One entry for each segment and
/// role. 2. An entry's lock is held as long as the entry exists. 3. An entry inherited from a parent is the parent's until the
/// parent is gone.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <string>

#include "client/connection.h"
#include "client/context.h"
#include "common/segment.h"

namespace zipc {

/// A role that somebody asks for. Without params the channel must exist.
struct RoleRequest {
  std::string name;
  Role role = Role::sender;
  std::optional<Params> params;
};

class Attachments {
 public:
  /// The one of this process. It is never destroyed: contexts may outlive every static object.
  static Attachments& of_process();

  /// Takes a role: through the process's connection, or directly when there is no broker and ZIPC_BROKER permits.
  [[nodiscard]] Result<ZipcContext> attach(const RoleRequest& request);

  /// Takes a role through this broker only. The connection must outlive nothing: it is used during the call.
  [[nodiscard]] Result<ZipcContext> attach_through(Connection& broker, const RoleRequest& request);

  /// Ends one use of the role that `context` stands for, and with the last one the role. Unknown contexts (over a caller's
  /// memory) are left alone.
  void detach(const ZipcContext& context) noexcept;

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
  };

  Attachments();

  [[nodiscard]] Result<ZipcContext> attach_brokered(Connection& broker, const RoleRequest& request);
  [[nodiscard]] Result<ZipcContext> attach_direct(const RoleRequest& request);
  /// Nothing: the file was removed while we were looking; try again.
  [[nodiscard]] Result<std::optional<ZipcContext>> attach_file(SegmentFile file, const RoleRequest& request);
  [[nodiscard]] Result<ZipcContext> enter(const SegmentFile& file, const Params& params, const RoleRequest& request,
                                          LockHandle lock, std::int64_t lease);
  [[nodiscard]] Result<ZipcContext> use_again(Attachment& attachment, const SegmentFile& file);
  [[nodiscard]] Attachment* find(const SegmentId& id, const std::string& name, Role role) noexcept;
  [[nodiscard]] bool holds(const std::string& name, Role role) const noexcept;

  std::mutex mutex_;
  std::list<Attachment> attachments_;
  ProcessConnection connection_;
};

}  // namespace zipc

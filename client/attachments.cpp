#include "client/attachments.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/name.h"

namespace zipc {
namespace {

constexpr mode_t kDirectMode = 0600;      // as existing peers make theirs
constexpr int kRemovedWhileOpening = 100;  // tries, against a process that creates and removes in a loop

bool is_alive(pid_t pid) noexcept { return kill(pid, 0) == 0 || errno == EPERM; }

Failure role_taken(const std::string& name, Role role, int holder_pid) {
  const std::string holder = holder_pid > 0 ? "process " + std::to_string(holder_pid) : "another process";
  return Failure{.code = Error::role_taken,
                 .message = holder + " is the " + to_string(role) + " of channel " + name,
                 .holder_pid = holder_pid};
}

int holder_pid(const SegmentFile& file, Role role) {
  const auto info = read_segment_info(file);
  if (!info) return 0;
  return role == Role::sender ? info->sender_pid : info->receiver_pid;
}

/// Opens the file of a channel, or creates it when sizes are given. `created` says which.
Result<SegmentFile> open_or_create(const RoleRequest& request, bool& created) {
  for (int tries = 0;; ++tries) {
    created = false;
    auto file = open_segment_file(request.name);
    if (file.error() != Error::channel_not_found || !request.params) return file;
    file = create_segment_file(request.name, kDirectMode);
    created = file.has_value();
    if (file.error() != Error::channel_exists || tries == kRemovedWhileOpening) return file;
  }
}

/// The set-up lock of a segment, for a scope.
class SetUpLock {
 public:
  static Result<SetUpLock> take(const SegmentFile& file) {
    auto handle = lock_within(file.fd.get(), file.name, LockKind::set_up, kSetUpTimeout);
    if (handle) return SetUpLock(file.fd.get(), std::move(*handle));
    if (handle.error() != Error::busy) return handle.failure();
    return Failure{Error::busy, "another process is setting up channel " + file.name + " and does not finish"};
  }
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

}  // namespace

Attachments& Attachments::of_process() {
  static Attachments& table = *new Attachments;
  return table;
}

Attachments::Attachments() {
  // A child forked while another thread holds the mutex could never lock it again.
  pthread_atfork([] { of_process().mutex_.lock(); }, [] { of_process().mutex_.unlock(); },
                 [] { of_process().mutex_.unlock(); });
}

Result<ZipcContext> Attachments::attach(const RoleRequest& request) {
  if (auto valid = check_name(request.name); !valid) return valid.failure();
  const std::scoped_lock lock(mutex_);
  for (bool again = false;; again = true) {
    const auto broker = connection_.get();
    if (!broker) return broker.failure();
    if (*broker == nullptr) return attach_direct(request);
    auto context = attach_brokered(**broker, request);
    if (context.error() != Error::no_broker || again) return context;
    connection_.forget();  // it was there a moment ago: look once more, maybe somewhere else, maybe without
  }
}

Result<ZipcContext> Attachments::attach_through(Connection& broker, const RoleRequest& request) {
  if (auto valid = check_name(request.name); !valid) return valid.failure();
  const std::scoped_lock lock(mutex_);
  return attach_brokered(broker, request);
}

Result<ZipcContext> Attachments::attach_brokered(Connection& broker, const RoleRequest& request) {
  if (request.params) {
    if (auto valid = check_params(*request.params); !valid) return valid.failure();
  }
  const protocol::AcquireCall call{.name = request.name,
                                   .role = request.role,
                                   .params = request.params,
                                   .resume = holds(request.name, request.role)};
  std::vector<UniqueFd> fds;
  auto answer = broker.call(protocol::method::kAcquire, protocol::encode(call), &fds);
  if (!answer) return answer.failure();
  auto reply = protocol::decode_acquire_reply(*answer);
  if (!reply) return Failure{Error::protocol, "the broker's reply makes no sense: " + reply.failure().message};
  const auto segment = static_cast<std::size_t>(reply->segment);
  if (segment >= fds.size() || (reply->lock && static_cast<std::size_t>(*reply->lock) >= fds.size())) {
    return Failure{Error::protocol, "the broker's reply names a descriptor that did not come with it"};
  }
  LockHandle lock = reply->lock ? std::move(fds[static_cast<std::size_t>(*reply->lock)]) : LockHandle{};
  auto file = adopt_segment_file(std::move(fds[segment]), request.name);
  if (!file) return file.failure();
  if (reply->resumed) {
    Attachment* held = find(file->id, request.name, request.role);
    if (held == nullptr) return role_taken(request.name, request.role, holder_pid(*file, request.role));
    return use_again(*held, *file);
  }
  const auto set_up = SetUpLock::take(*file);
  if (!set_up) return set_up.failure();
  if (auto looked = refresh(*file); !looked) return looked.failure();
  auto params = set_up_segment(*file, reply->params, {});
  if (!params) return params.failure();
  return enter(*file, *params, request, std::move(lock), reply->lease);
}

Result<ZipcContext> Attachments::attach_direct(const RoleRequest& request) {
  if (request.params) {
    if (auto valid = check_params(*request.params); !valid) return valid.failure();
  }
  for (int tries = 0; tries < kRemovedWhileOpening; ++tries) {
    bool created = false;
    auto file = open_or_create(request, created);
    if (!file) return file.failure();
    auto context = attach_file(std::move(*file), request);
    if (!context) {
      // Nobody can have used a file that could not even be allocated; leaving it would block the name.
      if (created && context.error() == Error::out_of_memory) static_cast<void>(remove_segment_file(request.name));
      return context.failure();
    }
    if (*context) return **context;
  }
  return Failure{Error::busy, "channel " + request.name + " is removed as often as it is created"};
}

Result<std::optional<ZipcContext>> Attachments::attach_file(SegmentFile file, const RoleRequest& request) {
  using Outcome = std::optional<ZipcContext>;
  const auto set_up = SetUpLock::take(file);
  if (!set_up) return set_up.failure();
  if (auto looked = refresh(file); !looked) return looked.failure();
  if (!file.linked) return Outcome{};
  auto params = set_up_segment(file, request.params, {.origin = Origin::direct});
  if (!params) return params.failure();
  Result<ZipcContext> context = Failure{};
  if (Attachment* held = find(file.id, request.name, request.role); held != nullptr) {
    context = use_again(*held, file);
  } else {
    auto lock = try_lock(file.fd.get(), file.name, lock_of(request.role));
    if (lock.error() == Error::busy) return role_taken(request.name, request.role, holder_pid(file, request.role));
    if (!lock) return lock.failure();
    context = enter(file, *params, request, std::move(*lock), 0);
  }
  if (!context) return context.failure();
  return Outcome(*context);
}

Result<ZipcContext> Attachments::enter(const SegmentFile& file, const Params& params, const RoleRequest& request,
                                       LockHandle lock, std::int64_t lease) {
  auto mapping = Mapping::map(file.fd.get(), segment_size(params));
  if (!mapping) return mapping.failure();
  enter_role(file, *mapping, params, request.role, getpid());
  attachments_.push_back({.id = file.id,
                          .name = request.name,
                          .role = request.role,
                          .params = params,
                          .mapping = std::move(*mapping),
                          .lock = std::move(lock),
                          .owner = getpid(),
                          .lease = lease});
  void* memory = attachments_.back().mapping.address();
  return make_context(request.role, request.name, params, memory, tripwire_of(memory, params) != nullptr);
}

// A child has inherited its parent's mapping, and so the lock. The role stays the parent's while it lives.
Result<ZipcContext> Attachments::use_again(Attachment& held, const SegmentFile& file) {
  if (held.owner != getpid()) {
    if (is_alive(held.owner)) return role_taken(held.name, held.role, held.owner);
    held.owner = getpid();
    enter_role(file, held.mapping, held.params, held.role, held.owner);
  }
  ++held.uses;
  void* memory = held.mapping.address();
  return make_context(held.role, held.name, held.params, memory, tripwire_of(memory, held.params) != nullptr);
}

Attachments::Attachment* Attachments::find(const SegmentId& id, const std::string& name, Role role) noexcept {
  const auto it = std::find_if(attachments_.begin(), attachments_.end(), [&](const Attachment& attachment) {
    return attachment.id == id && attachment.name == name && attachment.role == role;
  });
  return it == attachments_.end() ? nullptr : &*it;
}

bool Attachments::holds(const std::string& name, Role role) const noexcept {
  return std::any_of(attachments_.begin(), attachments_.end(), [&](const Attachment& attachment) {
    return attachment.name == name && attachment.role == role;
  });
}

void Attachments::detach(const ZipcContext& context) noexcept {
  const std::scoped_lock lock(mutex_);
  const auto it = std::find_if(attachments_.begin(), attachments_.end(), [&](const Attachment& attachment) {
    return attachment.mapping.address() == static_cast<const void*>(context.queue);
  });
  if (it == attachments_.end() || --it->uses > 0) return;
  const bool is_owner = it->owner == getpid();
  const std::int64_t lease = it->lease;
  if (is_owner) leave_role(it->mapping, it->params, it->role);
  attachments_.erase(it);  // unmaps, and with the memory goes the lock
  if (!is_owner || lease == 0) return;
  // Only saves the broker from finding out by itself.
  if (const auto broker = connection_.current(); broker != nullptr) {
    broker->notify(protocol::method::kRelease, protocol::encode(protocol::ReleaseCall{lease}));
  }
}

Result<void> Attachments::remove(const std::string& name) {
  if (auto valid = check_name(name); !valid) return valid.failure();
  const std::scoped_lock lock(mutex_);
  const auto broker = connection_.get();
  if (!broker) return broker.failure();
  if (*broker != nullptr) {
    const protocol::RemoveCall call{.name = name, .force = true};
    auto answer = (*broker)->call(protocol::method::kRemove, protocol::encode(call));
    if (answer) return {};
    // What the broker does not know may still be a segment that was made without it.
    if (answer.error() != Error::channel_not_found && answer.error() != Error::no_broker) return answer.failure();
  }
  auto removed = remove_segment_file(name);
  return removed.error() == Error::channel_not_found ? Result<void>{} : removed;
}

}  // namespace zipc

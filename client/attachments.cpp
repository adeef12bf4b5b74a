#include "client/attachments.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/name.h"
#include "common/test_point.h"

namespace zipc {
namespace {

constexpr mode_t kDirectMode = 0600;      // as existing peers make theirs
constexpr int kMovesInARow = 100;        // that one may meet while asking whether the first takes place
constexpr int kRemovedWhileOpening = 100;  // tries, against a process that creates and removes in a loop

bool is_alive(pid_t pid) noexcept { return kill(pid, 0) == 0 || errno == EPERM; }

Failure role_taken(const std::string& name, Role role, int holder_pid) {
  const std::string holder = holder_pid > 0 ? "process " + std::to_string(holder_pid) : "another process";
  return Failure{.code = Error::role_taken,
                 .message = holder + " is the " + to_string(role) + " of channel " + name,
                 .holder_pid = holder_pid};
}

Failure fenced_out(const std::string& name, Role role) {
  return {Error::fenced, "the " + std::string(to_string(role)) + " of channel " + name +
                             " is another process's by now: this one's lease has ended"};
}

/// A broker has noted the number by which it knows this process: it must know it again after a restart.
int pid_to_note(const std::string& broker) noexcept { return broker.empty() ? getpid() : 0; }

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

}  // namespace

Result<SetUpLock> SetUpLock::take(const SegmentFile& file) {
  auto handle = lock_within(file.fd.get(), file.name, LockKind::set_up, kSetUpTimeout);
  if (handle) return SetUpLock(file.fd.get(), std::move(*handle));
  if (handle.error() != Error::busy) return handle.failure();
  return Failure{Error::busy, "another process is setting up channel " + file.name + " and does not finish"};
}

Attachments& Attachments::of_process() {
  static Attachments& table = *new Attachments;
  return table;
}

Attachments::Attachments() {
  // A child forked while another thread holds the mutex could never lock it again.
  constexpr auto lock = [] {
    of_process().mutex_.lock();
    readiness::lock_for_fork();
  };
  constexpr auto unlock = [] {
    note_fork();
    readiness::unlock_after_fork();
    of_process().mutex_.unlock();
  };
  pthread_atfork(lock, unlock, unlock);
  set_bellringer([](const void* memory, std::uint32_t serial) noexcept {
    const auto readiness = readiness::find(memory);
    return readiness && readiness->ring_peer(serial);
  });
}

Result<ZipcContext> Attachments::attach(const RoleRequest& request) {
  if (auto valid = check_name(request.name); !valid) return valid.failure();
  const std::scoped_lock lock(mutex_);
  for (bool again = false;; again = true) {
    const auto broker = connection_.get();
    if (!broker) return broker.failure();
    if (*broker == nullptr) return enter(take_direct(request), request);
    auto taken = take_brokered(**broker, request);
    if (taken.error() != Error::no_broker || again) return enter(std::move(taken), request);
    connection_.forget();  // it was there a moment ago: look once more, maybe somewhere else, maybe without
  }
}

Result<ZipcContext> Attachments::attach_through(Connection& broker, const RoleRequest& request) {
  if (auto valid = check_name(request.name); !valid) return valid.failure();
  const std::scoped_lock lock(mutex_);
  return enter(take_brokered(broker, request), request);
}

Result<Attachments::Taken> Attachments::take_brokered(Connection& broker, const RoleRequest& request) {
  if (request.params) {
    if (auto valid = check_params(*request.params); !valid) return valid.failure();
  }
  const protocol::AcquireCall call{.name = request.name,
                                   .role = request.role,
                                   .params = request.params,
                                   .resume = holds(request.name, request.role)};
  std::vector<UniqueFd> fds;
  protocol::Arena arena;
  auto answer = broker.call(protocol::method::kAcquire, protocol::encode(call, arena.memory()), &fds);
  if (!answer) return answer.failure();
  auto reply = protocol::decode_acquire_reply(*answer);
  if (!reply) return Failure{Error::protocol, "the broker's reply makes no sense: " + reply.failure().message};
  const auto segment = static_cast<std::size_t>(reply->segment);
  if (segment >= fds.size() || (reply->lock && static_cast<std::size_t>(*reply->lock) >= fds.size())) {
    return Failure{Error::protocol, "the broker's reply names a descriptor that did not come with it"};
  }
  LockHandle lock = reply->lock ? std::move(fds[static_cast<std::size_t>(*reply->lock)]) : LockHandle{};
  SegmentFile file;
  file.fd = std::move(fds[segment]);
  file.name = request.name;
  ZIPC_TEST_POINT("attach.after-reply");
  Taken taken{.file = std::move(file),
              .lock = std::move(lock),
              .set_up = {},
              .params = reply->params,
              .mapping = {},
              .lease = reply->lease,
              .broker = broker.socket_path(),
              .waiting = reply->waiting,
              .watched = reply->watched,
              .again = reply->resumed};
  if (taken.again) {
    if (auto looked = refresh(taken.file); !looked) return looked.failure();
    return taken;
  }
  auto set_up = SetUpLock::take(taken.file);
  if (!set_up) return set_up.failure();
  ZIPC_TEST_POINT("attach.after-set-up-lock");
  taken.set_up.emplace(std::move(*set_up));
  if (auto looked = refresh(taken.file); !looked) return looked.failure();
  auto ready = set_up_segment(taken.file, reply->params, {});
  if (!ready) return ready.failure();
  taken.mapping = std::move(ready->mapping);
  return taken;
}

Result<Attachments::Taken> Attachments::take_direct(const RoleRequest& request) {
  if (request.params) {
    if (auto valid = check_params(*request.params); !valid) return valid.failure();
  }
  for (int tries = 0; tries < kRemovedWhileOpening; ++tries) {
    bool created = false;
    auto file = open_or_create(request, created);
    if (!file) return file.failure();
    auto taken = take_file(std::move(*file), request);
    if (!taken) {
      // Nobody can have used a file that could not even be allocated; leaving it would block the name.
      if (created && taken.error() == Error::out_of_memory) static_cast<void>(remove_segment_file(request.name));
      return taken.failure();
    }
    if (*taken) return std::move(**taken);
  }
  return Failure{Error::busy, "channel " + request.name + " is removed as often as it is created"};
}

Result<std::optional<Attachments::Taken>> Attachments::take_file(SegmentFile file, const RoleRequest& request) {
  using Outcome = std::optional<Taken>;
  Taken taken;
  taken.file = std::move(file);
  ZIPC_TEST_POINT("direct.after-opening");
  auto set_up = SetUpLock::take(taken.file);
  if (!set_up) return set_up.failure();
  ZIPC_TEST_POINT("direct.after-set-up-lock");
  taken.set_up.emplace(std::move(*set_up));
  if (auto looked = refresh(taken.file); !looked) return looked.failure();
  if (!taken.file.linked) return Outcome{};
  auto ready = set_up_segment(taken.file, request.params, {.origin = Origin::direct});
  if (!ready) return ready.failure();
  taken.params = ready->params;
  taken.mapping = std::move(ready->mapping);
  ZIPC_TEST_POINT("direct.before-role-lock");
  taken.again = find(taken.file.id, request.name, request.role) != nullptr;
  if (taken.again) return Outcome(std::move(taken));
  auto lock = try_lock(taken.file.fd.get(), taken.file.name, lock_of(request.role));
  if (lock.error() == Error::busy) return role_taken(request.name, request.role, holder_pid(taken.file, request.role));
  if (!lock) return lock.failure();
  ZIPC_TEST_POINT("direct.after-role-lock");
  taken.lock = std::move(*lock);
  return Outcome(std::move(taken));
}

ZipcContext Attachments::context_of(const Attachment& attachment, std::uint64_t id) {
  std::uint8_t flags = 0;
  if (attachment.broker.empty()) flags |= kContextWatchesPeer;
  if (attachment.readiness && attachment.readiness->has_descriptor()) flags |= kContextHasDescriptor;
  ZipcContext context = make_context(attachment.role, attachment.name, attachment.params, attachment.mapping, flags, id);
  set_waiting(context, attachment.waiting);
  return context;
}

Result<ZipcContext> Attachments::enter(Result<Taken> taken, const RoleRequest& request) {
  if (!taken) return taken.failure();
  if (taken->again) {
    Attachment* held = find(taken->file.id, request.name, request.role);
    if (held != nullptr) return use_again(*held, *taken);
    return role_taken(request.name, request.role, holder_pid(taken->file, request.role));
  }
  std::shared_ptr<Readiness> readiness;
  if (!taken->broker.empty()) {
    readiness = std::make_shared<Readiness>(request.name, request.role, taken->broker);
    readiness::add(taken->mapping.address(), readiness);
  }
  ZIPC_TEST_POINT("attach.before-entering");
  enter_role(taken->file, taken->mapping, taken->params, request.role, pid_to_note(taken->broker));
  ZIPC_TEST_POINT("attach.after-entering");
  taken->set_up.reset();  // the peer need not wait for what follows
  taken->mapping.prefault();
  attachments_.push_back({.id = taken->file.id,
                          .name = request.name,
                          .role = request.role,
                          .params = taken->params,
                          .mapping = std::move(taken->mapping),
                          .lock = std::move(taken->lock),
                          .owner = getpid(),
                          .lease = taken->lease,
                          .broker = std::move(taken->broker),
                          .waiting = taken->waiting,
                          .watched = taken->watched,
                          .readiness = std::move(readiness),
                          .former = {}});
  ZIPC_TEST_POINT("attach.after-noting");
  return context_of(attachments_.back());
}

// A child has inherited its parent's mapping, and so the lock. The role stays the parent's while it lives.
Result<ZipcContext> Attachments::use_again(Attachment& held, const Taken& taken) {
  if (held.owner != getpid()) {
    if (is_alive(held.owner)) return role_taken(held.name, held.role, held.owner);
    held.owner = getpid();
    enter_role(taken.file, held.mapping, held.params, held.role, pid_to_note(held.broker));
  }
  ++held.uses;
  if (!taken.broker.empty()) held.waiting = taken.waiting;
  return context_of(held);
}

Result<bool> Attachments::follow(ZipcContext& context) noexcept {
  try {
    const std::scoped_lock lock(mutex_);
    Attachment* attachment = find(context);
    if (attachment == nullptr) return Failure{Error::closed, "the context stands for no role of this process"};
    if (attachment->mapping.address() == static_cast<const void*>(context.queue)) {
      if (auto followed = follow(*attachment); !followed) return followed.failure();
    }
    if (attachment->mapping.address() == static_cast<const void*>(context.queue)) return false;
    const Waiting waiting = waiting_of(context);
    context = context_of(*attachment, context.id);
    set_waiting(context, waiting);
    return true;
  } catch (const std::bad_alloc&) {
    return Failure{Error::out_of_memory, ""};
  }
}

Result<void> Attachments::follow(Attachment& attachment) {
  const Failure fenced = fenced_out(attachment.name, attachment.role);
  if (attachment.fenced) return fenced;
  ZIPC_TEST_POINT("follow.before-asking");
  if (auto decided = await_move(attachment); !decided) return decided.failure();
  ZIPC_TEST_POINT("follow.after-asking");
  Ring ring(attachment.mapping.address(), attachment.params, nullptr);
  const std::uint32_t notice = ring.notice(attachment.role);
  if ((notice & kNoticeMoved) == 0) return {};  // the channel stays where it is
  if ((notice & kNoticeFenced) != 0) {
    if (auto left = fence(attachment); !left) return left.failure();
    return fenced;
  }
  auto taken = take_where_it_is(attachment);
  // The role may have been taken away before we asked, and been free for us to take: then it is not ours to go on with.
  if ((ring.notice(attachment.role) & kNoticeFenced) != 0) {
    if (auto left = fence(attachment); !left) return left.failure();
    return fenced;
  }
  if (!taken) return taken.failure();
  ZIPC_TEST_POINT("follow.after-taking");
  if (taken->again) return Failure{Error::busy, "channel " + attachment.name + " is about to move"};
  return go_to(attachment, std::move(*taken));
}

Result<void> Attachments::go_to(Attachment& attachment, Taken taken) {
  attachment.former.reserve(attachment.former.size() + 1);  // nothing may fail once the role is entered there
  Ring left(attachment.mapping.address(), attachment.params, nullptr);
  if (attachment.readiness) readiness::add(taken.mapping.address(), attachment.readiness);
  ZIPC_TEST_POINT("follow.before-entering");
  enter_role(taken.file, taken.mapping, taken.params, attachment.role, pid_to_note(attachment.broker),
             left.received_meanwhile());
  ZIPC_TEST_POINT("follow.after-entering");
  left.retract(attachment.role);  // whoever finds it here still has died before it came there
  // Without memory for a copy it stays shared: its file is there a little longer, and nobody reads it.
  static_cast<void>(attachment.mapping.make_private(attachment.params, attachment.role));
  ZIPC_TEST_POINT("follow.after-leaving");
  if (attachment.readiness) {
    readiness::remove(attachment.mapping.address());
    attachment.readiness->make_readable();  // there the waiting word says nothing yet
  }
  attachment.former.push_back(std::move(attachment.mapping));
  attachment.id = taken.file.id;
  attachment.params = taken.params;
  attachment.mapping = std::move(taken.mapping);
  attachment.lock = std::move(taken.lock);
  attachment.lease = taken.lease;
  attachment.watched = taken.watched;
  ZIPC_TEST_POINT("follow.after-noting");
  taken.set_up.reset();  // the peer need not wait for what follows
  attachment.mapping.prefault();
  return {};
}

Result<Attachments::Taken> Attachments::take_where_it_is(const Attachment& attachment) {
  const RoleRequest request{.name = attachment.name, .role = attachment.role, .params = {}};
  if (attachment.broker.empty()) return take_direct(request);
  const auto broker = connection_.get_at(attachment.broker);
  if (!broker) return broker.failure();
  return take_brokered(**broker, request);
}

Result<void> Attachments::fence(Attachment& attachment) {
  if (auto left = attachment.mapping.make_private(attachment.params, attachment.role); !left) return left;
  ZIPC_TEST_POINT("fence.after-leaving");
  attachment.fenced = true;
  if (attachment.readiness) attachment.readiness->make_readable();  // and so it stays
  attachment.id = {};
  attachment.lock.reset();
  return {};
}

// The broker answers one request at a time, so its answer to any comes after its decision.
Result<void> Attachments::await_move(const Attachment& attachment) {
  const Ring ring(attachment.mapping.address(), attachment.params, nullptr);
  const auto is_undecided = [&] { return (ring.notice(attachment.role) & kNoticeElsewhere) == kNoticeMoving; };
  for (int tries = 0; is_undecided() && tries < kMovesInARow; ++tries) {
    const auto broker = attachment.broker.empty() ? connection_.get() : connection_.get_at(attachment.broker);
    if (!broker) return broker.failure();
    if (*broker == nullptr) break;
    if (auto answer = (*broker)->call(protocol::method::kPing, {}); !answer) return answer.failure();
  }
  if (!is_undecided()) return {};
  return Failure{Error::busy, "the broker was about to move channel " + attachment.name + ", and does not say whether"};
}

void Attachments::look_after_peer(const ZipcContext& context) noexcept {
  try {
    const std::scoped_lock lock(mutex_);
    const Attachment* attachment = find(context);
    if (attachment == nullptr || attachment->mapping.address() != static_cast<const void*>(context.queue)) return;
    const auto file = open_segment_file(attachment->name);
    if (!file || file->id != attachment->id) return;  // removed: nobody can tell any more
    notice_departure(*file, attachment->mapping, attachment->params, other(attachment->role));
  } catch (const std::bad_alloc&) {  // next time, then
  }
}

Result<void> Attachments::renew(const ZipcContext& context) {
  const std::scoped_lock lock(mutex_);
  Attachment* attachment = find(context);
  if (attachment == nullptr) return Failure{Error::closed, "the context stands for no role of this process"};
  if (attachment->fenced) return fenced_out(attachment->name, attachment->role);
  if (attachment->broker.empty()) return {};  // without a broker nothing runs out
  const auto broker = connection_.get_at(attachment->broker);
  if (!broker) return broker.failure();
  auto answer = (*broker)->call(protocol::method::kRenew, protocol::encode(protocol::RenewCall{attachment->lease}));
  if (answer.error() == Error::lease_not_found) return resume(*attachment);
  if (!answer) return answer.failure();
  return {};
}

// A broker that was restarted has found the lease, and given it a number that this process does not know. Whoever asks
// for a role that it holds is told the number, and has the whole of the lease before it.
Result<void> Attachments::resume(Attachment& attachment) {
  const Ring ring(attachment.mapping.address(), attachment.params, nullptr);
  if ((ring.notice(attachment.role) & kNoticeElsewhere) != 0) return follow(attachment);
  auto taken = take_where_it_is(attachment);
  if (!taken) return taken.failure();
  if (taken->again) {
    attachment.lease = taken->lease;
    attachment.watched = taken->watched;
    return {};
  }
  // It has moved meanwhile, or the role was taken away and is free for anybody: follow() knows, and lets go of it.
  const bool is_ours = (ring.notice(attachment.role) & (kNoticeMoved | kNoticeFenced)) == kNoticeMoved;
  return is_ours ? go_to(attachment, std::move(*taken)) : follow(attachment);
}

Result<int> Attachments::descriptor(ZipcContext& context) {
  const std::scoped_lock lock(mutex_);
  Attachment* attachment = find(context);
  if (attachment == nullptr || !attachment->readiness) {
    return Failure{Error::unsupported, "channel " + std::string(context.name) +
                                           " was taken without zipcd, which makes the descriptors to wait by: run zipcd, or "
                                           "wait with the blocking calls, in a thread if need be"};
  }
  if (attachment->owner != getpid() && is_alive(attachment->owner)) {
    return role_taken(attachment->name, attachment->role, attachment->owner);
  }
  const Ring ring(attachment->mapping.address(), attachment->params, nullptr);
  if ((ring.notice(attachment->role) & kNoticeElsewhere) != 0) {
    if (auto followed = follow(*attachment); !followed) return followed.failure();
  }
  auto descriptor = attachment->readiness->descriptor();
  if (descriptor) context.padding[6] |= kContextHasDescriptor;
  return descriptor;
}

bool Attachments::notify(const std::string& path, std::string_view method, protocol::json::object parameters) noexcept {
  std::unique_lock lock(mutex_, std::defer_lock);
  // Whose caller holds it follows a channel that has moved, and is in the middle of no exchange.
  if (!mutex_.is_ours() && !lock.try_lock()) return false;
  Connection* connection = connection_.known_at(path);
  return connection != nullptr && connection->notify(method, std::move(parameters));
}

/// The role that a context stands for, also by memory that the channel has left.
Attachments::Attachment* Attachments::find(const ZipcContext& context) noexcept {
  const void* memory = context.queue;
  const auto it = std::find_if(attachments_.begin(), attachments_.end(), [&](const Attachment& attachment) {
    return attachment.mapping.address() == memory ||
           std::any_of(attachment.former.begin(), attachment.former.end(),
                       [&](const Mapping& former) { return former.address() == memory; });
  });
  return it == attachments_.end() ? nullptr : &*it;
}

Attachments::Attachment* Attachments::find(const SegmentId& id, const std::string& name, Role role) noexcept {
  const auto it = std::find_if(attachments_.begin(), attachments_.end(), [&](const Attachment& attachment) {
    return attachment.id == id && attachment.name == name && attachment.role == role;
  });
  return it == attachments_.end() ? nullptr : &*it;
}

bool Attachments::holds(const std::string& name, Role role) const noexcept {
  return std::any_of(attachments_.begin(), attachments_.end(), [&](const Attachment& attachment) {
    return attachment.name == name && attachment.role == role && !attachment.fenced;
  });
}

void Attachments::detach(const ZipcContext& context) {
  const std::scoped_lock lock(mutex_);
  const Attachment* found = find(context);
  const auto it = std::find_if(attachments_.begin(), attachments_.end(),
                               [&](const Attachment& attachment) { return &attachment == found; });
  if (it == attachments_.end() || --it->uses > 0) return;
  const bool is_owner = it->owner == getpid() && !it->fenced;
  const std::int64_t lease = it->watched ? 0 : it->lease;
  ZIPC_TEST_POINT("detach.before-leaving");
  if (is_owner) leave_role(it->mapping, it->params, it->role);
  readiness::remove(it->mapping.address());
  ZIPC_TEST_POINT("detach.before-unmapping");
  attachments_.erase(it);  // unmaps, and with the memory goes the lock
  ZIPC_TEST_POINT("detach.after-unmapping");
  if (!is_owner || lease == 0) return;
  // Only saves a broker that is not told by the kernel from finding out by itself.
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

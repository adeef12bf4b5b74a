#include <zipc/operations.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "client/attachments.h"
#include "client/context.h"
#include "client/readiness.h"

namespace zipc::operations {
namespace {

/// How often who waits without a broker looks whether its peer is alive.
constexpr std::chrono::milliseconds kLookAfterPeer{100};

/// How following the channel to its present memory went.
struct Followed {
  Error error = Error::ok;
  bool has_moved = false;  ///< not: what was done where it stays counts, whatever moves are tried later
};

Followed follow(ZipcContext& context, const Ring& left) noexcept {
  const auto followed = Attachments::of_process().follow(context);
  // Where following failed, the notice does not change any more once it says that the channel has moved.
  return {.error = followed.error(), .has_moved = followed ? *followed : left.has_moved()};
}

/// Whether what the sender published just as the channel moved is sent: in time to be carried over, or nothing has
/// moved.
bool was_sent(const Followed& followed, const Ring& left) noexcept {
  if (followed.has_moved) return left.was_last_act_carried_over(Role::sender);
  return followed.error == Error::ok;
}

/// Whether the first thing to do is Ring::spin(), from which a message gets to the program fastest.
bool spins_first(Waiting waiting) noexcept { return waiting == Waiting::adaptive || waiting == Waiting::spin; }

/// A call's timeout, counted from when it has spun in vain: a call that need not sleep does not ask the clock.
class Patience {
 public:
  /// `has_spun`: the caller has already done that.
  explicit Patience(Timeout timeout, bool has_spun = false) noexcept : timeout_(timeout), has_spun_(has_spun) {}
  [[nodiscard]] bool may_wait() const noexcept { return timeout_ != kAtOnce; }
  /// Whether it is time to spin: once, before the clock is asked.
  [[nodiscard]] bool may_spin(const ZipcContext& context) noexcept {
    return timeout_ > Timeout::zero() && spins_first(waiting_of(context)) && !std::exchange(has_spun_, true);
  }
  [[nodiscard]] Deadline deadline() noexcept {
    if (!deadline_) deadline_ = deadline_after(timeout_);
    return *deadline_;
  }

 private:
  Timeout timeout_;
  bool has_spun_;
  std::optional<Deadline> deadline_;
};

/// Waits for what the holder of `role` waits for.
Error wait_until(Ring& ring, Role role, Deadline deadline, Waiting waiting) noexcept {
  return role == Role::receiver ? ring.wait_for_message(deadline, waiting) : ring.wait_for_space(deadline, waiting);
}

/// A call has answered `error`, and not that there is nothing: the role's descriptor, if it has one, is readable.
[[gnu::cold]] void keep_readable(const ZipcContext& context) noexcept {
  if (const auto readiness = readiness::find(context.queue)) readiness->disarm(ring_of(context));
}
void note_found(const ZipcContext& context, Error error) noexcept {
  if (!has(context, kContextHasDescriptor)) return;
  if (error != Error::empty && error != Error::full && error != Error::timeout) keep_readable(context);
}

/// A call is about to answer `nothing`: then the role's descriptor, if it has one, becomes unreadable until there is
/// something. That may already be so: then the answer is what was found.
Error answer_nothing(const ZipcContext& context, Error nothing, Role role) noexcept {
  if (!has(context, kContextHasDescriptor)) return nothing;
  const auto readiness = readiness::find(context.queue);
  Ring ring = ring_of(context, nullptr);
  if (!readiness || !readiness->arm(ring)) return nothing;
  const Error found = wait_until(ring, role, kNoWait, Waiting::adaptive);  // S3 of waiting.h
  if (found == Error::timeout) return nothing;
  readiness->disarm(ring);
  return found;
}

/// Waits, in the channel's present memory, for what the holder of `role` waits for. `nothing`, at once, if the call is not to
/// wait.
Error wait(ZipcContext& context, Patience& patience, Error nothing, Role role) noexcept {
  if (!patience.may_wait()) return answer_nothing(context, nothing, role);
  note_found(context, Error::ok);  // to sleep, it needs the waiting word
  if (patience.may_spin(context) && ring_of(context).spin(role)) {
    Ring ring = ring_of(context);
    if (const Error found = wait_until(ring, role, kNoWait, Waiting::adaptive); found != Error::timeout) return found;
  }
  const Deadline deadline = patience.deadline();
  const bool watches_peer = has(context, kContextWatchesPeer);
  while (true) {
    const Deadline until = watches_peer ? std::min(deadline, deadline_after(kLookAfterPeer)) : deadline;
    Ring ring = ring_of(context);
    const Error found = wait_until(ring, role, until, waiting_of(context));  // having spun, if it is adaptive
    if (found == Error::timeout && until == deadline) return answer_nothing(context, Error::timeout, role);
    if (found != Error::timeout) return found;
    Attachments::of_process().look_after_peer(context);
  }
}

/// Looks until `attempt` finds something in the channel's present memory, or fails.
template <class Attempt>
auto find(ZipcContext& context, Patience patience, Error nothing, Role role, Attempt attempt) noexcept {
  if (context.queue == nullptr) return decltype(attempt(ring_of(context))){.error = Error::closed};
  while (true) {
    auto found = attempt(ring_of(context));
    if (found.error == nothing) {
      found.error = wait(context, patience, nothing, role);
      if (found.error == Error::ok) continue;
    }
    if (found.error != kMoved) {
      note_found(context, found.error);
      return found;
    }
    found.error = follow(context, ring_of(context)).error;
    if (found.error != Error::ok) return found;
  }
}

/// Whether the program's own copy has tried, and what it has not done may be tried once more.
bool may_try_again(const ZipcContext& context) noexcept { return is(context, HotContext::hot) || is(context, HotContext::hot_by_header); }

/// Whether a sender that knew of no free slot has one by a glance.
bool has_found_space(ZipcContext& sender) noexcept { return may_try_again(sender) && ring_of(sender).look_for_space(); }

/// What the ring does at once, which the caller's own copy has not done because the message is long, or because there was no slot.
Error try_again(ZipcContext& sender, const void* message, std::size_t size) noexcept {
  const bool is_long = size > kShort;
  const auto attempt = [&] { return is_long ? ring_of(sender).try_send_long(message, size) : ring_of(sender).try_send(message, size); };
  const Error sent = is_long && may_try_again(sender) ? attempt() : kUndone;
  return sent == kUndone && has_found_space(sender) ? attempt() : sent;
}

/// Whether what a receiver took out just as the channel moved from `left` is out. Who has lost its role has taken what it had in time.
bool was_popped(const Followed& followed, const Ring& left) noexcept {
  return followed.error != Error::fenced || left.was_last_act_carried_over(Role::receiver);
}

/// Whether look_again() has spun before a call goes on here with `met`.
bool has_looked_again(const ZipcContext& context, Error met) noexcept {
  return met == Error::empty && !has(context, kContextHasDescriptor);
}

/// What the ring's try_receive() has left to do, which has answered `met`.
Slot conclude_receiving(Ring& ring, Error met) noexcept {
  const Error done = ring.conclude(Role::receiver, met);
  return done == Error::ok || done == kMovedMeanwhile ? ring.last_received(done) : Slot{.error = done};
}

}  // namespace

namespace otherwise {

Error send(ZipcContext& sender, const void* message, std::size_t size, Timeout timeout, Error met) noexcept {
  if (sender.queue == nullptr) return Error::closed;
  if (met == kUndone) met = try_again(sender, message, size);
  if (met == Error::ok) return met;
  Patience patience(timeout);
  while (true) {
    Ring ring = ring_of(sender);
    Error sent = met == kUndone ? ring.send(message, size) : ring.conclude(Role::sender, met);
    met = kUndone;
    if (sent == Error::full) {
      sent = wait(sender, patience, Error::full, Role::sender);
      if (sent == Error::ok) continue;
    }
    if (sent != kMoved && sent != kMovedMeanwhile) {
      note_found(sender, sent);
      return sent;
    }
    const Followed followed = follow(sender, ring);
    if (sent == kMovedMeanwhile && was_sent(followed, ring)) return Error::ok;
    if (followed.error != Error::ok) return followed.error;
  }
}

Slot loan(ZipcContext& sender, Timeout timeout) noexcept {
  if (has_found_space(sender)) {
    const Slot slot = ring_of(sender).try_loan();
    if (slot.error == Error::ok) return slot;
  }
  return find(sender, Patience(timeout), Error::full, Role::sender, [](Ring ring) { return ring.loan(); });
}

Error publish(ZipcContext& sender, std::size_t size, Error met) noexcept {
  if (sender.queue == nullptr) return Error::closed;
  Ring ring = ring_of(sender);
  met = met == kUndone ? ring.publish(size) : ring.conclude(Role::sender, met);
  if (met != kMoved && met != kMovedMeanwhile) return met;
  const std::byte* written = ring.unpublished(met);  // stays good
  const Followed followed = follow(sender, ring);
  if (met == kMovedMeanwhile && was_sent(followed, ring)) return Error::ok;
  if (followed.error != Error::ok) return followed.error;
  return followed.has_moved ? operations::send(sender, written, size) : operations::publish(sender, size);
}

Slot receive(ZipcContext& receiver, Timeout timeout, Error met) noexcept {
  if (receiver.queue == nullptr) return {.error = Error::closed};
  Patience patience(timeout, has_looked_again(receiver, met));
  while (true) {
    Ring ring = ring_of(receiver);
    Slot slot = met == kUndone ? ring.receive() : conclude_receiving(ring, met);
    met = kUndone;
    if (slot.error == Error::empty) {
      slot.error = wait(receiver, patience, Error::empty, Role::receiver);
      if (slot.error == Error::ok) continue;
    }
    if (slot.error != kMoved && slot.error != kMovedMeanwhile) {
      note_found(receiver, slot.error);
      return slot;
    }
    const Followed followed = follow(receiver, ring);
    if (slot.error == kMovedMeanwhile) {
      // A role that was taken away has received only what it had taken out in time; the rest is its successor's. A
      // message that was published too late to be carried over is not received either: its sender sends it again.
      const bool counts = followed.error == Error::fenced
                              ? ring.was_last_act_carried_over(Role::receiver)
                              : !followed.has_moved || !ring.was_published_too_late(slot.index);
      slot.error = Error::ok;
      if (counts) return slot;
    }
    if (followed.error != Error::ok) return {.error = followed.error};
  }
}

Slot peek(ZipcContext& receiver, Timeout timeout, Error met) noexcept {
  Patience patience(timeout, has_looked_again(receiver, met));
  return find(receiver, patience, Error::empty, Role::receiver, [](Ring ring) { return ring.peek(); });
}

Error look_again(ZipcContext& receiver, Timeout timeout, Error met) noexcept {
  if (!may_try_again(receiver)) return met;
  Ring ring = ring_of(receiver);
  if (met == kUndone) met = ring.look_for_message();
  if (met != Error::empty || has(receiver, kContextHasDescriptor) || !Patience(timeout).may_spin(receiver)) return met;
  return ring.spin(Role::receiver) ? Error::ok : met;
}

Error pop(ZipcContext& receiver, Error met) noexcept {
  if (receiver.queue == nullptr) return Error::closed;
  while (true) {
    Ring ring = ring_of(receiver);
    const Error popped = met == kUndone ? ring.pop() : ring.conclude(Role::receiver, met);
    met = kUndone;
    if (popped != kMoved && popped != kMovedMeanwhile) return popped;
    const Followed followed = follow(receiver, ring);
    if (popped == kMovedMeanwhile && was_popped(followed, ring)) return Error::ok;
    if (followed.error != Error::ok) return followed.error;
    // What was peeked at here may have been published too late to be carried over. It comes again, from its sender.
    if (followed.has_moved && ring.has_uncarried_message()) return Error::ok;
  }
}

}  // namespace otherwise

SlotRun loan_run(ZipcContext& sender, std::uint32_t most) noexcept {
  return find(sender, Patience(kAtOnce), Error::full, Role::sender, [most](Ring ring) { return ring.loan_run(most); });
}

Error publish_run(ZipcContext& sender, const std::uint32_t* sizes, std::uint32_t count,
                  std::uint32_t& published) noexcept {
  published = 0;
  if (sender.queue == nullptr) return Error::closed;
  Ring ring = ring_of(sender);
  const Error met = ring.publish_run(sizes, count);
  if (met == Error::ok) published = count;
  if (met != kMoved && met != kMovedMeanwhile) return met;
  // What is written may have to be sent again, and only the last two slots stay good.
  const std::size_t stride = ring.params().message_size;
  const std::unique_ptr<std::byte[]> written(new (std::nothrow) std::byte[count * stride]);
  if (written) std::memcpy(written.get(), ring.unpublished(met, count), count * stride);
  const Followed followed = follow(sender, ring);
  if (met == kMovedMeanwhile && was_sent(followed, ring)) {
    published = count;
    return Error::ok;
  }
  if (followed.error != Error::ok) return followed.error;
  if (!followed.has_moved) return publish_run(sender, sizes, count, published);
  if (!written) return Error::out_of_memory;
  for (; published < count; ++published) {
    if (sizes[published] > stride) return Error::message_too_large;
    const Error sent = send(sender, written.get() + published * stride, sizes[published]);
    if (sent != Error::ok) return sent;
  }
  return Error::ok;
}

SlotRun peek_run(ZipcContext& receiver, std::uint32_t* sizes, std::uint32_t most) noexcept {
  return find(receiver, Patience(kAtOnce), Error::empty, Role::receiver,
              [sizes, most](Ring ring) { return ring.peek_run(sizes, most); });
}

Error pop_run(ZipcContext& receiver, std::uint32_t count) noexcept {
  if (receiver.queue == nullptr) return Error::closed;
  while (true) {
    Ring ring = ring_of(receiver);
    const Error popped = ring.pop_run(count);
    if (popped != kMoved && popped != kMovedMeanwhile) return popped;
    const Followed followed = follow(receiver, ring);
    if (popped == kMovedMeanwhile && was_popped(followed, ring)) return Error::ok;
    if (followed.error != Error::ok) return followed.error;
    if (followed.has_moved) count = std::min(count, ring.carried_and_waiting());  // as in pop()
  }
}

}  // namespace zipc::operations

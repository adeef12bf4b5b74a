#include "client/operations.h"

#include <algorithm>

#include "client/attachments.h"

namespace zipc {
namespace {

/// How often a sleeper without a broker looks whether its peer is alive.
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

/// Whether what the sender published just as the channel moved is sent: in time to be carried over, or nothing has moved.
bool was_sent(const Followed& followed, const Ring& left) noexcept {
  if (followed.has_moved) return left.was_last_act_carried_over(Role::sender);
  return followed.error == Error::ok;
}

/// Waits, in the channel's present memory, for what Ring::wait_for_message or Ring::wait_for_space waits for.
Error wait(const ZipcContext& context, Deadline deadline, Error (Ring::*wait_for)(Deadline) noexcept) noexcept {
  const bool watches_peer = (context.padding[0] & kContextWatchesPeer) != 0;
  while (true) {
    const Deadline until = watches_peer ? std::min(deadline, deadline_after(kLookAfterPeer)) : deadline;
    Ring ring = ring_of(context);
    const Error found = (ring.*wait_for)(until);
    if (found != Error::timeout || until == deadline) return found;
    Attachments::of_process().look_after_peer(context);
  }
}

}  // namespace

Error send(ZipcContext& sender, const void* message, std::size_t size, std::optional<Deadline> deadline) noexcept {
  while (true) {
    Ring ring = ring_of(sender);
    Error sent = ring.send(message, size);
    if (sent == Error::ok) return sent;
    if (sent == Error::full && deadline) {
      const Error waited = wait(sender, *deadline, &Ring::wait_for_space);
      if (waited == Error::ok) continue;
      sent = waited;
    }
    if (sent != kMoved && sent != kMovedMeanwhile) return sent;
    const Followed followed = follow(sender, ring);
    if (sent == kMovedMeanwhile && was_sent(followed, ring)) return Error::ok;
    if (followed.error != Error::ok) return followed.error;
  }
}

Slot loan(ZipcContext& sender, std::optional<Deadline> deadline) noexcept {
  while (true) {
    const Slot slot = ring_of(sender).loan();
    Error error = slot.error;
    if (error == Error::full && deadline) {
      error = wait(sender, *deadline, &Ring::wait_for_space);
      if (error == Error::ok) continue;
    }
    if (error != kMoved) return error == slot.error ? slot : Slot{.error = error};
    if (error = follow(sender, ring_of(sender)).error; error != Error::ok) return {.error = error};
  }
}

Error publish(ZipcContext& sender, std::size_t size) noexcept {
  Ring ring = ring_of(sender);
  const Error published = ring.publish(size);
  if (published != kMoved && published != kMovedMeanwhile) return published;
  const std::byte* written = ring.unpublished(published);  // stays good
  const Followed followed = follow(sender, ring);
  if (published == kMovedMeanwhile && was_sent(followed, ring)) return Error::ok;
  if (followed.error != Error::ok) return followed.error;
  return followed.has_moved ? send(sender, written, size) : publish(sender, size);
}

Slot receive(ZipcContext& receiver, std::optional<Deadline> deadline) noexcept {
  while (true) {
    Ring ring = ring_of(receiver);
    Slot slot = ring.receive();
    if (slot.error == Error::ok) return slot;
    if (slot.error == Error::empty && deadline) {
      slot.error = wait(receiver, *deadline, &Ring::wait_for_message);
      if (slot.error == Error::ok) continue;
    }
    if (slot.error != kMoved && slot.error != kMovedMeanwhile) return slot;
    const Followed followed = follow(receiver, ring);
    if (slot.error == kMovedMeanwhile) {
      // A role that was taken away has received only what it had taken out in time; the rest is its successor's. A message
      // that was published too late to be carried over is not received either: its sender sends it again.
      const bool counts = followed.error == Error::fenced ? ring.was_last_act_carried_over(Role::receiver)
                                                          : !followed.has_moved || !ring.was_published_too_late(slot.index);
      slot.error = Error::ok;
      if (counts) return slot;
    }
    if (followed.error != Error::ok) return {.error = followed.error};
  }
}

Slot peek(ZipcContext& receiver, std::optional<Deadline> deadline) noexcept {
  while (true) {
    const Slot slot = ring_of(receiver).peek();
    Error error = slot.error;
    if (error == Error::empty && deadline) {
      error = wait(receiver, *deadline, &Ring::wait_for_message);
      if (error == Error::ok) continue;
    }
    if (error != kMoved) return error == slot.error ? slot : Slot{.error = error};
    if (error = follow(receiver, ring_of(receiver)).error; error != Error::ok) return {.error = error};
  }
}

Error pop(ZipcContext& receiver) noexcept {
  while (true) {
    Ring ring = ring_of(receiver);
    const Error popped = ring.pop();
    if (popped != kMoved && popped != kMovedMeanwhile) return popped;
    const Followed followed = follow(receiver, ring);
    if (popped == kMovedMeanwhile && followed.error != Error::fenced) return Error::ok;
    if (popped == kMovedMeanwhile && ring.was_last_act_carried_over(Role::receiver)) return Error::ok;
    if (followed.error != Error::ok) return followed.error;
    // What was peeked at here may have been published too late to be carried over. It comes again, from its sender.
    if (followed.has_moved && ring.has_uncarried_message()) return Error::ok;
  }
}

}  // namespace zipc

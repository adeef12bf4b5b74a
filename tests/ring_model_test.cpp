// Random operations on the ring against a deque, all invariants checked after each step.
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>
#include <vector>

#include "common/ring.h"

namespace zipc {
namespace {

constexpr int kSteps = 2'000'000;

std::uint32_t seed() {
  const char* wanted = std::getenv("ZIPC_TEST_SEED");
  return wanted != nullptr ? static_cast<std::uint32_t>(std::strtoul(wanted, nullptr, 10)) : std::random_device{}();
}

/// The ring, and what a naive queue says it should hold.
class Model {
 public:
  Model(const Params& params, bool announced, std::uint32_t seed)
      : params_(params), random_(seed), memory_(static_cast<std::size_t>(segment_size(params)) / 8 + 1) {
    if (!announced) return;
    ring().announce(Role::sender);
    ring().announce(Role::receiver);
  }

  void step() {
    switch (random_() % 8) {
      case 0:
      case 1:
      case 2: return send();
      case 3: return loan_and_publish();
      case 4: return peek();
      case 5: return pop();
      default: return receive();
    }
  }

  void check() {
    const Stats stats = ring().stats();
    ASSERT_EQ(stats.depth, model_.size());
    ASSERT_EQ(stats.sent, sent_);
    ASSERT_EQ(stats.received, sent_ - model_.size());
    ASSERT_LE(stats.deepest, params_.queue_size - 1);
    if (held_.data != nullptr) {
      ASSERT_EQ(as_text(held_), held_text_) << "a received message changed before the next receive";
    }
  }

  [[nodiscard]] std::uint64_t sent_at_once() const { return sent_at_once_; }

 private:
  Ring ring() { return {memory_.data(), params_, nullptr}; }  // a new view each time: it has no state
  bool is_full() const { return model_.size() == params_.queue_size - 1; }
  static std::string as_text(const Slot& slot) { return {reinterpret_cast<const char*>(slot.data), slot.size}; }

  std::string random_message() {
    std::string text(random_() % (params_.message_size + 3), '\0');  // now and then too long
    for (char& c : text) c = static_cast<char>(random_());
    return text;
  }

  Error expected(const std::string& text) const {
    if (text.size() > params_.message_size) return Error::message_too_large;
    return is_full() ? Error::full : Error::ok;
  }

  void sent(const std::string& text, Error error) {
    ASSERT_EQ(error, expected(text));
    if (error != Error::ok) return;
    model_.push_back(text);
    ++sent_;
  }

  void send() {
    const std::string text = random_message();
    if (random_() % 2 == 0) {  // what a long message takes where there is nothing else to do; or it leaves all as it is
      const Error met = ring().try_send_long(text.data(), text.size());
      if (met != kUndone) {
        ++sent_at_once_;
        return sent(text, ring().conclude(Role::sender, met));
      }
    }
    sent(text, ring().send(text.data(), text.size()));
  }

  void loan_and_publish() {
    const std::string text = random_message();
    const Slot slot = ring().loan();
    ASSERT_EQ(slot.error, is_full() ? Error::full : Error::ok);
    if (slot.error == Error::ok && text.size() <= slot.size) std::memcpy(slot.data, text.data(), text.size());
    if (random_() % 4 == 0) return;  // thought better of it
    sent(text, ring().publish(text.size()));
  }

  void expect_front(const Slot& slot) {
    ASSERT_EQ(slot.error, model_.empty() ? Error::empty : Error::ok);
    if (!model_.empty()) {
      ASSERT_EQ(as_text(slot), model_.front());
    }
  }

  void peek() { expect_front(ring().peek()); }

  void pop() {
    held_ = {};
    ASSERT_EQ(ring().pop(), model_.empty() ? Error::empty : Error::ok);
    if (!model_.empty()) model_.pop_front();
  }

  void receive() {
    held_ = {};
    const Slot slot = ring().receive();
    expect_front(slot);
    if (model_.empty()) return;
    held_ = slot;
    held_text_ = model_.front();
    model_.pop_front();
  }

  Params params_;
  std::mt19937 random_;
  std::vector<std::uint64_t> memory_;
  std::deque<std::string> model_;
  std::uint64_t sent_ = 0;
  std::uint64_t sent_at_once_ = 0;
  Slot held_;
  std::string held_text_;
};

class RingModel : public testing::TestWithParam<bool> {};

TEST_P(RingModel, BehavesLikeADequeOfLimitedLength) {
  const std::uint32_t start = seed();
  std::mt19937 random(start);
  SCOPED_TRACE("ZIPC_TEST_SEED=" + std::to_string(start));
  std::uint64_t sent_at_once = 0;
  for (int round = 0; round < 20; ++round) {
    const auto below = [&](std::uint32_t bound) { return static_cast<std::uint32_t>(random() % bound); };
    const Params params{.queue_size = 2 + below(9), .message_size = 1 + below(20)};
    Model model(params, GetParam(), below(1u << 31));
    for (int step = 0; step < kSteps / 20; ++step) {
      model.step();
      model.check();
      if (HasFatalFailure()) FAIL() << "queue_size " << params.queue_size << ", message_size " << params.message_size
                                    << ", step " << step;
    }
    sent_at_once += model.sent_at_once();
  }
  EXPECT_GT(sent_at_once, 0u);
}

INSTANTIATE_TEST_SUITE_P(Peers, RingModel, testing::Values(true, false),
                         [](const auto& of) { return of.param ? "Announced" : "Unannounced"; });

}  // namespace
}  // namespace zipc

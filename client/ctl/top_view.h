/// What `top` shows: rates from two samples, and lines for a screen of any size. Pure.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "client/ctl/sampler.h"

namespace zipc::ctl {

/// What one side of a channel does.
enum class Activity {
  absent,  ///< nobody holds the role, and it was never used
  gone,    ///< nobody holds it any more
  moving,  ///< it has moved messages since the last look
  asleep,  ///< it waits for the other side
  idle,    ///< neither
};

struct Side {
  Activity activity = Activity::absent;
  int pid = 0;
  std::string program;  ///< empty: unknown
  std::int64_t asleep_ms = -1;
};

struct TopRow {
  ChannelInfo channel;
  double messages_per_second = 0;
  double bytes_per_second = 0;
  double full_per_second = 0;  ///< how often the sender met a full queue
  Side sender;
  Side receiver;
};

/// The name of a holder's program; empty: unknown.
using ProgramOf = std::function<std::string(const Holder&)>;

/// One row for each channel of `now`; rates where `before` has it too.
[[nodiscard]] std::vector<TopRow> rows_of(const Sample& before, const Sample& now, const ProgramOf& program_of);

enum class Order { rate, fill, name };
[[nodiscard]] Order next(Order order) noexcept;

struct TopView {
  std::vector<TopRow> rows;
  BrokerInfo broker;
  std::string trouble;  ///< why there is nothing newer; empty: there is
  Order order = Order::rate;
  std::size_t first = 0;  ///< which row is at the top
  bool help = false;
};

void sort(std::vector<TopRow>& rows, Order order);

enum class Style { plain, title, warning, alarm };

/// A line of the screen: printable ASCII, no longer than the screen is wide.
struct ScreenLine {
  std::string text;
  Style style = Style::plain;
};

struct ScreenSize {
  std::size_t width = 80;
  std::size_t height = 24;
};

/// How many rows fit below the titles.
[[nodiscard]] std::size_t rows_that_fit(const TopView& view, const ScreenSize& size) noexcept;

/// `size.height` lines at most. Everything of importance fits into 80 columns; a wider screen shows longer names,
/// programs, who waits for how long, and counters.
[[nodiscard]] std::vector<ScreenLine> render(const TopView& view, const ScreenSize& size);

}  // namespace zipc::ctl

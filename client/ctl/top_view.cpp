#include "client/ctl/top_view.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <string_view>

#include "client/ctl/table.h"

namespace zipc::ctl {
namespace {

// ---- rates ----------------------------------------------------------------------------------------------------------

std::uint64_t grown(std::uint64_t before, std::uint64_t now) { return now > before ? now - before : 0; }

Side side_of(const std::optional<Holder>& holder, std::uint64_t moved, std::uint64_t ever,
             const ProgramOf& program_of) {
  if (!holder) return {.activity = ever > 0 ? Activity::gone : Activity::absent, .pid = 0, .program = {}};
  Side side{.activity = Activity::idle, .pid = holder->pid, .program = program_of(*holder)};
  if (moved > 0) {
    side.activity = Activity::moving;
  } else if (holder->asleep_ms >= 0) {
    side.activity = Activity::asleep;
    side.asleep_ms = holder->asleep_ms;
  }
  return side;
}

TopRow row_of(const ChannelInfo& before, const ChannelInfo& now, double seconds, const ProgramOf& program_of) {
  const auto rate = [seconds](std::uint64_t from, std::uint64_t to) {
    return seconds > 0 ? static_cast<double>(grown(from, to)) / seconds : 0;
  };
  return {.channel = now,
          .messages_per_second = rate(before.sent, now.sent),
          .bytes_per_second = rate(before.bytes_sent, now.bytes_sent),
          .full_per_second = rate(before.full, now.full),
          .sender = side_of(now.sender, grown(before.sent, now.sent), now.sent, program_of),
          .receiver = side_of(now.receiver, grown(before.received, now.received), now.received, program_of)};
}

double fill_of(const TopRow& row) {
  const std::uint32_t capacity = row.channel.params.queue_size - 1;
  return capacity == 0 ? 0 : std::min(1.0, static_cast<double>(row.channel.depth) / capacity);
}

// ---- cells ----------------------------------------------------------------------------------------------------------

/// At most four characters up to a thousand trillions: "0", "0.4", "999", "1.2k", "12M".
std::string short_number(double value) {
  static constexpr std::array<const char*, 6> kUnits{"", "k", "M", "G", "T", "P"};
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  const bool fraction = value > 0 && value < 9.95 && (unit > 0 || value < 0.95);
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f%s", fraction ? 1 : 0, value, kUnits[unit]);
  return text.data();
}

std::string fit(const std::string& text, std::size_t width, Align align) {
  if (text.size() > width) return width == 0 ? std::string() : text.substr(0, width - 1) + "~";
  const std::string padding(width - text.size(), ' ');
  return align == Align::right ? padding + text : text + padding;
}

const char* word(Activity activity) {
  switch (activity) {
    case Activity::absent:
      return "-";
    case Activity::gone:
      return "gone";
    case Activity::moving:
      return "moving";
    case Activity::asleep:
      return "asleep";
    case Activity::idle:
      return "idle";
  }
  return "";
}

constexpr std::size_t kProgramWidth = 16;  // as long as the kernel has it, and a blank

/// "42 asleep", and with room for it "camera_node     42 asleep".
std::string side_cell(const Side& side, bool with_program) {
  if (side.pid == 0) return word(side.activity);
  const std::string who = std::to_string(side.pid) + " " + word(side.activity);
  return with_program ? fit(side.program.empty() ? "?" : side.program, kProgramWidth - 1, Align::left) + " " + who
                      : who;
}

/// "###. 48/63".
std::string fill_cell(const TopRow& row, std::size_t bar_width) {
  const double fill = fill_of(row);
  auto filled = static_cast<std::size_t>(fill * static_cast<double>(bar_width));
  if (row.channel.depth > 0) filled = std::max<std::size_t>(filled, 1);  // not empty is not nothing
  return std::string(filled, '#') + std::string(bar_width - filled, '.') + " " + short_number(row.channel.depth) + "/" +
         short_number(row.channel.params.queue_size - 1);
}

/// Who sleeps, and for how long: "receiver 12s".
std::string waits_cell(const TopRow& row) {
  const bool receiver = row.receiver.asleep_ms > row.sender.asleep_ms;
  const std::int64_t asleep_ms = receiver ? row.receiver.asleep_ms : row.sender.asleep_ms;
  if (asleep_ms < 0) return "-";
  return (receiver ? "receiver " : "sender ") + format_duration(milliseconds{asleep_ms});
}

// ---- columns --------------------------------------------------------------------------------------------------------

struct Cell {
  const char* title;
  std::size_t width;
  Align align;
  std::function<std::string(const TopRow&)> text;
};

constexpr std::size_t kNameWidthMin = 14;
constexpr std::size_t kNameWidthMax = 39;
constexpr std::size_t kBarWidth = 4;
constexpr std::size_t kWideBarWidth = 10;

/// Takes `wanted` columns out of what is left, all of it or nothing.
bool take(std::size_t& spare, std::size_t wanted) {
  if (spare < wanted) return false;
  spare -= wanted;
  return true;
}

void add_counters(std::vector<Cell>& cells, std::size_t& spare) {
  const auto add = [&](const char* title, std::size_t width, std::function<std::string(const TopRow&)> text) {
    if (take(spare, width + 1)) cells.push_back({title, width, Align::right, std::move(text)});
  };
  add("SENT", 5, [](const TopRow& row) { return short_number(static_cast<double>(row.channel.sent)); });
  add("DEEPEST", 7, [](const TopRow& row) { return short_number(row.channel.deepest); });
  add("FULL", 5, [](const TopRow& row) { return short_number(static_cast<double>(row.channel.full)); });
  add("SIZE", 9, [](const TopRow& row) { return format_size(row.channel.params.message_size); });
}

/// As much of `wanted` as is left.
std::size_t take_up_to(std::size_t& spare, std::size_t wanted) {
  const std::size_t taken = std::min(spare, wanted);
  spare -= taken;
  return taken;
}

/// The first seven take 80 columns; what is wider is spent in the order of use.
std::vector<Cell> layout(const std::vector<TopRow>& rows, std::size_t width) {
  constexpr std::size_t kNarrow = 80;
  constexpr std::size_t kNameGrowth = 10;  // before programs are shown
  constexpr std::size_t kWaitsWidth = 14;
  std::size_t spare = width > kNarrow ? width - kNarrow : 0;
  std::size_t name_width = kNameWidthMin;
  for (const TopRow& row : rows) name_width = std::max(name_width, row.channel.name.size());
  const std::size_t wanted = std::min(name_width, kNameWidthMax) - kNameWidthMin;
  std::size_t name_extra = take_up_to(spare, std::min(wanted, kNameGrowth));
  const bool programs = take(spare, 2 * kProgramWidth);
  const bool waits = take(spare, kWaitsWidth + 1);
  name_extra += take_up_to(spare, wanted - name_extra);
  const std::size_t side_width = 14 + (programs ? kProgramWidth : 0);
  const std::size_t bar_width = take(spare, kWideBarWidth - kBarWidth) ? kWideBarWidth : kBarWidth;
  std::vector<Cell> cells{
      {"NAME", kNameWidthMin + name_extra, Align::left, [](const TopRow& row) { return row.channel.name; }},
      {"MSG/S", 5, Align::right, [](const TopRow& row) { return short_number(row.messages_per_second); }},
      {"BYTES/S", 7, Align::right, [](const TopRow& row) { return short_number(row.bytes_per_second); }},
      {"FILL", bar_width + 10, Align::left, [bar_width](const TopRow& row) { return fill_cell(row, bar_width); }},
      {"FULL/S", 6, Align::right, [](const TopRow& row) { return short_number(row.full_per_second); }},
      {"SENDER", side_width, Align::left, [programs](const TopRow& row) { return side_cell(row.sender, programs); }},
      {"RECEIVER", side_width, Align::left,
       [programs](const TopRow& row) { return side_cell(row.receiver, programs); }}};
  if (waits) cells.push_back({"WAITS", kWaitsWidth, Align::left, waits_cell});
  add_counters(cells, spare);
  return cells;
}

template <class TextOf>
std::string line_of(const std::vector<Cell>& cells, TextOf text_of) {
  std::string line;
  for (const Cell& cell : cells) {
    if (!line.empty()) line.push_back(' ');
    line += fit(text_of(cell), cell.width, cell.align);
  }
  return line;
}

// ---- the screen -----------------------------------------------------------------------------------------------------

const char* word(Order order) {
  switch (order) {
    case Order::rate:
      return "rate";
    case Order::fill:
      return "fill";
    case Order::name:
      return "name";
  }
  return "";
}

std::string header_of(const TopView& view) {
  const BrokerInfo& broker = view.broker;
  if (broker.version.empty()) return "zipcd";
  return "zipcd " + broker.version + ", up " + format_duration(milliseconds{broker.uptime_ms}) + ", " +
         format_count(static_cast<std::uint64_t>(broker.channels), "channel") + ", " +
         format_count(static_cast<std::uint64_t>(broker.leases), "lease");
}

std::string footer_of(const TopView& view, std::size_t shown) {
  std::string text = "q quit  s sort: " + std::string(word(view.order)) + "  h help";
  if (shown < view.rows.size()) {
    text += "  arrows, PgUp, PgDn: " + std::to_string(view.first + 1) + "-" + std::to_string(view.first + shown) +
            " of " + std::to_string(view.rows.size());
  }
  return text;
}

constexpr std::array<const char*, 2> kHelp{
    "MSG/S, BYTES/S: sent. FILL: messages waiting. FULL/S: sender met a full queue.",
    "asleep: waits for the other side. idle: neither moves nor waits. gone: ended."};

Style style_of(const TopRow& row) {
  constexpr double kHalf = 0.5;
  if (fill_of(row) >= 1 || row.full_per_second > 0) return Style::alarm;
  return fill_of(row) >= kHalf ? Style::warning : Style::plain;
}

}  // namespace

std::vector<TopRow> rows_of(const Sample& before, const Sample& now, const ProgramOf& program_of) {
  std::map<std::string_view, const ChannelInfo*> earlier;
  for (const ChannelInfo& channel : before.channels) earlier.emplace(channel.name, &channel);
  const double seconds = std::chrono::duration<double>(now.at - before.at).count();
  std::vector<TopRow> rows;
  for (const ChannelInfo& channel : now.channels) {
    const auto found = earlier.find(channel.name);
    rows.push_back(row_of(found == earlier.end() ? channel : *found->second, channel, seconds, program_of));
  }
  return rows;
}

Order next(Order order) noexcept {
  switch (order) {
    case Order::rate:
      return Order::fill;
    case Order::fill:
      return Order::name;
    case Order::name:
      return Order::rate;
  }
  return Order::rate;
}

void sort(std::vector<TopRow>& rows, Order order) {
  std::ranges::sort(rows, {}, [](const TopRow& row) -> const std::string& { return row.channel.name; });
  if (order == Order::rate) std::ranges::stable_sort(rows, std::greater{}, &TopRow::messages_per_second);
  if (order == Order::fill) std::ranges::stable_sort(rows, std::greater{}, fill_of);
}

std::size_t rows_that_fit(const TopView& view, const ScreenSize& size) noexcept {
  const std::size_t taken = 3 + (view.help ? kHelp.size() : 0);  // header, titles, footer
  return size.height > taken ? size.height - taken : 0;
}

std::vector<ScreenLine> render(const TopView& view, const ScreenSize& size) {
  const auto cells = layout(view.rows, size.width);
  std::vector<ScreenLine> lines;
  lines.push_back(view.trouble.empty() ? ScreenLine{header_of(view)} : ScreenLine{view.trouble, Style::alarm});
  lines.push_back({line_of(cells, [](const Cell& cell) { return std::string(cell.title); }), Style::title});
  const std::size_t first = std::min(view.first, view.rows.size());
  const std::size_t shown = std::min(rows_that_fit(view, size), view.rows.size() - first);
  for (std::size_t i = first; i < first + shown; ++i) {
    const TopRow& row = view.rows[i];
    lines.push_back({line_of(cells, [&row](const Cell& cell) { return cell.text(row); }), style_of(row)});
  }
  while (lines.size() + 1 + (view.help ? kHelp.size() : 0) < size.height) lines.push_back({});
  if (view.help) {
    for (const char* text : kHelp) lines.push_back({text});
  }
  lines.push_back({footer_of(view, shown)});
  if (lines.size() > size.height) lines.resize(size.height);
  for (ScreenLine& line : lines) line.text = line.text.substr(0, size.width);
  return lines;
}

}  // namespace zipc::ctl

#include "client/ctl/table.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace zipc::ctl {
namespace {

void append_cell(std::string& line, const std::string& cell, std::size_t width, Align align) {
  if (!line.empty()) line.append("  ");
  const std::string padding(width - cell.size(), ' ');
  line.append(align == Align::right ? padding + cell : cell + padding);
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  auto& titles = rows_.emplace_back();
  for (const Column& column : columns_) titles.push_back(column.title);
}

void Table::add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

std::string Table::text() const {
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string all;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) append_cell(line, row[i], widths[i], columns_[i].align);
    line.erase(line.find_last_not_of(' ') + 1);
    all.append(line).append("\n");
  }
  return all;
}

}  // namespace zipc::ctl

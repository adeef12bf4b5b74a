/// A table for people: columns as wide as their widest cell.
#pragma once

#include <string>
#include <vector>

namespace zipc::ctl {

enum class Align { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns);

  /// A row; as many cells as there are columns.
  void add(std::vector<std::string> cells);

  /// All of it, a line for each row, without blanks at the end of a line.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;  ///< the first holds the titles
};

}  // namespace zipc::ctl

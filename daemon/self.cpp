#include "daemon/self.h"

namespace zipc {

std::vector<Finding> check_self(const std::optional<std::size_t>& expected) {
  std::vector<Finding> findings;
  const auto there = open_descriptors();
  if (expected && there && *there != *expected) {
    findings.push_back({.kind = "descriptors",
                        .subject = "zipcd",
                        .message = "zipcd has " + std::to_string(*there) + " descriptors open; it should have " +
                                   std::to_string(*expected)});
  }
  for (const std::string& path : mapped_segments()) {
    findings.push_back({.kind = "descriptors", .subject = path, .message = "zipcd has " + path + " mapped"});
  }
  return findings;
}

}  // namespace zipc

#include <dirent.h>

#include <fstream>
#include <memory>
#include <string_view>

#include "daemon/self.h"

namespace zipc {

std::optional<std::size_t> open_descriptors() {
  const auto close = [](DIR* folder) { closedir(folder); };
  const std::unique_ptr<DIR, decltype(close)> folder(opendir("/proc/self/fd"), close);
  if (!folder) return std::nullopt;
  std::size_t count = 0;
  while (const dirent* entry = readdir(folder.get())) {
    if (entry->d_name[0] != '.') ++count;
  }
  return count - 1;  // without the one that we count with
}

std::vector<std::string> mapped_segments() {
  std::vector<std::string> paths;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (const auto path = line.find(" /dev/shm/"); path != std::string::npos) paths.push_back(line.substr(path + 1));
  }
  return paths;
}

}  // namespace zipc

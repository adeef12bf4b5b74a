#include "common/sender_copies.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <new>
#include <vector>

namespace zipc {
namespace {

constexpr std::size_t kInAPage = 4096 / sizeof(SenderCopies);

struct Pool {
  std::mutex mutex;
  pid_t owner = 0;
  std::vector<SenderCopies*> pages;  // never unmapped: children, and copies of contexts, may go on using them
  std::vector<SenderCopies*> free;

  /// A child has a pool of its own: what is free in its parent's pages is the parent's to give.
  void begin() {
    if (owner == getpid()) return;
    pages.clear();
    free.clear();
    owner = getpid();
  }
  /// Without memory there is none.
  void add_page() {
    free.reserve((pages.size() + 1) * kInAPage);  // for all there are: giving back needs no memory
    pages.reserve(pages.size() + 1);
    void* page = mmap(nullptr, kInAPage * sizeof(SenderCopies), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return;
    pages.push_back(static_cast<SenderCopies*>(page));
    // The last is given out first: processors take two addresses with the same lowest 12 bits for the same at first, and pages of channels
    // begin with what is written for each message. With both alike, writing a message in place takes 1.3 times as long.
    for (std::size_t i = 0; i < kInAPage; ++i) free.push_back(pages.back() + i);
  }
  [[nodiscard]] bool has(const SenderCopies* copies) const noexcept {
    return std::any_of(pages.begin(), pages.end(), [copies](const SenderCopies* page) {
      return std::less_equal<>()(page, copies) && std::less<>()(copies, page + kInAPage);
    });
  }
};

Pool& pool() {
  static auto& only = *new Pool;  // never destroyed: contexts may outlive static objects
  return only;
}

}  // namespace

UniqueSenderCopies make_sender_copies() noexcept try {
  Pool& all = pool();
  const std::scoped_lock lock(all.mutex);
  all.begin();
  if (all.free.empty()) all.add_page();
  if (all.free.empty()) return nullptr;
  SenderCopies* copies = all.free.back();
  all.free.pop_back();
  return UniqueSenderCopies(new (copies) SenderCopies());
} catch (const std::bad_alloc&) {
  return nullptr;
}

void ReturnSenderCopies::operator()(SenderCopies* copies) const noexcept {
  Pool& all = pool();
  const std::scoped_lock lock(all.mutex);
  if (all.owner == getpid() && all.has(copies)) all.free.push_back(copies);  // an inherited one stays its parent's
}

}  // namespace zipc

#include <zipc/layout.hpp>

#include <gtest/gtest.h>

namespace zipc {
namespace {

// The offsets of the header's fields are checked at compile time, in layout.hpp.

TEST(Layout, PutsItemsBuffersAndFlagWhereExistingPeersHaveThem) {
  const Params params{.queue_size = 8, .message_size = 1536};
  EXPECT_EQ(kItemsOffset, 128u);
  EXPECT_EQ(buffers_offset(params), 128u + 8 * 8);
  EXPECT_EQ(init_flag_offset(params), 128u + 8 * 8 + 8 * 1536);
  EXPECT_EQ(older_peer_size(params), 260u + 8 * 8 + 8 * 1536);
  EXPECT_EQ(newest_peer_size(params), 128u + 8 * 8 + 8 * 1536 + 4);
}

TEST(Layout, ComputesSizesBeyond32Bits) {
  const Params params{.queue_size = 1u << 24, .message_size = 1u << 31};
  EXPECT_EQ(older_peer_size(params), 260u + (std::uint64_t{8} << 24) + (std::uint64_t{1} << 55));
}

TEST(Layout, MakesItsFileLargerThanAnyExistingPeerDoes) {
  for (std::uint32_t m = 1; m < 70; ++m) {
    const Params params{.queue_size = 3, .message_size = m};
    EXPECT_GT(segment_size(params), older_peer_size(params));
    EXPECT_GE(older_peer_size(params), newest_peer_size(params));
  }
}

TEST(Layout, UsesTheTripwireOnlyWhereATruncatedFileStillHasItsPage) {
  constexpr std::uint64_t kPage = 4096;
  int unusable = 0;
  for (std::uint32_t m = 1; m <= kPage; ++m) {
    const Params params{.queue_size = 3, .message_size = m};
    const std::uint64_t end_of_what_remains = (newest_peer_size(params) + kPage - 1) / kPage * kPage;
    const bool page_remains = segment_size(params) <= end_of_what_remains;
    EXPECT_EQ(tripwire_usable(params, kPage), page_remains);
    unusable += page_remains ? 0 : 1;
  }
  EXPECT_GT(unusable, 0);
  EXPECT_LT(unusable, 4096 * 5 / 100);
}

TEST(Layout, RefusesSizesThatCannotWork) {
  for (const Params& params : {Params{0, 8}, Params{1, 8}, Params{8, 0}, Params{(1u << 24) + 1, 8},
                               Params{8, (1u << 31) + 1}, Params{~0u, ~0u}}) {
    EXPECT_EQ(check_params(params).error(), Error::invalid_params);
  }
  EXPECT_TRUE(check_params({.queue_size = 2, .message_size = 1}));
  EXPECT_EQ(check_params({.queue_size = 1, .message_size = 8}).failure().message,
            "queue_size is 1; it must be 2 to 16777216");
}

}  // namespace
}  // namespace zipc

/// The memory orders and fences of the handshakes between the two sides of a channel. waiting.h says what they are for.
#pragma once

#include <atomic>

// ThreadSanitizer does not model fences. Its build uses seq_cst operations in their place: the same handshake, slower.
#if defined(__SANITIZE_THREAD__)
#define ZIPC_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ZIPC_TSAN 1
#endif
#endif

namespace zipc {

#ifdef ZIPC_TSAN
inline constexpr bool kOperationsAreFences = true;  ///< who has not joined the heavy fences (waiting.h) needs none either
inline constexpr std::memory_order kOrderPublish = std::memory_order_seq_cst;  // P1, S1
inline constexpr std::memory_order kOrderObserve = std::memory_order_seq_cst;  // P3, S3
inline constexpr std::memory_order kOrderAnnounce = std::memory_order_seq_cst;
inline void full_fence() noexcept {}
inline void light_fence() noexcept {}
#else
inline constexpr bool kOperationsAreFences = false;
inline constexpr std::memory_order kOrderPublish = std::memory_order_release;  // [message-ready], [slot-free]
inline constexpr std::memory_order kOrderObserve = std::memory_order_acquire;  // their other halves
inline constexpr std::memory_order kOrderAnnounce = std::memory_order_relaxed;  // the fences of the handshake order it
inline void full_fence() noexcept { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void light_fence() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }
#endif

}  // namespace zipc

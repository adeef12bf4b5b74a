/// Named points of the handshakes at which a test can stop the process, look, and kill it or let it go on: kill_test.py.
///
/// Only with the CMake option ZIPC_TEST_POINTS; otherwise a point is nothing at all. The environment variable ZIPC_STOP_AT
/// names where to stop: "publish.before-tail", or "publish.before-tail:3" for the third time that the process comes there;
/// several are separated by commas, and each stops the process once. A name stands in the sources once.
#pragma once

#ifdef ZIPC_TEST_POINTS
namespace zipc {
/// Stops the process with SIGSTOP if it shall. May be called from any thread.
[[gnu::visibility("default")]] void reach_test_point(const char* name) noexcept;
}  // namespace zipc
#define ZIPC_TEST_POINT(name) ::zipc::reach_test_point(name)
#else
#define ZIPC_TEST_POINT(name) static_cast<void>(0)
#endif

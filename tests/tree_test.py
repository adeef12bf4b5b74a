"""Rules that no compiler sees: which layer may include what, and that every sync pair is named at both ends."""
import os
import re
import sys
import unittest

ROOT = sys.argv.pop(1)

# What a layer must not include. Headers of zipc itself are named by their folder.
FORBIDDEN = {
    "common": ["boost/asio", "yaml-cpp", "spdlog", "CLI/", "daemon/", "client/", "config/"],
    "client": ["yaml-cpp", "spdlog", "daemon/", "config/"],
    "config": ["boost/asio", "spdlog", "CLI/", "daemon/", "client/"],
    "daemon": ["yaml-cpp", "client/", "zipc.h", "zipc/zipc.hpp"],
}

# The only files that may include a header.
ONLY = {
    "yaml-cpp/": r"config/document\.cpp",
    "linux/futex.h": r"(common/waiting_futex|daemon/segments_linux)\.cpp",
    "sys/inotify.h": r"daemon/liveness_inotify\.cpp",
    "spdlog/": r"daemon/log\.cpp",
    "curses.h": r"client/ctl/screen\.cpp",
    "CLI/": r"(daemon/main|client/ctl/command_line)\.cpp",
    "systemd/": r"daemon/service_systemd\.cpp",
    "launch.h": r"daemon/service_launchd\.cpp",
    "boost/asio": r"(daemon/.*|client/zipc/asio\.hpp|client/examples/cpp/asio\.cpp)",
    "boost/interprocess": r"common/segment\.(h|cpp)",
}


def sources():
    for layer in FORBIDDEN:
        for folder, _, files in os.walk(os.path.join(ROOT, layer)):
            for file in files:
                if file.endswith((".h", ".hpp", ".cpp", ".c")):
                    path = os.path.join(folder, file)
                    with open(path, encoding="utf-8") as text:
                        yield layer, os.path.relpath(path, ROOT), text.read()


def includes(text):
    return re.findall(r'^#include [<"]([^>"]+)[>"]', text, re.M)


class Tree(unittest.TestCase):
    def test_the_layers_include_only_what_they_may(self):
        for layer, path, text in sources():
            for header in includes(text):
                for forbidden in FORBIDDEN[layer]:
                    self.assertFalse(header.startswith(forbidden), f"{path} includes {header}")

    def test_heavy_headers_stay_behind_one_file(self):
        for _, path, text in sources():
            for header in includes(text):
                for start, allowed in ONLY.items():
                    if header.startswith(start):
                        self.assertRegex(path, f"^{allowed}$", f"it includes {header}")

    def test_every_sync_pair_is_named_at_both_ends(self):
        for _, path, text in sources():
            code = "\n".join(line for line in text.splitlines() if "///" not in line)
            for name in set(re.findall(r"//.*\[([a-z]+(?:-[a-z]+)*)\]", code)):
                everywhere = sum(other.count(f"[{name}]") for _, _, other in sources())
                self.assertGreaterEqual(everywhere, 2, f"{path}: [{name}] has no other end")

    def test_every_relaxed_acquire_or_release_access_says_why(self):
        pattern = re.compile(r"memory_order_(relaxed|acquire|release|acq_rel)|kOrder(Publish|Observe|Announce)\b")
        for _, path, text in sources():
            if path in ("common/waiting.h",) or path.startswith("client/examples"):
                continue
            lines = text.splitlines()
            for number, line in enumerate(lines):
                near = "\n".join(lines[max(0, number - 6):number + 4])
                if pattern.search(line) and not line.lstrip().startswith("//"):
                    self.assertIn("//", near, f"{path}:{number + 1}: {line.strip()}")

    def test_nothing_is_left_unfinished(self):
        words = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
        for _, path, text in sources():
            self.assertNotRegex(text, words, path)


if __name__ == "__main__":
    unittest.main()

"""Two busy peers make no system call per message: counted by strace, not believed."""
import os
import re
import tempfile
import unittest

from harness import BrokerTest, run, program, shm_path, unique_name

MESSAGES = 300000
# Starting takes a few hundred; and a sender that comes first wakes nobody for each message until the queue is full.
MOST = MESSAGES // 100


class SystemCalls(BrokerTest):
    def count(self, env, *options):
        """System calls of both peers together, while they pass MESSAGES spinning."""
        name = unique_name("strace")
        with tempfile.TemporaryDirectory() as folder:
            script = (f'strace -f -c -o {folder}/receive $PEER receive {name} 1024 64 --spin --count {MESSAGES} {" ".join(options)} &'
                      f'strace -f -c -o {folder}/send $PEER send {name} 1024 64 --spin --count {MESSAGES} {" ".join(options)} && wait $!')
            code, out, err = run(["sh", "-c", script], {**env, "PEER": program("ZIPC_PEER")})
            self.assertEqual(code, 0, out + err)
            self.assertIn(f"sent {MESSAGES}", out)
            total = 0
            for side in ("send", "receive"):
                with open(f"{folder}/{side}", encoding="ascii") as file:
                    total += int(re.search(r"(\d+)\s+\d*\s*total", file.read()).group(1))
        if os.path.exists(shm_path(name)):
            os.unlink(shm_path(name))
        return total

    def test_without_a_broker(self):
        for options in ((), ("--in-place",)):
            self.assertLess(self.count({"ZIPC_BROKER": "off"}, *options), MOST)

    def test_through_the_broker(self):
        self.start_zipcd()
        for options in ((), ("--in-place",)):
            self.assertLess(self.count(self.env, *options), MOST)

    def test_a_sender_wakes_nobody_who_spins_or_polls(self):
        for way in ("spin", "poll"):
            name = unique_name("wakes")
            with tempfile.TemporaryDirectory() as folder:  # a queue this small is empty, and waited for, every few messages
                script = (f"$PEER receive {name} 16 64 --waiting {way} --count {MESSAGES} &"
                          f"strace -f -c -o {folder}/send $PEER send {name} 16 64 --spin --count {MESSAGES} && wait $!")
                code, out, err = run(["sh", "-c", script], {"ZIPC_BROKER": "off", "PEER": program("ZIPC_PEER")})
                self.assertEqual(code, 0, out + err)
                with open(f"{folder}/send", encoding="ascii") as file:
                    self.assertLess(int(re.search(r"(\d+)\s+\d*\s*total", file.read()).group(1)), MOST)
            os.unlink(shm_path(name))


if __name__ == "__main__":
    unittest.main()

"""Two busy peers make no system call per message: counted by strace, not believed."""
import os
import re
import tempfile
import unittest

from harness import BrokerTest, FdPeer, run, program, shm_path, unique_name

MESSAGES = 300000
# Starting takes a few hundred; and a sender that comes first wakes nobody for each message until the queue is full.
MOST = MESSAGES // 100


def calls_in(path):
    """The system calls that `strace -c` has counted."""
    with open(path, encoding="ascii") as file:
        return int(re.search(r"(\d+)\s+\d*\s*total", file.read()).group(1))


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
            total = calls_in(f"{folder}/send") + calls_in(f"{folder}/receive")
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
                self.assertLess(calls_in(f"{folder}/send"), MOST)
            os.unlink(shm_path(name))

    def test_beside_a_descriptor_that_nobody_polls_just_now(self):
        """A descriptor costs a message nothing until a call has found nothing."""
        slots, times = 4096, 20
        self.start_zipcd()
        name = unique_name("descriptor")
        with tempfile.TemporaryDirectory() as folder:
            def peer(role, descriptor):
                traced = FdPeer(self.env, role, name, slots, 8, under=["strace", "-f", "-c", "-o", f"{folder}/{role}"])
                self.addCleanup(traced.end)
                if descriptor:
                    self.assertEqual(traced.do("fd"), "fd")
                return traced

            for of_sender, of_receiver in ((False, True), (True, False), (True, True)):
                with self.subTest(sender=of_sender, receiver=of_receiver):
                    receiver, sender = peer("receive", of_receiver), peer("send", of_sender)
                    for _ in range(times):  # as many as there is space for, and as many as there are
                        sender.do("stream", slots - 1)
                        receiver.do("stream", slots - 1)
                    for end in (sender, receiver):
                        code, out, err = end.finish()
                        self.assertEqual(code, 0, out + err)
                    total = calls_in(f"{folder}/send") + calls_in(f"{folder}/receive")
                    self.assertLess(total, times * (slots - 1) // 100)

    def test_a_descriptor_that_is_waited_by_is_rung_once(self):
        """However many messages come before its program reacts."""
        slots = 4096
        self.start_zipcd()
        name = unique_name("ring")
        with tempfile.TemporaryDirectory() as folder:
            receiver = FdPeer(self.env, "receive", name, slots, 8)
            self.addCleanup(receiver.end)
            sender = FdPeer(self.env, "send", name, slots, 8, under=["strace", "-f", "-c", "-o", f"{folder}/send"])
            self.addCleanup(sender.end)
            self.assertEqual(receiver.do("fd"), "fd")
            for _ in range(2):
                self.assertEqual(receiver.do("try"), "empty")  # announced; and nobody polls
                self.assertEqual(receiver.do("ready"), "no")
                sender.do("stream", slots - 1)
                self.assertEqual(receiver.do("ready"), "yes")
                receiver.do("stream", slots - 1)
            code, out, err = sender.finish()
            self.assertEqual(code, 0, out + err)
            self.assertLess(calls_in(f"{folder}/send"), slots // 16)  # mostly of its start

    def test_a_role_whose_end_zipcd_sees_is_not_released_by_a_call(self):
        self.start_zipcd()
        with tempfile.TemporaryDirectory() as folder:
            peer = FdPeer(self.env, "send", unique_name("release"), 8,
                          under=["strace", "-e", "sendto", "-s", "300", "-o", f"{folder}/sent"])
            self.addCleanup(peer.end)
            self.assertEqual(peer.do("leave"), "left")
            peer.finish()
            with open(f"{folder}/sent", encoding="ascii") as file:
                sent = file.read()
            self.assertIn("io.zipc.Broker.Acquire", sent)
            self.assertNotIn("io.zipc.Broker.Release", sent)


if __name__ == "__main__":
    unittest.main()

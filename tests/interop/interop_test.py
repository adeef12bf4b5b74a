"""zipc at one end, an existing peer at the other: both kinds, both directions, both start orders, odd sizes too."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "system"))
from harness import Process, eventually, program, shm_path, unique_name  # noqa: E402

SIZES = [(2, 8), (7, 13), (8, 1536), (64, 1024), (16, 1000), (3, 9), (5, 4093)]
COUNT = 5000


class Interop(unittest.TestCase):
    def setUp(self):
        self.env = {"ZIPC_BROKER": "off"}

    def start(self, kind, action, name, sizes, *more, **options):
        if kind == "zipc":
            arguments = [program("ZIPC_PEER"), action, name, *map(str, sizes), *more]
        else:
            arguments = [program("OLD_PEER"), "--variant", kind, action, name, *map(str, sizes), "--timeout-ms", "60000", *more]
        process = Process(arguments, self.env, **options)
        self.addCleanup(process.end)
        return process

    def new_name(self, what):
        name = unique_name(what)
        self.addCleanup(lambda: os.path.exists(shm_path(name)) and os.unlink(shm_path(name)))
        return name

    def exchange(self, sender_kind, receiver_kind, sizes, receiver_first):
        name = self.new_name("interop")
        roles = [(sender_kind, "send"), (receiver_kind, "receive")]
        if receiver_first:
            roles.reverse()
        processes = []
        for kind, action in roles:
            processes.append(self.start(kind, action, name, sizes, "--count", str(COUNT)))
            eventually(lambda: os.path.exists(shm_path(name)) and os.path.getsize(shm_path(name)) > 0, "the segment exists")
        for process in processes:
            process.check()

    def test_every_pairing_carries_every_message(self):
        for kind in ("older", "newest"):
            for sizes in SIZES:
                for pair in ((kind, "zipc"), ("zipc", kind)):
                    for receiver_first in (False, True):
                        with self.subTest(sender=pair[0], receiver=pair[1], sizes=sizes, receiver_first=receiver_first):
                            self.exchange(*pair, sizes, receiver_first)

    def test_a_zipc_peer_may_be_replaced_by_an_existing_one_and_the_other_way_round(self):
        for kind in ("older", "newest"):
            with self.subTest(kind=kind):
                name = self.new_name("replaced")
                sender = self.start("zipc", "send", name, (16, 64), "--count", "4000")
                for i, receiver in enumerate(("zipc", kind, "zipc", kind)):
                    self.start(receiver, "receive", name, (16, 64), "--first", str(i * 1000), "--count", "1000").check()
                sender.check()
                receiver = self.start("zipc", "receive", name, (16, 64), "--first", "0", "--count", "4000")
                for i, sender in enumerate((kind, "zipc", kind, "zipc")):
                    self.start(sender, "send", name, (16, 64), "--first", str(i * 1000), "--count", "1000").check()
                receiver.check()

    def test_a_zipc_sender_that_follows_an_existing_one_sees_what_that_one_has_sent(self):
        # What the zipc sender before them knew of the queue is out of date.
        name = self.new_name("full")
        receiver = self.start("zipc", "receive", name, (4, 64), "--count", "5", "--paced", stdin=subprocess.PIPE)
        self.start("zipc", "send", name, (4, 64), "--count", "1").check()
        receiver.popen.stdin.write("x")
        receiver.popen.stdin.flush()
        eventually(lambda: self.word(name, 0) == 1, "the first message is received")
        self.start("newest", "send", name, (4, 64), "--first", "1", "--count", "3").check()
        sender = self.start("zipc", "send", name, (4, 64), "--first", "4", "--count", "1")
        eventually(lambda: self.word(name, 4) != 0 or sender.popen.poll() is not None, "the sender waits, or has sent")
        receiver.popen.stdin.write("xxxx")
        receiver.popen.stdin.flush()
        sender.check()
        receiver.check()

    def test_an_existing_receiver_that_follows_a_killed_zipc_receiver_is_woken(self):
        # The killed one had announced that it says when it sleeps; its successor never does.
        name = self.new_name("successor")
        first = self.start("zipc", "receive", name, (16, 64), "--count", "1000000", "--announce")
        first.wait_line("attached")
        first.end()
        receiver = self.start("older", "receive", name, (16, 64), "--count", "200")
        eventually(lambda: os.path.getsize(shm_path(name)) == 260 + 8 * 16 + 16 * 64, "the existing receiver has attached")
        self.start("zipc", "send", name, (16, 64), "--count", "200").check()
        receiver.check()

    def test_a_sender_that_waits_for_space_goes_on_when_an_existing_receiver_follows_a_killed_one(self):
        # It sleeps until it is woken, and an existing receiver never wakes a sender.
        name = self.new_name("blocked")
        first = self.start("zipc", "receive", name, (4, 64), "--count", "1", "--hold", "--announce", stdin=subprocess.PIPE)
        first.wait_line("attached")
        sender = self.start("zipc", "send", name, (4, 64), "--count", "100")
        first.wait_line("received")
        eventually(lambda: self.word(name, 4) != 0, "the sender has announced that it sleeps")
        first.end()
        self.start("older", "receive", name, (4, 64), "--first", "1", "--count", "99").check()
        sender.check()

    @staticmethod
    def word(name, offset):
        with open(shm_path(name), "rb") as file:
            file.seek(offset)
            return int.from_bytes(file.read(4), "little")

    def test_other_sizes_are_refused_without_harm_to_the_existing_peer(self):
        name = self.new_name("sizes")
        receiver = self.start("older", "receive", name, (8, 64), "--count", "10")
        eventually(lambda: os.path.exists(shm_path(name)) and os.path.getsize(shm_path(name)) > 0, "the segment exists")
        code, _, err = self.start("zipc", "send", name, (16, 64)).finish()
        self.assertEqual(code, 11, err)
        self.start("zipc", "send", name, (8, 64), "--count", "10").check()
        receiver.check()


if __name__ == "__main__":
    unittest.main()

"""Moves and successions where something is missing: memory, descriptors, a common view of files and processes."""
import os
import resource
import signal
import struct
import subprocess
import unittest

from harness import BrokerTest, Process, eventually, program, unique_name

CONFIG = """
dynamic: {names: ["/zs.*"], linger: 1h}
limits: {total_size: 64MiB, channel_size: 16MiB}
"""
FENCED = 27


def limit_descriptors(pid, most):
    """Returns what undoes it."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, before[1]))
    return lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


class Adversity(BrokerTest):
    config = CONFIG

    def setUp(self):
        super().setUp()
        self.name = unique_name()

    def stream(self, peer, count=10 ** 9):
        receiver = peer("receive", self.name, 16, 64, "--count", count, "--announce", "--tell")
        receiver.wait_line("attached")
        sender = peer("send", self.name, 16, 64, "--count", count, "--announce", "--tell")
        sender.wait_line("attached")
        self.await_traffic()
        return sender, receiver

    def await_traffic(self):
        before = self.channel(self.name)["received"]
        eventually(lambda: self.channel(self.name)["received"] > before + 1000, "messages flow")

    def resize(self, queue_size, message_size=64):
        return self.connect().broker("Resize", name=self.name,
                                     params={"queue_size": queue_size, "message_size": message_size})


class NoDescriptors(Adversity):
    @unittest.skipIf(os.environ.get("ZIPC_TEST_IS_SANITIZED"), "the sanitizer takes a pointer for wrong without descriptors")
    def test_in_zipcd_is_an_answer_and_the_channel_goes_on(self):
        self.start_zipcd()
        sender, receiver = self.stream(self.peer)
        operator = self.connect()
        operator.broker("Ping")
        open_now = max(int(fd) for fd in os.listdir(f"/proc/{self.zipcd.pid}/fd"))
        for spare in range(6):
            relax = limit_descriptors(self.zipcd.pid, open_now + 1 + spare)
            error, reply = operator.broker("Resize", name=self.name,
                                           params={"queue_size": 32 + spare, "message_size": 64})
            relax()
            if error is not None:
                self.assertIn(error, ("io.zipc.Broker.SystemError", "io.zipc.Broker.LimitReached"), reply)
            self.await_traffic()
        self.assertIsNone(self.resize(64)[0])
        self.await_traffic()
        self.assertEqual(operator.broker("Check")[1]["findings"], [])
        self.assertIsNone(sender.popen.poll())
        self.assertIsNone(receiver.popen.poll())

    def test_in_a_client_that_is_to_follow_is_an_error_and_a_successor_goes_on(self):
        self.start_zipcd()
        receiver = self.peer("receive", self.name, 16, 64, "--count", 10, "--announce")
        receiver.wait_line("attached")
        sender = self.peer("send", self.name, 0, 0, "--count", 5, "--paced", stdin=subprocess.PIPE)
        sender.popen.stdin.write("x")
        sender.popen.stdin.flush()
        sender.wait_line("1")
        limit_descriptors(sender.pid, 4)  # its standard streams and its connection
        self.assertIsNone(self.resize(8)[0])
        sender.popen.stdin.write("x")
        sender.popen.stdin.flush()
        code, _, err = sender.finish()
        self.assertNotIn(code, (0, -signal.SIGSEGV, -signal.SIGABRT))
        self.assertNotEqual(code, FENCED, err)
        self.peer("send", self.name, 0, 0, "--first", 1, "--count", 9).check()
        receiver.check()


@unittest.skipUnless(os.geteuid() == 0, "needs root, for namespaces")
class FullSharedMemory(Adversity):
    def test_refuses_a_move_and_the_channel_goes_on(self):
        arguments = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                     'mount -t tmpfs -o size=64k small /dev/shm && exec "$@"', "sh",
                     program("ZIPCD"), "--config", self.config_path, "--socket", self.socket_path]
        self.zipcd = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
        self.log_path = os.devnull
        self.await_zipcd()
        sender, receiver = self.stream(self.peer)
        for _ in range(3):
            error, reply = self.resize(64, 1024)
            self.assertEqual(error, "io.zipc.Broker.OutOfMemory", reply)
            self.await_traffic()
        self.assertIsNone(self.resize(32)[0])
        self.await_traffic()
        error, reply = self.connect().broker("Revoke", name=self.name, role="sender")
        self.assertIsNone(error, reply)
        self.assertEqual(sender.finish()[0], FENCED)
        self.assertEqual(self.connect().broker("Check")[1]["findings"], [])
        self.assertIsNone(receiver.popen.poll())


@unittest.skipUnless(os.geteuid() == 0, "needs root, for namespaces")
class Strangers(Adversity):
    """Clients that share nothing with zipcd but the socket: no /dev/shm, no process numbers."""

    def stranger(self, program_name, *arguments, **options):
        process = Process(["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL",
                           "sh", "-c", 'mount -t tmpfs none /dev/shm && mount -t proc proc /proc && exec "$@"', "sh",
                           program(program_name), *map(str, arguments)], self.env, **options)
        self.addCleanup(process.end)
        return process

    def successor(self, role):
        """Goes on where the header says. Returns the process, and what tells how often its peer has gone."""
        record = os.path.join(self.folder, f"record.{len(os.listdir(self.folder))}")
        with open(record, "wb") as file:
            file.truncate(4096)
        process = self.stranger("STORM_PEER", role, self.name, 16, 64, 64, 0, record)

        def departures():
            self.assertIsNone(process.popen.poll(), role)
            with open(record, "rb") as file:
                return struct.unpack("<4Q", file.read(32))[3]
        return process, departures

    def test_that_are_killed_are_succeeded(self):
        self.start_zipcd()
        receiver, receiver_is_told = self.successor("receive")
        sender, sender_is_told = self.successor("send")
        eventually(lambda: self.channel(self.name) is not None, "the channel is there")
        for _ in range(5):
            self.await_traffic()
            before = receiver_is_told()
            sender.end()
            eventually(lambda: receiver_is_told() > before, "the receiver is told")
            sender, sender_is_told = self.successor("send")
            self.await_traffic()
            before = sender_is_told()
            receiver.end()
            eventually(lambda: sender_is_told() > before, "the sender is told")
            receiver, receiver_is_told = self.successor("receive")
        self.await_traffic()  # who is killed before it has told unshare's child whom to follow leaves that child behind

    def test_follow_moves_also_of_the_next_zipcd(self):
        self.start_zipcd()
        sender, receiver = self.stream(lambda *arguments: self.stranger("ZIPC_PEER", *arguments))
        self.assertIsNone(self.resize(32)[0])
        self.await_traffic()
        self.stop_zipcd(signal.SIGKILL)
        self.start_zipcd()
        self.assertIsNone(self.resize(64)[0])
        self.await_traffic()
        self.assertIsNone(sender.popen.poll())
        self.assertIsNone(receiver.popen.poll())


if __name__ == "__main__":
    unittest.main()

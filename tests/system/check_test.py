"""Check finds every difference between zipcd's registry and the machine that can be brought about, mends what can be
mended, and finds nothing where nothing is wrong."""
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import unittest

from harness import BrokerTest, as_another_user, eventually, shm_path, unique_name

LOCKS = 0x7A69706300000000  # where the locks of a segment are: the sender's, then the receiver's
SIZES = {"queue_size": 8, "message_size": 64}


def lock(fd, kind, role):
    """Sets or drops the lock of a role on the open file description of fd."""
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK,
                struct.pack("hhqqi4x", kind, os.SEEK_SET, LOCKS + ("sender", "receiver").index(role), 1, 0))


class CheckTest(BrokerTest):
    config = "defaults: {queue_size: 8, message_size: 64, linger: 0}\n"

    def setUp(self):
        super().setUp()
        self.start_zipcd()
        self.client = self.connect()

    def check(self, repair=False):
        error, reply = self.client.broker("Check", repair=repair)
        self.assertIsNone(error, reply)
        return reply["findings"]

    def create(self):
        name = unique_name()
        self.assertIsNone(self.client.broker("Create", name=name, params=SIZES)[0])
        return name

    def acquire(self, name, role):
        """A descriptor that holds the role."""
        error, reply = self.client.broker("Acquire", name=name, role=role)
        self.assertIsNone(error, reply)
        return self.client.fds.pop()

    def finds(self, kind, subject, mended=True):
        """One finding, of this kind, which is found again until it is mended."""
        for repair in (False, True):
            found = self.check(repair)
            self.assertEqual([(finding["kind"], finding["subject"], finding["repaired"]) for finding in found],
                             [(kind, subject, repair and mended)])
            self.assertIn(subject, found[0]["message"])
        if mended:
            self.assertEqual(self.check(), [])

    def is_usable(self, name):
        fds = [self.acquire(name, role) for role in ("sender", "receiver")]  # one alone would be the last, and it reaped
        for fd in fds:
            os.close(fd)


class Damage(CheckTest):
    def test_an_orphan_that_nobody_has_used_is_removed(self):
        name, copy = self.create(), unique_name()
        shutil.copyfile(shm_path(name), shm_path(copy))
        self.finds("orphan", copy)
        self.assertFalse(os.path.exists(shm_path(copy)))
        self.assertIsNotNone(self.channel(name))

    def begin(self, name, size):
        """Leaves what this zipcd leaves if it is killed while it makes this channel's segment; returns its name."""
        number = 2166136261  # FNV-1a
        for byte in f"{os.geteuid()}:{self.socket_path}".encode():
            number = (number ^ byte) * 16777619 % 2 ** 32
        with open(shm_path(f"{name} new {number}"), "wb") as file:
            file.truncate(size)
        return f"{name} new {number}"

    def test_a_segment_that_was_not_finished_is_removed(self):
        left = self.begin(unique_name(), 12345)
        self.finds("orphan", left)
        self.assertFalse(os.path.exists(shm_path(left)))

    def test_a_segment_that_was_not_finished_is_in_nobodys_way(self):
        for size in (0, 12345):
            name = unique_name()
            left = self.begin(name, size)
            self.assertIsNone(self.client.broker("Create", name=name, params=SIZES)[0])
            self.is_usable(name)
            self.assertFalse(os.path.exists(shm_path(left)))

    def test_a_segment_that_was_not_finished_is_removed_by_the_next_zipcd(self):
        left = self.begin(unique_name(), 12345)
        self.stop_zipcd(signal.SIGKILL)
        self.start_zipcd()
        self.assertFalse(os.path.exists(shm_path(left)))

    def test_what_another_zipcd_is_making_is_left_alone(self):
        name = unique_name() + " new 1"
        with open(shm_path(name), "wb"):
            self.assertEqual(self.check(repair=True), [])
        os.unlink(shm_path(name))

    def test_an_orphan_that_was_in_use_is_taken_up_and_reaped(self):
        name, copy = unique_name(), unique_name()
        self.client.broker("Create", name=name, params=SIZES, linger_ms=-1)
        self.peer("send", name, 0, 0, "--count", 3).check()
        shutil.copyfile(shm_path(name), shm_path(copy))
        self.finds("orphan", copy)
        self.assertEqual(self.channel(copy)["depth"], 3)
        self.client.broker("Remove", name=copy)

    def test_an_orphan_that_somebody_has_open_is_taken_up(self):
        name, copy = self.create(), unique_name()
        shutil.copyfile(shm_path(name), shm_path(copy))
        with open(shm_path(copy), "r+b") as held:
            lock(held.fileno(), fcntl.F_WRLCK, "sender")
            self.finds("orphan", copy)
            self.assertIsNotNone(self.channel(copy)["sender"])
        eventually(lambda: self.channel(copy) is None, "it is reaped when that one has gone")

    def test_a_file_that_has_gone_is_made_anew(self):
        name = self.create()
        os.unlink(shm_path(name))
        self.finds("missing", name)
        self.is_usable(name)

    def test_a_file_that_has_gone_stays_so_while_somebody_uses_it(self):
        name = self.create()
        fd = self.acquire(name, "sender")
        os.unlink(shm_path(name))
        self.finds("missing", name, mended=False)
        os.close(fd)

    def test_another_file_in_its_place_is_taken_if_it_fits(self):
        name = self.create()
        shutil.copyfile(shm_path(name), shm_path(name) + ".new")
        os.rename(shm_path(name) + ".new", shm_path(name))
        self.finds("other_file", name)
        self.is_usable(name)

    def test_another_file_in_its_place_is_left_alone_if_it_does_not_fit(self):
        name = self.create()
        os.unlink(shm_path(name))
        with open(shm_path(name), "wb") as file:
            file.write(b"precious")
        self.finds("other_file", name, mended=False)
        with open(shm_path(name), "rb") as file:
            self.assertEqual(file.read(), b"precious")

    def test_a_file_that_was_cut_short_behind_its_messages_gets_its_size_back(self):
        name = self.create()
        fd = self.acquire(name, "sender")
        size = os.path.getsize(shm_path(name))
        os.truncate(shm_path(name), size - 1)
        self.finds("wrong_size", name)
        self.assertEqual(os.path.getsize(shm_path(name)), size)
        os.close(fd)

    def test_a_file_that_was_cut_short_is_made_anew(self):
        for size in (0, 100, 200):
            name = self.create()
            before = os.stat(shm_path(name))
            os.truncate(shm_path(name), size)
            self.finds("wrong_size", name)
            self.assertEqual(os.path.getsize(shm_path(name)), before.st_size)
            self.is_usable(name)

    def test_a_size_that_an_existing_peer_has_set_is_right(self):
        name = self.create()
        os.truncate(shm_path(name), os.path.getsize(shm_path(name)) - 4)
        self.assertEqual(self.check(), [])

    def test_a_damaged_header_is_made_anew(self):
        name = self.create()
        with open(shm_path(name), "r+b") as file:
            file.write(b"\xff" * 128)
        self.finds("other_file", name)
        self.is_usable(name)

    def test_a_damaged_file_stays_while_somebody_has_it_open(self):
        name = self.create()
        with open(shm_path(name), "r+b") as file:
            file.write(b"\xff" * 128)
            file.flush()
            self.finds("other_file", name, mended=False)

    def test_a_lock_without_a_lease_gets_one(self):
        for role in ("sender", "receiver"):
            name = self.create()
            with open(shm_path(name), "r+b") as file:
                lock(file.fileno(), fcntl.F_WRLCK, role)
                self.finds("unleased_holder", name)
                self.assertIsNotNone(self.channel(name)[role])
            eventually(lambda: self.channel(name) is None, "it is reaped")

    def test_a_lease_without_its_lock_ends(self):
        name = unique_name()
        self.client.broker("Create", name=name, params=SIZES, linger_ms=-1)
        for role in ("sender", "receiver"):
            fd = self.acquire(name, role)
            lock(fd, fcntl.F_UNLCK, role)
            self.finds("leftover", name)
            self.assertIsNone(self.channel(name)[role])
            os.close(fd)
        self.client.broker("Remove", name=name)

    def test_each_is_found_among_others(self):
        names = [self.create() for _ in range(4)]
        os.unlink(shm_path(names[1]))
        os.truncate(shm_path(names[3]), 0)
        found = {finding["subject"]: finding["kind"] for finding in self.check(repair=True)}
        self.assertEqual(found, {names[1]: "missing", names[3]: "wrong_size"})
        self.assertEqual(self.check(), [])


class WithoutMemory(CheckTest):
    """A channel of the configuration whose name somebody else's file has, as it is before that file is removed and after."""

    NAME = unique_name("provisioned")
    config = CheckTest.config + f"channels: [{{name: {NAME}}}]\n"

    def setUp(self):
        with open(shm_path(self.NAME), "wb") as file:
            file.write(b"precious")
        super().setUp()

    def test_is_found_until_the_file_has_gone_and_a_repair_makes_it(self):
        self.finds("missing", self.NAME, mended=False)
        self.assertIn("exists already", self.check()[0]["message"])
        os.unlink(shm_path(self.NAME))
        self.finds("missing", self.NAME)
        self.is_usable(self.NAME)
        self.assertEqual(self.channel(self.NAME)["generation"], 1)

    def test_is_shown_with_the_reason(self):
        channel = self.channel(self.NAME)
        self.assertIn("exists already", channel["no_memory"])
        self.assertEqual((channel["bytes"], channel["generation"]), (0, 0))
        for command, expected in (("list", "no memory"), ("get", "none: a segment"),
                                  ("explain", f"It has no memory: a segment {self.NAME} exists already")):
            _, out, _ = self.ctl(command, *([] if command == "list" else [self.NAME]))
            self.assertIn(expected, out)
        self.assertEqual(self.client.broker("Acquire", name=self.NAME, role="sender")[0], "io.zipc.Broker.ForeignSegment")

    def test_is_not_left_for_the_next_run(self):
        self.stop_zipcd()
        self.assertIn("0 segments removed, 0 channels left for the next run", self.log())

    def test_counts_in_the_status(self):
        path = os.path.join(self.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            self.stop_zipcd()
            self.start_zipcd(env={**os.environ, "NOTIFY_SOCKET": path})
            notify.setblocking(False)  # it has told before it answers
            text = ""
            with contextlib.suppress(BlockingIOError):
                while True:
                    text += notify.recv(4096).decode()
        if not text:
            self.skipTest("built without libsystemd")
        self.assertIn("STATUS=1 channel, 1 of them without memory, ", text)


@as_another_user
class MemoryOfAnotherUser(BrokerTest):
    def test_is_said_to_be_in_the_way(self):
        name = unique_name("theirs")
        self.write_config(f"channels: [{{name: {name}}}]\n")
        with open(shm_path(name), "wb", opener=lambda path, flags: os.open(path, flags, 0o600)):
            pass
        os.chown(self.folder, 65534, 65534)
        self.start_zipcd(user=65534, group=65534, extra_groups=[])
        self.assertIn("zipcd may not open it", self.channel(name)["no_memory"])
        code, _, err = self.ctl("send", name)
        self.assertEqual(code, 20, err)
        self.assertIn("exists already, and zipcd may not open it\nhint: ", err)


class NothingWrong(CheckTest):
    def history(self):
        """All that holders do, and everything that happens to them."""
        names = [unique_name() for _ in range(4)]
        for name in names:
            self.client.broker("Create", name=name, params=SIZES)
        for round_number in range(5):
            for name in names:
                sender = self.peer("send", name, 8, 64, "--count", 3, "--hold", stdin=subprocess.PIPE)
                sender.wait_line("sent")
                self.assertEqual(self.check(), [])
                self.peer("receive", name, 8, 64, "--count", 3).check()
                if round_number % 2:
                    sender.end(signal.SIGKILL)
                else:
                    sender.check()
                self.assertEqual(self.check(), [], "also before zipcd has heard of it")
        return names

    def test_is_found_in_a_busy_history(self):
        watcher = self.connect()
        watcher.send("io.zipc.Broker.Watch", more=True)
        self.history()
        self.write_config(self.config + f"channels: [{{name: {unique_name()}}}]\n")
        self.zipcd.send_signal(signal.SIGHUP)
        for _ in range(50):
            self.connect().broker("List")
            self.assertEqual(self.check(), [])

    def test_is_found_while_connections_come_and_go(self):
        others = [self.connect() for _ in range(20)]
        for other in others:
            other.send("io.zipc.Broker.Watch", more=True)
        self.assertEqual(self.check(), [])
        for other in others:
            other.close()
            self.assertEqual(self.check(), [])

    def test_is_found_when_a_lease_outlives_its_connection(self):
        name = self.create()
        other = self.connect()
        self.assertIsNone(other.broker("Acquire", name=name, role="sender")[0])
        fd = other.fds.pop()
        other.close()
        self.assertEqual(self.check(), [])
        os.close(fd)
        self.assertEqual(self.check(), [])

    def test_is_found_by_a_zipcd_that_takes_over_from_a_killed_one(self):
        names = self.history()
        holder = self.peer("send", names[0], 8, 64, "--count", 5, "--hold", stdin=subprocess.PIPE)
        holder.wait_line("sent")
        self.stop_zipcd(signal.SIGKILL)
        self.start_zipcd()
        self.client = self.connect()
        self.assertEqual(self.check(), [])
        self.assertEqual(self.channel(names[0])["sender"]["pid"], holder.pid)
        holder.end(signal.SIGKILL)
        self.assertEqual(self.check(), [])


@as_another_user
class OtherUsers(CheckTest):
    config = "socket: {mode: 0666}\n"

    def test_may_not_check(self):
        here = os.path.dirname(os.path.abspath(__file__))
        script = f"import sys; sys.path.insert(0, {here!r})\n" + f"""
from harness import Varlink
error, reply = Varlink({self.socket_path!r}).broker("Check", repair=True)
print(error, reply["rule"])"""
        out = subprocess.run(["python3", "-c", script], user=65534, group=65534, extra_groups=[], capture_output=True,
                             text=True, check=True).stdout
        self.assertEqual(out, "io.zipc.Broker.PermissionDenied only the broker's user and root may check it\n")


if __name__ == "__main__":
    unittest.main()

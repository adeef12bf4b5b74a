"""Files that other users put where zipcd looks for its own: their headers say whatever they like."""
import contextlib
import fcntl
import os
import struct
import unittest

from harness import BrokerTest, as_another_user, shm_path, unique_name

FOREIGN = "io.zipc.Broker.ForeignSegment"
OWNER = 1000
STRANGER = 65534
PARAMS = {"queue_size": 8, "message_size": 64}
# The header: common/layout.hpp.
HEADER_SIZE = 128
QUEUE_SIZE, MESSAGE_SIZE, GENERATION, OWNER_UID = 36, 40, 44, 116
OFD_SETLK = 37
RECEIVER_LOCK = 0x7A69706300000001


@contextlib.contextmanager
def acting_as(uid):
    before = os.umask(0)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.umask(before)


class ForeignFiles(BrokerTest):
    uid = 0  # of zipcd

    def setUp(self):
        super().setUp()
        os.chown(self.folder, self.uid, self.uid)
        self.name = unique_name("private")
        self.configure("")

    def configure(self, channels):
        self.write_config("socket: {mode: 0666}\nlimits: {channels_per_user: 3}\ndynamic: {mode: 0666, linger: 1h}\n"
                          f"channels: [{channels}]\n")

    def private(self):
        return f'{{name: {self.name}, queue_size: 8, message_size: 64, mode: 0600, owner: "{OWNER}"}}'

    def start(self, channels=None):
        if channels is not None:
            self.configure(channels)
        self.start_zipcd(user=self.uid, group=self.uid, extra_groups=[])

    def kill(self):
        self.zipcd.kill()
        self.zipcd.wait()

    def header_of_zipcds(self):
        """What zipcd writes into the file of a channel."""
        name = unique_name("like")
        self.start("")
        self.assertIsNone(self.connect().broker("Create", name=name, params=PARAMS)[0])
        with open(shm_path(name), "rb") as file:
            header = bytearray(file.read(HEADER_SIZE))
            self.size = os.fstat(file.fileno()).st_size
        self.assertIsNone(self.connect().broker("Remove", name=name)[0])
        self.stop_zipcd()
        return header

    def forge(self, file, header, size=None, **fields):
        """Returns a descriptor that its maker keeps."""
        header = bytearray(header)
        for field, number in {"OWNER_UID": STRANGER, **fields}.items():
            struct.pack_into("<I", header, globals()[field], number)
        with acting_as(STRANGER):
            fd = os.open(shm_path(file), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            os.write(fd, header)
            if size is None:
                os.posix_fallocate(fd, 0, self.size)
            else:
                os.truncate(fd, size)
        self.addCleanup(os.close, fd)
        return fd

    def acquire(self):
        client = self.connect()
        error, _ = client.broker("Acquire", name=self.name, role="receiver")
        client.close()
        return error


@as_another_user
class OfRoot(ForeignFiles):
    def test_are_not_the_memory_of_somebody_elses_channel(self):
        fd = self.forge(self.name, self.header_of_zipcds())
        self.start(self.private())
        self.assertEqual(self.acquire(), FOREIGN)
        self.assertEqual(os.fstat(fd).st_uid, STRANGER, "it was not given away")
        self.assertIn(f"{self.name} exists already, and belongs to user {STRANGER}", self.log())
        os.unlink(shm_path(self.name))
        self.assertIsNone(self.acquire())
        self.assertNotEqual(os.stat(shm_path(self.name)).st_ino, os.fstat(fd).st_ino)

    def test_are_not_the_memory_that_somebody_elses_channel_has_left(self):
        header = self.header_of_zipcds()
        self.start(self.private())
        self.assertIsNone(self.acquire(), "and with it, that it lingers")
        self.kill()
        former = self.name + " 7"
        fd = self.forge(former, header, GENERATION=7)
        fcntl.fcntl(fd, OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, RECEIVER_LOCK, 1, 0))
        self.start()
        self.assertIsNone(self.acquire())
        self.assertTrue(os.path.exists(shm_path(former)))

    def test_are_not_memory_under_another_name(self):
        public = unique_name("public")
        self.start("")
        self.assertIsNone(self.connect().broker("Create", name=public, params=PARAMS)[0])
        self.kill()
        os.link(shm_path(public), shm_path(self.name))
        self.start(self.private())
        self.assertEqual(self.acquire(), FOREIGN)

    def test_are_not_memory_that_was_removed_under_its_own_name(self):
        public = unique_name("public")
        self.start("")
        self.assertIsNone(self.connect().broker("Create", name=public, params=PARAMS)[0])
        os.link(shm_path(public), shm_path(self.name))
        self.assertIsNone(self.connect().broker("Remove", name=public)[0])
        self.kill()
        self.start(self.private())
        self.assertEqual(self.acquire(), FOREIGN)

    def test_a_channel_that_somebody_has_made_is_not_given_to_somebody_else(self):
        self.start("")
        with acting_as(STRANGER):
            client = self.connect()
        self.assertIsNone(client.broker("Create", name=self.name, params=PARAMS)[0])
        before = os.stat(shm_path(self.name))
        self.configure(self.private())
        with open(self.config_path, encoding="utf-8") as file:
            error, reply = self.connect().broker("Apply", config=file.read(), file=self.config_path)
        self.assertEqual(error, FOREIGN, reply)
        self.assertEqual(os.stat(shm_path(self.name)).st_uid, before.st_uid)
        self.assertFalse(self.channel(self.name)["provisioned"])

    def test_that_say_they_are_huge_use_up_no_limit(self):
        header = self.header_of_zipcds()
        self.forge(self.name, header, size=1 << 56, QUEUE_SIZE=1 << 24, MESSAGE_SIZE=1 << 31)
        self.start()
        self.assertIsNone(self.channel(self.name))
        late = unique_name("late")
        self.forge(late, header, size=1 << 56, QUEUE_SIZE=1 << 24, MESSAGE_SIZE=1 << 31)
        self.assertIsNone(self.channel(late))
        self.assertIsNone(self.connect().broker("Create", name=unique_name(), params=PARAMS)[0])

    def test_are_no_more_channels_than_their_owner_may_have(self):
        header = self.header_of_zipcds()
        names = [unique_name() for _ in range(5)]
        for name in names[:2]:
            self.forge(name, header)
        self.start()
        for name in names[2:]:
            self.forge(name, header)
        self.assertLessEqual(sum(self.channel(name) is not None for name in names), 3)
        self.assertIsNone(self.connect().broker("Create", name=unique_name(), params=PARAMS)[0], "of another user")

    def test_a_channel_takes_what_it_was_made_with_whatever_its_holder_writes(self):
        self.start("")
        with acting_as(STRANGER):
            client = self.connect()
        self.assertIsNone(client.broker("Acquire", name=self.name, role="receiver", params=PARAMS)[0])
        os.pwrite(client.fds[0], struct.pack("<2I", 1 << 24, 4096), QUEUE_SIZE)
        os.truncate(client.fds[0], 1 << 40)
        error, reply = client.broker("Resize", name=self.name, params={"queue_size": 16, "message_size": 64})
        self.assertEqual(error, "io.zipc.Broker.Corrupt", reply)
        self.assertIsNone(self.connect().broker("Create", name=unique_name(), params=PARAMS)[0])


class OfAnotherUser(OfRoot):
    """As the unit runs it."""
    uid = 1234


if __name__ == "__main__":
    unittest.main()

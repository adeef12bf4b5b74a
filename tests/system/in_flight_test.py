"""Descriptors that are sent, and not read yet: the kernel counts them against zipcd's user, so a client may not pile them up."""
import fcntl
import os
import resource
import socket
import struct
import subprocess
import termios
import unittest

from harness import BrokerTest, Process, as_another_user, eventually, unique_name

BROKER = "io.zipc.Broker."
SIZES = {"queue_size": 2, "message_size": 8}


def unread(client):
    """Bytes that have been sent to a client, and that it has not read."""
    return struct.unpack("i", fcntl.ioctl(client.socket, termios.FIONREAD, b"\0" * 4))[0]


class InFlight(BrokerTest):
    config = 'dynamic: {names: ["/zs.*"], mode: 0666}\n'

    def setUp(self):
        super().setUp()
        self.name = unique_name()

    def holder(self):
        """A connection of a process that has a role, so that it may ask for doorbells."""
        client = self.connect()
        error, reply = client.broker("Acquire", name=self.name, role="sender", params=SIZES)
        self.assertIsNone(error, reply)
        return client

    def ask(self, client, times=1):
        for _ in range(times):
            client.send(BROKER + "GetDoorbell", {"name": self.name, "role": "sender"})


class OneConnection(InFlight):
    def test_is_not_sent_a_descriptor_before_it_has_read_the_last(self):
        self.start_zipcd()
        client, other = self.holder(), self.connect()
        self.ask(client)
        eventually(lambda: unread(client) > 0, "it is answered")
        one_reply = unread(client)
        self.ask(client, 49)
        for _ in range(100):  # as many turns at least
            self.assertIsNone(other.broker("Ping")[0])
        self.assertEqual(unread(client), one_reply)
        for sent in range(len(client.fds), len(client.fds) + 50):
            self.assertEqual(len(client.fds), sent)
            self.assertNotIn("error", client.receive())
        self.assertEqual(len(client.fds), sent + 1)

    def test_that_does_not_read_goes_with_its_process(self):
        self.start_zipcd()
        client, other = self.holder(), self.connect()
        self.ask(client, 50)
        eventually(lambda: unread(client) > 0, "it is answered")
        before = other.broker("Ping")[1]["connections"]
        client.close()
        eventually(lambda: other.broker("Ping")[1]["connections"] == before - 1, "it is gone")

    def test_that_does_not_read_does_not_keep_zipcd_from_ending(self):
        self.start_zipcd()
        client = self.holder()
        self.ask(client, 50)
        eventually(lambda: unread(client) > 0, "it is answered")
        self.assertEqual(self.stop_zipcd(), 0)


class ManyConnections(InFlight):
    config = InFlight.config + "limits: {connections_per_user: 8}\n"

    def test_count_until_their_descriptors_are_read(self):
        self.start_zipcd()
        kept = [self.holder()]
        while len(kept) < 8:
            client = self.connect()
            self.ask(client)
            eventually(lambda c=client: unread(c) > 0, "it is answered")
            client.socket.shutdown(socket.SHUT_WR)  # zipcd has no more to do for it
            kept.append(client)
        refused = self.connect()
        self.assertEqual(refused.receive()["error"], BROKER + "LimitReached")
        while kept[-1].receive() is not None:
            pass
        eventually(self.is_served, "there is a place again")

    def is_served(self):
        client = self.connect()
        try:
            client.send(BROKER + "Ping")
            return "error" not in client.receive()
        except OSError:  # sent away before it has asked
            return False
        finally:
            client.close()


@as_another_user
class Unprivileged(InFlight):
    """A zipcd that the kernel does not let send as many descriptors as it likes."""

    uid = 64321
    most = 512

    def start_zipcd(self, *arguments, **options):
        os.chown(self.folder, self.uid, self.uid)
        limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (self.most, self.most))
        return super().start_zipcd(*arguments, user=self.uid, group=self.uid, extra_groups=[], preexec_fn=limit, **options)

    def test_serves_the_others_while_one_client_does_not_read(self):
        self.start_zipcd()
        deaf = [self.holder()] + [self.connect() for _ in range(80)]
        for client in deaf:
            self.ask(client, 20)
        for client in deaf:
            eventually(lambda c=client: unread(c) > 0, "it is answered")
        other = self.connect()
        for _ in range(20 * len(deaf)):  # as many turns at least
            self.assertIsNone(other.broker("Ping")[0])
        error, reply = other.broker("Acquire", name=unique_name(), role="sender", params=SIZES)
        self.assertIsNone(error, reply)

    def test_says_that_the_kernel_lets_it_send_no_more(self):
        self.start_zipcd()
        client = self.holder()
        script = f"""
import socket, sys
ends = [socket.socketpair() for _ in range(4)]
for end, _ in ends: socket.send_fds(end, [b'x'], [0] * {self.most // 4 + 10})
print('sent', flush=True)
sys.stdin.read()
"""
        hoarder = Process(["python3", "-c", script], stdin=subprocess.PIPE, user=self.uid, group=self.uid, extra_groups=[])
        self.addCleanup(hoarder.end)
        hoarder.wait_line("sent")
        for method, parameters in (("GetDoorbell", {"role": "sender"}), ("Acquire", {"role": "receiver"})):
            error, reply = client.broker(method, name=self.name, **parameters)
            self.assertEqual(error, BROKER + "LimitReached", reply)
            self.assertIn("LimitNOFILE", reply["limit"])
        self.assertIsNone(self.channel(self.name)["receiver"], "a role without its descriptor is given back")
        hoarder.end()
        error, reply = client.broker("Acquire", name=self.name, role="receiver")
        self.assertIsNone(error, reply)


if __name__ == "__main__":
    unittest.main()

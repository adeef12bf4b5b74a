"""A client that asks for much makes the others wait for one call of its user's, not for all of them.

How much zipcd has done when it answers is told by the answer itself: the calls of a flood each make a channel, and Ping counts them.
"""
import contextlib
import json
import os
import signal
import unittest

from harness import BrokerTest, eventually, unique_name, why_not_another_user

CALLS = 8
NOBODY = 65534


@contextlib.contextmanager
def acting_as(uid):
    """The kernel notes who connects at that moment."""
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


class Flood(BrokerTest):
    config = """
limits: {channels: 2000, channels_per_user: 1000}
dynamic: {names: ["/zs.*"]}
defaults: {queue_size: 2, message_size: 8}
"""

    def setUp(self):
        super().setUp()
        self.start_zipcd()

    def clients(self, count):
        clients = [self.connect() for _ in range(count)]
        for client in clients:
            self.assertIsNone(client.broker("Ping")[0])
        return clients

    def channels_when_answered(self, flood):
        """How many of the flood's calls are done when somebody else, who asks last, is answered."""
        [other] = self.clients(1)
        self.zipcd.send_signal(signal.SIGSTOP)
        eventually(self.zipcd_has_stopped, "zipcd has stopped")
        for client in flood:
            client.send_raw(b"".join(self.create() for _ in range(CALLS)))
        other.send("io.zipc.Broker.Ping")
        self.zipcd.send_signal(signal.SIGCONT)
        done = other.receive()["parameters"]["channels"]
        eventually(lambda: other.broker("Ping")[1]["channels"] == len(flood) * CALLS, "the flood is served, too")
        return done

    def zipcd_has_stopped(self):
        with open(f"/proc/{self.zipcd.pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "T"

    @staticmethod
    def create():
        return json.dumps({"method": "io.zipc.Broker.Create", "parameters": {"name": unique_name("f")}, "oneway": True},
                          separators=(",", ":")).encode() + b"\0"

    @unittest.skipIf(why_not_another_user(), "needs root, to be another user")
    def test_of_one_user_makes_another_wait_for_one_call(self):
        with acting_as(NOBODY):
            flood = self.clients(40)
        self.assertLessEqual(self.channels_when_answered(flood), 1)

    @unittest.skipIf(why_not_another_user(), "needs root, to be another user")
    def test_of_several_users_makes_another_wait_for_one_call_of_each(self):
        flood = []
        for uid in range(NOBODY - 3, NOBODY + 1):
            with acting_as(uid):
                flood += self.clients(10)
        self.assertLessEqual(self.channels_when_answered(flood), 4)

    def test_of_the_same_user_makes_a_connection_wait_for_one_call_of_each_other(self):
        flood = self.clients(4)
        self.assertLessEqual(self.channels_when_answered(flood), len(flood))


if __name__ == "__main__":
    unittest.main()

"""What zipcd tells those who watch: which events, in which order, to whom; and what watching costs the others."""
import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import unittest

from harness import BrokerTest, Varlink, as_another_user, eventually, unique_name

WATCH = "io.zipc.Broker.Watch"

# Since then the kernel tells everybody how a process ended; before, only those who may look at it before it is reaped.
TELLS_THE_END = tuple(map(int, platform.release().split("-")[0].split(".")[:2])) >= (6, 15)


class Watcher(Varlink):
    """A connection that watches from the moment that it is constructed."""

    def __init__(self, path, name=None):
        super().__init__(path)
        calls = [{"method": "io.zipc.Broker.Ping"},
                 {"method": WATCH, "parameters": {"name": name} if name else {}, "more": True}]
        # The second call waits for its turn before the broker looks at anything that follows from the first reply.
        self.send_raw(b"".join(json.dumps(call).encode() + b"\0" for call in calls))
        assert "error" not in self.receive()

    def event(self):
        reply = self.receive()
        assert reply is not None, "the broker has ended the watch"
        assert reply.get("continues") is True, reply
        return reply["parameters"]["event"]

    def is_ended(self):
        """Reads to the end of the connection, which is a reset if the broker has not read all that we sent."""
        with contextlib.suppress(ConnectionResetError):
            while self.receive() is not None:
                pass
        return True

    def until(self, kind, channel):
        """The events up to one of this kind, about this channel."""
        events = []
        while not events or events[-1]["kind"] != kind:
            event = self.event()
            if event["channel"] == channel:
                events.append(event)
        return events


def kinds(events):
    return [(event["kind"], event.get("role")) for event in events]


class WatchTest(BrokerTest):
    config = "defaults: {queue_size: 8, message_size: 64, linger: 0}\n"

    def setUp(self):
        super().setUp()
        self.start_zipcd()

    def watch(self, name=None):
        watcher = Watcher(self.socket_path, name)
        self.addCleanup(watcher.close)
        return watcher

    def holder(self, side, name, *options, sizes=(8, 64)):
        holder = self.peer(side, name, *sizes, *options, "--hold", stdin=subprocess.PIPE)
        holder.wait_line({"send": "sent", "receive": "received"}[side])
        return holder


class Life(WatchTest):
    def test_of_a_channel_is_told_in_order(self):
        name = unique_name()
        watcher = self.watch(name)
        self.connect().broker("Create", name=name)
        holder = self.holder("send", name, "--count", 0)
        holder.check()
        events = watcher.until("reaped", name)
        self.assertEqual(kinds(events),
                         [("created", None), ("leased", "sender"), ("released", "sender"), ("reaped", None)])
        self.assertEqual([event["pid"] for event in events], [0, holder.pid, holder.pid, 0])
        for event in events:
            self.assertIn(name, event["message"])
            self.assertEqual(event["missed"], 0)
        times = [event["at_ms"] for event in events]
        self.assertEqual(times, sorted(times))
        self.assertGreater(times[0], 1600000000000)

    def test_that_is_removed_ends_with_that(self):
        name = unique_name()
        watcher = self.watch()
        client = self.connect()
        client.broker("Create", name=name)
        client.broker("Remove", name=name)
        self.assertEqual(kinds(watcher.until("removed", name)), [("created", None), ("removed", None)])

    def test_that_the_configuration_provides_and_drops(self):
        name = unique_name()
        watcher = self.watch()
        self.write_config(self.config + f"channels: [{{name: {name}}}]\n")
        self.zipcd.send_signal(signal.SIGHUP)
        self.assertEqual(kinds(watcher.until("created", name)), [("created", None)])
        self.write_config(self.config)
        self.zipcd.send_signal(signal.SIGHUP)
        self.assertEqual(kinds(watcher.until("reaped", name)), [("withdrawn", None), ("reaped", None)])

    def test_of_a_holder_that_did_not_ask_zipcd(self):
        name = unique_name()
        client = self.connect()
        client.broker("Create", name=name)
        watcher = self.watch(name)
        self.holder("send", name, "--count", 0)
        self.assertEqual(kinds(watcher.until("leased", name)), [("leased", "sender")])
        self.env = {"ZIPC_BROKER": "off"}
        direct = self.holder("receive", name, "--count", 0)
        self.assertEqual(client.broker("Acquire", name=name, role="receiver")[0], "io.zipc.Broker.RoleTaken")
        event = watcher.event()
        self.assertEqual((event["kind"], event["role"], event["pid"]), ("leased", "receiver", direct.pid))


class Death(WatchTest):
    def test_names_the_signal(self):
        for side, role in (("send", "sender"), ("receive", "receiver")):
            name = unique_name()
            watcher = self.watch(name)
            holder = self.holder(side, name, "--count", 0)
            holder.end(signal.SIGKILL)
            events = watcher.until("reaped", name)
            self.assertEqual(kinds(events), [("created", None), ("leased", role), ("died", role), ("reaped", None)])
            self.assertEqual(events[2]["pid"], holder.pid)
            self.assertIn(f"process {holder.pid}", events[2]["message"])
            if TELLS_THE_END:
                self.assertIn("was killed by signal 9 (Killed)", events[2]["message"])

    def test_names_the_signal_also_of_one_that_nobody_has_waited_for(self):
        name = unique_name()
        watcher = self.watch(name)
        holder = self.holder("send", name, "--count", 0)
        os.kill(holder.pid, signal.SIGTERM)
        events = watcher.until("reaped", name)  # and only then the zombie is reaped
        self.assertEqual(kinds(events)[-2:], [("died", "sender"), ("reaped", None)])
        self.assertIn("signal 15", events[-2]["message"])
        holder.finish()

    def test_names_the_exit_code(self):
        name = unique_name()
        watcher = self.watch(name)
        script = f"""
import os, sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
from harness import Varlink
client = Varlink({self.socket_path!r})
_, lease = client.broker("Acquire", name={name!r}, role="sender", params={{"queue_size": 8, "message_size": 64}})
os.pwrite(client.fds[0], b"\\1", 20)  # announce ourselves, as a sender does
os._exit(3)"""
        subprocess.run(["python3", "-c", script], check=False)
        event = watcher.until("died", name)[-1]
        if TELLS_THE_END:
            self.assertIn("ended with exit code 3", event["message"])

    def test_is_told_for_every_lease_of_the_process_before_what_follows(self):
        watcher = self.watch()
        names = [unique_name() for _ in range(3)]
        holders = [self.holder("send", name, "--count", 0) for name in names]
        for holder in holders:
            os.kill(holder.pid, signal.SIGKILL)
        for holder in holders:
            holder.finish()
        seen = {name: [] for name in names}
        while not all(events and events[-1]["kind"] == "reaped" for events in seen.values()):
            event = watcher.event()
            seen[event["channel"]].append(event)
        for name in names:
            self.assertEqual([event["kind"] for event in seen[name]], ["created", "leased", "died", "reaped"])
            if TELLS_THE_END:
                self.assertIn("signal 9", seen[name][2]["message"])


class Traffic(WatchTest):
    def test_a_full_queue_and_a_drained_one_are_told(self):
        name = unique_name()
        watcher = self.watch(name)
        sender = self.peer("send", name, 8, 64, "--count", 20, "--announce")
        sender.wait_line("attached")
        self.assertEqual(kinds(watcher.until("full", name))[-1], ("full", None))
        receiver = self.peer("receive", name, 8, 64, "--count", 20)
        receiver.check()
        sender.check()
        self.assertIn("drained", [event["kind"] for event in watcher.until("reaped", name)])

    def test_what_was_before_the_watch_is_not_told(self):
        name = unique_name()
        sender = self.peer("send", name, 8, 64, "--count", 20, "--announce")
        sender.wait_line("attached")
        eventually(lambda: self.channel(name)["full"] > 0, "the queue is full")
        watcher = self.watch(name)
        receiver = self.peer("receive", name, 8, 64, "--count", 20)
        receiver.check()
        sender.check()
        events = watcher.until("reaped", name)
        self.assertEqual(kinds(events)[0], ("leased", "receiver"))
        self.assertIn("drained", [event["kind"] for event in events])


class Watching(WatchTest):
    def test_needs_more(self):
        client = self.connect()
        self.assertEqual(client.broker("Watch")[0], "org.varlink.service.ExpectedMore")
        client.send(WATCH, more=True, oneway=True)
        self.assertEqual(client.broker("Watch", name="nonsense")[0], "org.varlink.service.ExpectedMore")
        client.send(WATCH, {"name": "nonsense"}, more=True)
        self.assertEqual(client.receive()["error"], "io.zipc.Broker.InvalidName")
        self.assertIsNone(client.broker("Ping")[0], "the connection is as good as before")

    def test_one_channel_tells_of_no_other(self):
        names = [unique_name() for _ in range(2)]
        watcher = self.watch(names[1])
        client = self.connect()
        for name in names:
            client.broker("Create", name=name)
        self.assertEqual(watcher.event()["channel"], names[1])

    def test_ends_with_a_further_byte(self):
        for rest in (b"x", b'{"method":"io.zipc.Broker.Ping"}\0'):
            watcher = self.watch()
            watcher.send_raw(rest)
            self.assertTrue(watcher.is_ended())
        client = self.connect()
        client.send_raw(json.dumps({"method": WATCH, "more": True}).encode() + b"\0{")
        self.assertIsNone(client.receive(), "the byte came with the call")

    def test_ends_with_the_connection(self):
        def connections():
            return self.connect_and("Ping")["connections"]
        before = connections()
        watchers = [self.watch() for _ in range(5)]
        self.assertEqual(connections(), before + 5)
        watchers[0].socket.shutdown(socket.SHUT_WR)
        for watcher in watchers[1:]:
            watcher.close()
        eventually(lambda: connections() == before, "they are gone")

    def connect_and(self, method):
        client = Varlink(self.socket_path)
        try:
            return client.broker(method)[1]
        finally:
            client.close()

    def test_ends_when_zipcd_does(self):
        watcher = self.watch()
        self.assertEqual(self.stop_zipcd(), 0)
        self.assertTrue(watcher.is_ended())

    def test_one_who_does_not_read_learns_how_much_was_missed_and_holds_nobody_up(self):
        deaf = self.watch()
        attentive = self.watch()
        rounds = 6000  # the socket's buffer takes some hundred events, the backlog a thousand
        client = self.connect()
        name = unique_name()
        for _ in range(rounds):
            self.assertIsNone(client.broker("Create", name=name)[0])
            self.assertIsNone(client.broker("Remove", name=name)[0])
            for kind in ("created", "removed"):
                event = attentive.event()
                self.assertEqual((event["kind"], event["missed"]), (kind, 0))
        seen = missed = gaps = 0
        while seen + missed < 2 * rounds:
            event = deaf.event()
            missed += event["missed"]
            gaps += event["missed"] != 0
            seen += 1
        self.assertEqual(seen + missed, 2 * rounds, "what was not told was counted")
        self.assertGreater(missed, 0)
        self.assertEqual(gaps, 1)
        client.broker("Create", name=name)
        self.assertEqual(deaf.event()["missed"], 0)

    def test_costs_nothing_once_nobody_does(self):
        self.holder("send", unique_name(), "--count", 0)
        watcher = self.watch()
        self.assertFalse(self.zipcd_is_quiet(), "while somebody watches, the queues are looked at")
        watcher.close()
        eventually(self.zipcd_is_quiet, "half a second without a wake-up")


@as_another_user
class OtherUsers(WatchTest):
    config = "socket: {mode: 0666}\n"

    def test_are_told_of_the_channels_that_they_may_use(self):
        private, shared = unique_name("private"), unique_name("shared")
        script = f"""
import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
from watch_test import Watcher
watcher = Watcher({self.socket_path!r})
print("watching", flush=True)
while True:
    event = watcher.event()
    print(event["kind"], event["channel"], flush=True)"""
        other = subprocess.Popen(["python3", "-c", script], stdout=subprocess.PIPE, text=True, user=65534, group=65534,
                                 extra_groups=[])
        self.addCleanup(other.stdout.close)
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        self.assertEqual(other.stdout.readline(), "watching\n")
        everything = self.watch()

        def reload(*channels):
            self.write_config(self.config + "channels:\n" + "".join(f"  - {{name: {name}, mode: {mode}}}\n"
                                                                    for name, mode in channels))
            self.zipcd.send_signal(signal.SIGHUP)
        reload((private, "0600"), (shared, "0666"))
        everything.until("created", shared)
        self.holder("send", private, "--count", 0, sizes=(0, 0))
        self.assertEqual(other.stdout.readline(), f"created {shared}\n")
        reload((private, "0666"), (shared, "0666"))
        eventually(lambda: self.channel(private)["mode"] == 0o666, "it is open to all")
        self.holder("receive", private, "--count", 0, sizes=(0, 0))
        self.assertEqual(other.stdout.readline(), f"leased {private}\n", "from then on, and nothing of before")


if __name__ == "__main__":
    unittest.main()

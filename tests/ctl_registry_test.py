"""zipcctl's view of the registry (watch, explain, top, advise, plan, apply, check, revoke, resize) over a broker whose answers
are canned, so that every situation can be shown and the output is pinned word by word.

Usage: ctl_registry_test.py ZIPCCTL ZIPCD [unittest arguments]. Nothing sleeps to synchronise; time limits only end a deadlock.
"""
import contextlib
import copy
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ctl_test  # noqa: E402
from ctl_test import CtlTest  # noqa: E402
from harness import WATCHDOG_S, eventually  # noqa: E402

ZIPCD = os.environ.get("ZIPCD")

INTERFACE = "io.zipc.Broker."
PING = {"version": "1.0.0", "pid": 1, "uid": 0, "channels": 3, "leases": 2, "connections": 1, "uptime_ms": 60_000}
NOT_RUNNING = 0x3FFFFFFF  # larger than any pid


class FakeBroker:
    """A Unix socket that speaks Varlink. `replies` has for each method: parameters, an (error, parameters), or a list of
    these, of which each call takes the next and the last stays. A Watch is held open: emit() reports on it."""

    def __init__(self, path):
        self.path = path
        self.replies = {"Ping": PING}
        self.calls = []  # (method, parameters)
        self.watchers = []
        self.connections = []
        self.open()

    def open(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def close(self):
        """As a broker that is killed: every connection ends, and nobody listens."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.watchers = []

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        buffer = b""
        with contextlib.suppress(OSError), connection:
            while True:
                data = connection.recv(65536)
                if not data:
                    return
                buffer += data
                while b"\0" in buffer:
                    message, buffer = buffer.split(b"\0", 1)
                    self.answer(connection, json.loads(message))

    def answer(self, connection, call):
        method = call["method"].removeprefix(INTERFACE)
        self.calls.append((method, call.get("parameters", {})))
        if method == "Watch":
            assert call["more"]
            self.watchers.append(connection)
            return
        reply = self.replies.get(method, ("NotFaked", {"message": f"no answer to {method} is canned"}))
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        self.send(connection, {"error": INTERFACE + reply[0], "parameters": reply[1]} if isinstance(reply, tuple)
                  else {"parameters": reply})

    def send(self, connection, message):
        connection.sendall(json.dumps(message).encode() + b"\0")

    def emit(self, **event):
        eventually(lambda: self.watchers, "somebody watches")
        full = {"at_ms": 43_384_123, "kind": "created", "channel": "/camera", "pid": 0, "message": "", "missed": 0}
        full.update(event)
        for watcher in self.watchers:
            self.send(watcher, {"parameters": {"event": full}, "continues": True})
        return full

    def asked(self, method):
        return [parameters for name, parameters in self.calls if name == method]


def holder(pid=NOT_RUNNING, **facts):
    full = {"lease": 1, "pid": pid, "uid": 0x7FFFFFF0, "held_ms": 0, "expires_in_ms": -1, "asleep_ms": -1, "idle_ms": -1,
            "behind": False}
    full.update(facts)
    return full


def channel(name="/camera", queue_size=64, message_size=1024, **facts):
    full = {"name": name, "params": {"queue_size": queue_size, "message_size": message_size}, "provisioned": True,
            "mode": 0o660, "owner": 0x7FFFFFF0, "group": 0x7FFFFFF1, "linger_ms": 10_000, "reaped_in_ms": -1, "bytes": 73_728,
            "generation": 1, "draining": False, "existing_peer": False, "lease_ttl_ms": -1, "retired": 0, "sender": None,
            "receiver": None, "sent": 0, "bytes_sent": 0, "received": 0, "full": 0, "depth": 0, "deepest": 0, "largest": 0}
    full.update(facts)
    return full


class FakeBrokerTest(CtlTest):
    def setUp(self):
        super().setUp()
        ctl_test.ZIPCCTL = ctl_test.ZIPCCTL or os.environ["ZIPCCTL"]
        self.socket = self.path("fake.sock")
        self.broker = FakeBroker(self.socket)
        self.addCleanup(self.broker.close)
        self.env.update(ZIPC_BROKER="require", ZIPC_SOCKET=self.socket, TZ="UTC")


class Watch(FakeBrokerTest):
    def watch(self, *arguments):
        run = self.start("watch", *arguments)
        eventually(lambda: self.broker.watchers, "it watches")
        return run

    def shows(self, run, text):
        eventually(lambda: run.out.decode() == text, f"it shows {text!r}")

    def test_prints_a_line_for_each_event_as_it_comes(self):
        run = self.watch()
        self.broker.emit(kind="created")
        shown = "12:03:04.123 /camera created\n"
        self.shows(run, shown)
        self.broker.emit(kind="died", role="sender", pid=42, message="killed by signal 9 (Killed)")
        shown += "12:03:04.123 /camera died  sender, process 42: killed by signal 9 (Killed)\n"
        self.shows(run, shown)
        self.broker.emit(kind="resized", message="8 x 1024 bytes -> 16 x 1024 bytes")
        self.shows(run, shown + "12:03:04.123 /camera resized  8 x 1024 bytes -> 16 x 1024 bytes\n")
        self.assertEqual(run.end(signal.SIGINT), 130)
        self.assertEqual(run.err, f"zipcctl: watching all channels at {self.socket}, until Ctrl-C\n"
                                  "zipcctl: ended by SIGINT\n")

    def test_says_how_many_events_were_missed(self):
        run = self.watch()
        self.broker.emit(kind="full", missed=1234)
        self.shows(run, "12:03:04.123 1,234 events missed: they came faster than they were read here\n"
                        "12:03:04.123 /camera full\n")
        self.assertEqual(run.end(signal.SIGTERM), 143)

    def test_prints_json_lines(self):
        run = self.watch("--json")
        first = self.broker.emit(kind="leased", role="receiver", pid=7)
        eventually(lambda: run.out.count(b"\n") == 1, "the first line is there")
        second = self.broker.emit(missed=3)
        eventually(lambda: run.out.count(b"\n") == 2, "the second line is there")
        second["role"] = None
        self.assertEqual([json.loads(line) for line in run.out.splitlines()], [first, second])
        self.assertEqual(run.end(signal.SIGINT), 130)
        self.assertEqual(run.err, "zipcctl: ended by SIGINT\n")

    def test_asks_for_one_channel_or_for_all(self):
        self.watch("/camera")
        self.broker.watchers.clear()
        self.watch()
        self.assertEqual(self.broker.asked("Watch"), [{"name": "/camera"}, {}])

    def test_outlives_the_broker(self):
        run = self.watch("/camera")
        self.broker.emit()
        eventually(lambda: run.out, "it arrives")
        self.broker.close()
        eventually(lambda: "waiting for it to come back" in run.err, "it says so")
        self.broker.open()
        self.broker.emit(kind="adopted")
        self.shows(run, "12:03:04.123 /camera created\n12:03:04.123 /camera adopted\n")
        self.assertIn("the broker is back; what happened meanwhile is not shown\n", run.err)
        self.assertEqual(self.broker.asked("Watch"), [{"name": "/camera"}] * 2)
        self.assertEqual(run.end(signal.SIGINT), 130)

    def test_ends_at_a_signal_while_no_broker_is_there(self):
        run = self.watch()
        self.broker.close()
        eventually(lambda: "waiting for it to come back" in run.err, "it says so")
        self.assertEqual(run.end(signal.SIGTERM), 143)

    def test_ends_with_the_broker_when_told_so(self):
        for flag in ("--once", "--no-reconnect"):
            run = self.watch(flag)
            self.broker.close()
            self.assertEqual(run.finish(), ctl_test.NO_BROKER)
            self.assertIn("has gone away", run.err)
            self.broker.open()

    def test_ends_with_what_the_broker_refuses(self):
        run = self.watch("/secret")
        self.broker.send(self.broker.watchers[0], {"error": INTERFACE + "PermissionDenied", "parameters": {
            "message": "not permitted to use /secret", "rule": "mode 0600"}})
        self.assertEqual(run.finish(), ctl_test.DENIED)
        self.assertIn("zipcctl: not permitted to use /secret\nhint: ", run.err)

    def test_needs_a_broker(self):
        self.broker.close()
        self.fails(ctl_test.NO_BROKER, "no broker listens", "watch")


class Catalogue(FakeBrokerTest):
    def test_get_shows_every_fact(self):
        info = channel(generation=3, draining=True, existing_peer=True, lease_ttl_ms=5000, retired=2, largest=512,
                       sender=holder(42, uid=1000, held_ms=2000, expires_in_ms=4000, asleep_ms=1500, behind=True),
                       receiver=holder(43, uid=1000, held_ms=1000, idle_ms=35_000))
        self.broker.replies["Get"] = {"channel": info}
        lines = [re.split("  +", line) for line in self.check("get", "/camera").splitlines()]
        self.assertEqual(lines[1:7], [
            ["kind", "draining: the configuration has dropped it"],
            ["queue size", "64 slots, of which one stays free"],
            ["message size", "1024 bytes at most"],
            ["memory", "72 KiB, generation 3, 2 earlier still open"],
            ["permissions", "0660, user 2147483632, group 2147483633"],
            ["sender", "process 42 of user 1000, for 2s, asleep for 2s, loses it in 4s, in an earlier generation"]])
        self.assertIn(["receiver", "process 43 of user 1000, for 1s, idle for 35s"], lines)
        self.assertIn(["existing peer", "a program that takes no lease has it open"], lines)
        self.assertIn(["lease lasts", "5s unless renewed"], lines)
        self.assertIn(["longest", "512 bytes"], lines)
        self.assertEqual(json.loads(self.check("get", "/camera", "--json")), info)

    def test_list_shows_generations_and_what_drains(self):
        self.broker.replies["List"] = {"channels": [channel("/a", generation=3, draining=True), channel("/b", provisioned=False)]}
        table = [line.split() for line in self.check("list").splitlines()]
        self.assertEqual([row[-3:] for row in table], [["GEN", "KIND", "LEFT"], ["3", "draining", "-"], ["1", "dynamic", "-"]])


if __name__ == "__main__":
    if len(sys.argv) > 2 and not sys.argv[1].startswith("-"):
        ctl_test.ZIPCCTL, ZIPCD = sys.argv[1:3]
        del sys.argv[1:3]
    unittest.main()

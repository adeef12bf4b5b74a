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
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
import ctl_test  # noqa: E402
import terminal  # noqa: E402
from ctl_test import CtlTest  # noqa: E402
from harness import WATCHDOG_S, eventually  # noqa: E402

ZIPCD = os.environ.get("ZIPCD")

INTERFACE = "io.zipc.Broker."
PING = {"version": "1.0.0", "pid": 1, "uid": 0, "channels": 3, "leases": 2, "connections": 1, "uptime_ms": 60_000}
INVALID_CONFIG = 28
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
        self.silent = False  # take calls and answer none
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
        if self.silent:
            return
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
            "generation": 1, "draining": False, "existing_peer": False, "lease_ttl_ms": -1, "waiting": "adaptive", "no_memory": None,
            "foreign": False, "retired": 0, "sender": None, "receiver": None, "sent": 0, "sent_before": None, "bytes_sent": 0, "received": 0,
            "full": 0, "depth": 0, "deepest": 0, "largest": 0}
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
        self.assertEqual(json.loads(run.err), {"error": "system", "code": 130, "message": "ended by SIGINT", "advice": ""})

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
        info = channel(generation=3, draining=True, existing_peer=True, lease_ttl_ms=5000, waiting="poll", retired=2, largest=512,
                       sent_before=3,
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
        self.assertIn(["peers wait", "poll, unless they choose"], lines)
        self.assertIn(["longest", "512 bytes"], lines)
        self.assertEqual(json.loads(self.check("get", "/camera", "--json")), info)

    def test_list_shows_generations_and_what_drains(self):
        self.broker.replies["List"] = {"channels": [channel("/a", generation=3, draining=True), channel("/b", provisioned=False)]}
        table = [line.split() for line in self.check("list").splitlines()]
        self.assertEqual([row[-3:] for row in table], [["GEN", "KIND", "LEFT"], ["3", "draining", "-"], ["1", "dynamic", "-"]])


class Explain(FakeBrokerTest):
    """Each test shows a channel at two looks and pins what is said of it, but for the first four sentences."""

    SENDER, RECEIVER = "The sender is process {}, an unknown program, of user 2147483632; it has held the role for {}.", \
        "The receiver is process {}, an unknown program, of user 2147483632; it has held the role for {}."

    def sentences(self, before, now=None):
        self.broker.replies["Get"] = [{"channel": info} for info in (before, now or before)]
        text = self.check("explain", "/camera")
        # the span between the looks is measured, and a busy machine takes longer
        return re.sub(r"in the last (\d+ms|\d+s)", "lately", text).splitlines()

    def says(self, expected, now, before=None):
        self.assertEqual(self.sentences(before or now, now)[4:], expected)

    def sender(self, **facts):
        return self.SENDER.format(NOT_RUNNING, "5min"), holder(held_ms=300_000, **facts)

    def receiver(self, **facts):
        return self.RECEIVER.format(NOT_RUNNING, "8s"), holder(held_ms=8_000, **facts)

    def test_says_what_it_is(self):
        self.assertEqual(self.sentences(channel(generation=3, retired=1))[:6], [
            "/camera is provided by the configuration.",
            "It has 64 slots of 1 KiB, of which one stays free: 63 messages can wait.",
            "Its memory takes 72 KiB and is of generation 3.",
            "1 earlier generation is still open somewhere.",
            "It belongs to user 2147483632 and group 2147483633, with mode 0660.",
            "Nobody is the sender."])
        for facts, sentence in (({"provisioned": False}, "/camera was made on request."),
                                ({"draining": True}, "/camera was provided by the configuration, which has dropped it.")):
            self.assertEqual(self.sentences(channel(**facts))[0], sentence)

    def test_that_nobody_has_used(self):
        self.says(["Nobody is the sender.", "Nobody is the receiver.", "The queue is empty.", "Nothing was ever sent.",
                   "It stays as long as the configuration has it."], channel())
        self.says(["Nobody is the sender.", "Nobody is the receiver.", "The queue is empty.", "Nothing was ever sent.",
                   "It is kept until somebody has used it, and 10s longer."], channel(provisioned=False))

    def test_that_flows(self):
        sender, sending = self.sender(idle_ms=3)
        receiver, receiving = self.receiver(asleep_ms=0)
        facts = {"sender": sending, "receiver": receiving, "deepest": 12, "largest": 512, "bytes_sent": 2048}
        self.says([sender, "It sent 1,234 messages lately.", receiver, "It received 1,233 messages lately.",
                   "1 message waits, of 63 that fit; at most 12 ever did.",
                   "1,334 messages were sent so far, 2 KiB in all, the longest of 512 B; 1,333 were received.",
                   "The sender never met a full queue.", "It stays as long as the configuration has it."],
                  channel(sent=1334, received=1333, depth=1, **facts), channel(sent=100, received=100, **facts))

    def test_whose_receiver_waits_for_a_busy_sender(self):
        sender, sending = self.sender(idle_ms=35_000)
        receiver, receiving = self.receiver(asleep_ms=12_000)
        self.says([sender, "It has not sent a message for at least 35s and is not waiting in zipc: it has nothing to send, or is "
                           "busy or stuck elsewhere.",
                   receiver, "It has been asleep for 12s, waiting for a message.", "The queue is empty; at most 3 messages ever waited.",
                   "7 messages were sent so far, 70 B in all, the longest of 10 B; 7 were received.",
                   "The sender never met a full queue.",
                   "The receiver waits for the sender, which has not sent a message for at least 35s.",
                   "It stays as long as the configuration has it."],
                  channel(sender=sending, receiver=receiving, sent=7, received=7, bytes_sent=70, largest=10, deepest=3))

    def test_whose_sender_waits_for_a_stuck_receiver(self):
        sender, sending = self.sender(asleep_ms=34_000)
        receiver, receiving = self.receiver(idle_ms=35_000)
        facts = {"sender": sending, "receiver": receiving, "sent": 70, "received": 7, "depth": 63, "deepest": 63, "bytes_sent": 70}
        self.says([sender, "It has been asleep for 34s, waiting for space.",
                   receiver, "It has not received a message for at least 35s and is not waiting in zipc: it is busy or stuck "
                             "elsewhere.",
                   "The queue is full: 63 messages wait.",
                   "70 messages were sent so far, 70 B in all; 7 were received.", "The sender met a full queue 12 times, 3 of them "
                   "lately.",
                   "The sender waits for the receiver, which has not received a message for at least 35s.",
                   "It stays as long as the configuration has it."], channel(full=12, **facts), channel(full=9, **facts))

    def test_whose_receiver_is_slower(self):
        _, sending = self.sender(idle_ms=1)
        _, receiving = self.receiver(idle_ms=1)
        facts = {"sender": sending, "receiver": receiving, "depth": 63, "deepest": 63}
        lines = self.sentences(channel(sent=70, received=7, full=1, **facts), channel(sent=75, received=12, full=1001, **facts))
        self.assertIn("The sender met a full queue 1,001 times, 1,000 of them lately.", lines)
        self.assertIn("The sender waits for the receiver, which received 5 messages lately.", lines)

    def test_whose_two_sides_are_not_known_to_move(self):
        _, sending = self.sender()
        _, receiving = self.receiver()
        lines = self.sentences(channel(sender=sending, receiver=receiving))
        self.assertEqual((lines[5], lines[7]), ("It sent nothing lately.", "It received nothing lately."))

    def test_that_fills_up_without_a_receiver(self):
        sender, sending = self.sender(asleep_ms=50)
        self.says([sender, "It has been asleep for 50ms, waiting for space.", "Nobody is the receiver.",
                   "The queue is full: 1 message waits.", "1 message was sent so far, 5 B in all; 0 were received.",
                   "The sender never met a full queue.", "The sender waits for a receiver, and there is none.",
                   "Nobody will receive this message until a receiver attaches.",
                   "It will be removed 10s after its last user has gone."],
                  channel(queue_size=2, provisioned=False, sender=sending, sent=1, bytes_sent=5, depth=1, deepest=1))

    def test_whose_messages_were_left_behind(self):
        self.says(["Nobody is the sender.", "Nobody is the receiver.", "3 messages wait, of 63 that fit.",
                   "3 messages were sent so far, 30 B in all; 0 were received.", "The sender never met a full queue.",
                   "Nobody will receive these 3 messages until a receiver attaches.",
                   "It will be removed, with what waits in it, in 9s, unless somebody takes a role."],
                  channel(provisioned=False, reaped_in_ms=8500, sent=3, bytes_sent=30, depth=3, deepest=3))

    def test_whose_receiver_waits_for_any_sender(self):
        _, receiving = self.receiver(asleep_ms=2000)
        self.assertIn("The receiver waits for a sender, and there is none.", self.sentences(channel(receiver=receiving)))
        lines = self.sentences(channel(receiver=receiving, existing_peer=True))
        self.assertIn("A program that takes no lease has it open: it may be a sender or receiver that is not seen here.", lines)
        self.assertIn("The receiver waits for a sender that is not seen here.", lines)

    def test_whose_sleeper_does_not_wake(self):
        _, receiving = self.receiver(asleep_ms=60_000)
        self.assertIn("It has been asleep for 60s, waiting for a message, although 3 messages are there: something keeps it from "
                      "running.", self.sentences(channel(receiver=receiving, depth=3)))
        _, sending = self.sender(asleep_ms=60_000)
        self.assertIn("It has been asleep for 60s, waiting for space, although there is some: something keeps it from running.",
                      self.sentences(channel(sender=sending)))
        self.assertIn("It has been asleep for 60s, waiting for a message.",  # it came just now
                      self.sentences(channel(receiver=receiving), channel(receiver=receiving, depth=1)))

    def test_whose_holders_are_behind_and_about_to_lose_their_leases(self):
        sender, sending = self.sender(behind=True, idle_ms=40)
        _, receiving = self.receiver(expires_in_ms=4_000, idle_ms=40)
        lines = self.sentences(channel(sender=sending, receiver=receiving, lease_ttl_ms=10_000, generation=2))
        self.assertEqual(lines[6], "It still uses an earlier generation of the memory, and follows at its next call.")
        self.assertEqual(lines[9:11], ["It loses the role in 4s unless it renews its lease.",
                                        "A lease of it lasts 10s unless it is renewed."])

    def test_says_what_happens_next(self):
        held = self.sender()[1]
        for facts, sentence in (
                ({"draining": True, "depth": 3, "receiver": held}, "It goes when its 3 messages are received and nobody uses it."),
                ({"draining": True, "depth": 1}, "It goes when its 1 message is received and nobody uses it."),
                ({"draining": True, "sender": held}, "It goes as soon as nobody uses it."),
                ({"draining": True}, "It is about to go."),
                ({"provisioned": False, "linger_ms": -1}, "It stays until it is removed: zipcctl remove /camera"),
                ({"provisioned": False, "linger_ms": 0, "sender": held}, "It will be removed as soon as its last user has gone."),
                ({"provisioned": False, "reaped_in_ms": 12_000}, "It will be removed in 12s, unless somebody takes a role.")):
            self.assertEqual(self.sentences(channel(**facts))[-1], sentence)

    def test_does_not_count_backwards_when_counters_start_again(self):
        _, sending = self.sender()
        self.assertIn("It sent nothing lately.", self.sentences(channel(sender=sending, sent=500), channel(sender=sending, sent=2)))

    def test_names_the_program_of_a_holder(self):
        program = subprocess.Popen(["sleep", "1000"])
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        eventually(lambda: self.of_proc(program.pid, "comm") == b"sleep\n", "it has begun")
        me = holder(program.pid, uid=os.getuid())
        self.assertRegex(self.sentences(channel(sender=me))[4],
                         f"^The sender is process {program.pid}, sleep \\(sleep 1000\\), of user .*; it has held the role for 0ms.$")
        program.send_signal(signal.SIGSTOP)
        eventually(lambda: b") T " in self.of_proc(program.pid, "stat"), "it is stopped")
        self.assertEqual(self.sentences(channel(sender=me))[5], "It is stopped, by a signal or a debugger.")

    def of_proc(self, pid, name):
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()

    def test_takes_no_other_process_for_the_holder(self):
        for facts in ({"uid": 12345}, {"uid": os.getuid(), "held_ms": 10**12}):  # another user's; younger than the lease
            self.assertIn(f"process {os.getpid()}, an unknown program,", self.sentences(channel(sender=holder(os.getpid(), **facts)))[4])

    def test_shows_no_control_characters_of_a_program(self):
        code = "import time; print(flush=True); time.sleep(1000)"
        program = subprocess.Popen([sys.executable, "-c", code, "\x1b[31m\nred"], stdout=subprocess.PIPE)
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        program.stdout.readline()
        line = self.sentences(channel(sender=holder(program.pid, uid=os.getuid())))[4]
        self.assertIn("?[31m?red", line)

    def test_explains_as_json(self):
        info = channel(depth=1)
        self.broker.replies["Get"] = {"channel": info}
        answer = json.loads(self.check("explain", "/camera", "--json"))
        self.assertEqual(answer["channel"], info)
        self.assertEqual(answer["sentences"][0], "/camera is provided by the configuration.")
        self.assertEqual(len(self.broker.asked("Get")), 2)

    def test_fails_when_there_is_no_channel(self):
        self.broker.replies["Get"] = ("ChannelNotFound", {"message": "there is no channel /camera"})
        self.fails(ctl_test.NOT_FOUND, "there is no channel /camera", "explain", "/camera")


class Advise(FakeBrokerTest):
    def advises(self, *channels):
        self.broker.replies["List"] = {"channels": list(channels)}
        return self.check("advise")

    def advised(self, **facts):
        """(queue_size, message_size) for one channel, or None."""
        self.broker.replies["List"] = {"channels": [channel(**facts)]}
        advice = json.loads(self.check("advise", "--json"))["advice"]
        return tuple(advice[0]["advised"][size] for size in ("queue_size", "message_size")) if advice else None

    busy = {"receiver": holder(), "sent": 12_345, "received": 12_345, "deepest": 30, "largest": 1000}

    def test_prints_configuration_with_reasons(self):
        self.assertEqual(
            self.advises(channel("/camera", **self.busy | {"full": 1234}),
                         channel("/fine", **self.busy),
                         channel("/huge", queue_size=4096, message_size=1 << 20, **self.busy | {"deepest": 3})),
            "# From 3 channels and 37,035 messages through them. As good as that traffic stands for what is to come.\n"
            "# Only a part: change these entries of the configuration. As a whole one it would drain all other channels.\n"
            "channels:\n"
            "  # the sender met a full queue 1,234 times\n"
            "  # now queue_size: 64, message_size: 1KiB\n"
            "  - {name: /camera, queue_size: 128, message_size: 1KiB}\n"
            "  # at most 3 messages wait; the longest message has 1000 B of 1 MiB\n"
            "  # now queue_size: 4096, message_size: 1MiB\n"
            "  - {name: /huge, queue_size: 16, message_size: 2KiB}\n")

    def test_prints_what_the_configuration_accepts(self):
        odd = "/a,b}#'\"&*!|>%@`: x".replace(" ", "")
        text = self.advises(channel(odd, message_size=1000, full=1, **self.busy), channel("/plain", full=1, **self.busy))
        self.assertIn("'/a,b}#''", text)
        checked = subprocess.run([ZIPCD, "--check-config", "--config", self.file("advised.yaml", text.encode())],
                                 capture_output=True, text=True, timeout=WATCHDOG_S, check=False)
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_enlarges_a_queue_that_was_ever_full(self):
        self.assertEqual(self.advised(receiver=holder(), full=1), (128, 1024))
        self.assertEqual(self.advised(receiver=holder(), deepest=63), (128, 1024))
        self.assertEqual(self.advised(queue_size=100, receiver=holder(), full=1), (256, 1024))
        self.assertEqual(self.advised(queue_size=1 << 24, message_size=1, receiver=holder(), full=1), None)
        self.assertEqual(self.advised(receiver=holder(), depth=63), (128, 1024))  # the receiver has not looked yet
        self.assertEqual(self.advised(receiver=holder(), deepest=62), None)

    def test_does_not_enlarge_a_queue_that_is_full_because_nobody_receives(self):
        self.assertEqual(self.advised(full=1000, depth=63, deepest=63), None)
        self.assertEqual(self.advised(full=1000, depth=0, deepest=63), (128, 1024))

    def test_shrinks_only_after_enough_traffic_and_by_a_page(self):
        small = {"queue_size": 1024, "deepest": 5, "largest": 1024}
        self.assertEqual(self.advised(sent=4_999, **small), None)
        self.assertEqual(self.advised(sent=5_000, **small), (32, 1024))
        self.assertEqual(self.advised(sent=5_000, queue_size=64, message_size=16, deepest=2, largest=16), None)

    def test_keeps_a_margin(self):
        for facts, sizes in (({"queue_size": 1024, "deepest": 127}, (512, 1024)), ({"queue_size": 1024, "deepest": 128}, None),
                             ({"queue_size": 1024, "deepest": 1}, (4, 1024)),
                             ({"queue_size": 1024, "deepest": 1, "depth": 100}, (512, 1024)), ({"message_size": 4000, "largest": 1000}, (64, 2048)),
                             ({"message_size": 3999, "largest": 1000}, None)):
            self.assertEqual(self.advised(sent=5_000, **{"deepest": 40, "largest": 1024} | facts), sizes, facts)

    def test_shrinks_nothing_of_which_it_knows_nothing(self):
        self.assertEqual(self.advised(sent=5_000, queue_size=1024), None)  # a sender that counts neither

    def test_enlarges_and_shrinks_at_once(self):
        self.assertEqual(self.advised(**self.busy | {"full": 3, "message_size": 1 << 20, "largest": 10}), (128, 32))

    def test_says_that_there_is_nothing_to_advise(self):
        self.broker.replies["List"] = {"channels": [channel(sent=1)]}
        self.assertEqual(self.run_ctl("advise"), (0, "# Only a part: change these entries of the configuration. As a whole one it would "
                                                  "drain all other channels.\nchannels: []\n",
                                                  "zipcctl: nothing to advise, from 1 channel and 1 message through it; nothing "
                                                  "is made smaller for less than 5,000 messages\n"))
        self.assertEqual(json.loads(self.check("advise", "--json")), {"advice": [], "channels": 1, "messages": 1})


class Top(FakeBrokerTest):
    """Each look of top takes the next of the canned lists; the last one stays."""

    def setUp(self):
        super().setUp()
        self.broker.replies["List"] = {"channels": []}

    def top(self, *looks, columns=80, rows=24, term="vt100"):
        if looks:
            self.broker.replies["List"] = [{"channels": look} for look in looks]
        program = terminal.Program([ctl_test.ZIPCCTL, "top", "--interval", "100ms"], self.env, columns, rows, term)
        self.addCleanup(program.close)
        return program

    def shows(self, program, pattern):
        eventually(lambda: re.search(pattern, program.update(), re.M) or program.popen.poll() is not None, f"it shows {pattern}")
        self.assertRegex(program.screen.text, re.compile(pattern, re.M), program.err)

    def becomes(self, program, look, expected):
        """What look() makes of the screen, once all of it is drawn."""
        with contextlib.suppress(AssertionError):
            eventually(lambda: program.update() and look() == expected or program.popen.poll() is not None, "it is drawn")
        self.assertEqual(look(), expected, program.err)

    def orders(self, program, names):
        self.becomes(program, lambda: [line.split()[0] for line in program.screen.lines if line.startswith("/")], names)

    def ends(self, program, code):
        eventually(lambda: program.update() is not None and program.popen.poll() is not None, "it ends")
        program.update()
        self.assertEqual(program.popen.returncode, code, program.err)
        self.assertTrue(program.restored())

    def test_shows_channels_in_80_columns(self):
        look = [channel("/camera", depth=48, full=2, sender=holder(42, idle_ms=4), receiver=holder(4194304, asleep_ms=2000)),
                channel("/a.long.name.of.thirtynine.characters", sent=5, received=5, queue_size=16384, depth=1)]
        program = self.top(look)
        self.becomes(program, lambda: program.screen.lines[:4], [
            "zipcd 1.0.0, up 60s, 3 channels, 2 leases",
            "NAME           MSG/S BYTES/S FILL           FULL/S SENDER         RECEIVER",
            "/a.long.name.~     0       0 #... 1/16k          0 gone           gone",
            "/camera            0       0 ###. 48/63          0 42 idle        4194304 asleep"])
        self.becomes(program, lambda: program.screen.lines[23], "q quit  s sort: rate  h help")
        self.assertEqual(len(program.screen.lines[3]), 80)

    def test_spends_a_wider_screen_on_names_programs_and_waits(self):
        name = "/a.long.name.of.thirtynine.characters"
        look = [channel(name, sent=5, largest=5, deepest=7, depth=7, sender=holder(os.getpid(), uid=os.getuid()),
                        receiver=holder(43, asleep_ms=12_000))]
        program = self.top(look, columns=140, rows=40)
        self.shows(program, "WAITS")
        self.shows(program, r"^/a.long.name.of.thirtynine~ .* "
                            rf"(python\S*|ctl\S*) +{os.getpid()} idle +\? +43 asleep +receiver 12s")
        self.shows(program, "^NAME .* SENDER .* RECEIVER .* WAITS")
        program.resize(200, 50)
        self.shows(program, f"^{re.escape(name)} ")
        self.shows(program, "SENT DEEPEST  FULL      SIZE$")
        self.shows(program, "#......... 7/63 .* 5       7     0     1 KiB$")
        self.becomes(program, lambda: program.screen.lines[49], "q quit  s sort: rate  h help")
        program.resize(80, 24)
        self.shows(program, "SENDER         RECEIVER$")
        self.becomes(program, lambda: program.screen.lines[23], "q quit  s sort: rate  h help")
        program.resize(20, 5)
        self.shows(program, "^q quit  s sort: rate$")

    def test_shows_rates_from_what_has_moved_between_two_looks(self):
        program = self.top([channel(sender=holder(42), receiver=holder(43), sent=0)],
                           *([channel(sender=holder(42), receiver=holder(43), sent=1000 * n, bytes_sent=10**6 * n, received=999 * n,
                                      full=3 * n)] for n in range(1, 10_000)))
        self.shows(program, r"^/camera +\d\S* +\d\S*[kM] .* [1-9]\d* 42 moving +43 moving$")

    def test_sorts_by_rate_fill_and_name(self):
        def look(n):
            return [channel("/a"), channel("/b", depth=10), channel("/c", sent=100 * n)]
        program = self.top(*(look(n) for n in range(10_000)))
        self.shows(program, r"^/c +\d*[1-9]")
        self.orders(program, ["/c", "/a", "/b"])
        program.press(b"s")
        self.shows(program, "sort: fill")
        self.orders(program, ["/b", "/a", "/c"])
        program.press(b"s")
        self.shows(program, "sort: name")
        self.orders(program, ["/a", "/b", "/c"])
        program.press(b"s")
        self.shows(program, "sort: rate")

    def test_scrolls_through_many_channels(self):
        program = self.top([channel(f"/c{n:03}") for n in range(100)])
        self.shows(program, "1-21 of 100")
        self.orders(program, [f"/c{n:03}" for n in range(21)])
        program.press(b" ")
        self.shows(program, "22-42 of 100")
        program.press(b"\x1bOB")
        self.shows(program, "23-43 of 100")
        self.shows(program, "RECEIVER *\n/c022 ")
        program.press(b"\x1bOA")
        self.shows(program, "22-42 of 100")
        for _ in range(5):
            program.press(b" ")
        self.shows(program, "80-100 of 100")
        program.resize(80, 44)
        self.shows(program, "60-100 of 100")

    def test_pages_with_the_keys_of_an_xterm(self):
        program = self.top([channel(f"/c{n:03}") for n in range(100)], term="screen")
        self.shows(program, "1-21 of 100")
        for keys, shown in ((b"\x1b[6~", "22-42"), (b"\x1b[5~", "1-21"), (b"\x1b[4~", "80-100"), (b"\x1b[1~", "1-21")):
            program.press(keys)
            self.shows(program, f"{shown} of 100")

    def test_helps_and_quits(self):
        program = self.top([channel()])
        self.shows(program, "^/camera")
        program.press(b"h")
        self.shows(program, "^MSG/S, BYTES/S: sent")
        program.press(b"h")
        eventually(lambda: "MSG/S, BYTES/S: sent" not in program.update(), "the help is gone")
        program.press(b"q")
        self.ends(program, 0)
        self.assertEqual(program.err, "")

    def test_gives_the_terminal_back_when_a_signal_ends_it(self):
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)):
            program = self.top([channel()])
            self.shows(program, "^/camera")
            self.assertFalse(program.restored())
            program.popen.send_signal(number)
            self.ends(program, code)
        program = self.top([channel()], term="xterm")
        self.shows(program, "^/camera")
        program.press(b"\x03")
        self.ends(program, 130)
        self.assertIn(b"\x1b[?1049l", program.written, "what was on the screen before is there again")

    def test_outlives_the_broker(self):
        program = self.top([channel()])
        self.shows(program, "^/camera")
        self.broker.close()
        self.shows(program, "waiting for it to come back")
        self.shows(program, "^/camera")
        self.broker.open()
        self.shows(program, "^zipcd 1.0.0, up 60s")
        program.press(b"q")
        self.ends(program, 0)

    def test_obeys_although_the_broker_does_not_answer(self):
        self.broker.silent = True
        program = self.top()
        self.shows(program, "q quit")
        program.press(b"h")
        self.shows(program, "^MSG/S")
        program.press(b"q")
        self.ends(program, 0)

    def test_needs_a_terminal_that_it_can_draw_on(self):
        self.fails(ctl_test.UNSUPPORTED, "standard output is no terminal", "top")
        self.env["ASAN_OPTIONS"] = "detect_leaks=0"  # curses does not free what it had for a terminal that it does not know
        for term, sentence in (("dumb", "cannot move its cursor: TERM is 'dumb'"), ("no-such", "not known: TERM is 'no-such'")):
            program = self.top(term=term)
            self.ends(program, ctl_test.UNSUPPORTED)
            self.assertIn(sentence, program.err)

    def test_needs_a_sensible_interval(self):
        for interval in ("0", "1", "99ms", "forever", "2h"):
            self.assertNotIn("or forever", self.fails(ctl_test.USAGE, "100ms to 1h", "top", "--interval", interval))

    def test_ends_when_the_terminal_goes(self):
        program = self.top([channel()])
        self.shows(program, "^/camera")
        os.close(program.terminal)
        os.close(program.controller)
        program.controller = program.terminal = -1
        program.popen.wait(WATCHDOG_S)


class Configuration(FakeBrokerTest):
    steps = [{"action": "create", "channel": "/new", "details": "8 x 1024 bytes"},
             {"action": "resize", "channel": "/camera", "details": "8 x 1024 bytes -> 16 x 1024 bytes, 3 messages are carried over"},
             {"action": "change", "channel": "/log", "details": "mode 0600 -> 0660"},
             {"action": "drain", "channel": "/old", "details": ""},
             {"action": "keep", "channel": "/x", "details": ""},
             {"action": "keep", "channel": "/y", "details": ""}]

    def setUp(self):
        super().setUp()
        self.yaml = self.file("new.yaml", b"channels: []\n")

    def test_shows_the_steps_of_a_plan_like_a_diff(self):
        self.broker.replies["Plan"] = {"steps": self.steps}
        changes = ("+ create  /new     8 x 1024 bytes\n"
                   "~ resize  /camera  8 x 1024 bytes -> 16 x 1024 bytes, 3 messages are carried over\n"
                   "~ change  /log     mode 0600 -> 0660\n"
                   "- drain   /old\n")
        self.assertEqual(self.check("plan", self.yaml), changes + "4 steps to do, 2 channels stay as they are\n")
        self.assertEqual(self.check("plan", self.yaml, "--all"),
                         changes + "  keep    /x\n  keep    /y\n4 steps to do, 2 channels stay as they are\n")
        self.assertEqual(json.loads(self.check("plan", self.yaml, "--json")), {"steps": self.steps})
        self.assertEqual(self.broker.asked("Plan")[0], {"config": "channels: []\n", "file": self.yaml})
        self.assertEqual(self.broker.asked("Apply"), [])

    def test_says_what_it_applied(self):
        self.broker.replies["Apply"] = {"steps": self.steps[:1] + self.steps[4:5]}
        self.assertEqual(self.check("apply", self.yaml),
                         "+ create  /new  8 x 1024 bytes\n1 step done, 1 channel stays as it is\n")
        self.assertEqual(json.loads(self.check("apply", self.yaml, "--json"))["steps"][0], self.steps[0])
        self.assertEqual(self.broker.asked("Plan"), [])

    def test_says_that_nothing_changes(self):
        for method, steps, text in (("Plan", self.steps[4:], "nothing to change: 2 channels stay as they are\n"),
                                    ("Apply", [], "nothing to change: 0 channels stay as they are\n")):
            self.broker.replies[method] = {"steps": steps}
            self.assertEqual(self.check(method.lower(), self.yaml), text)

    def test_reads_standard_input(self):
        self.broker.replies["Plan"] = {"steps": []}
        with open(self.yaml, "rb") as source:
            self.check("plan", "-", stdin=source)
        self.assertEqual(self.broker.asked("Plan"), [{"config": "channels: []\n", "file": "<stdin>"}])

    def test_prints_every_mistake_on_a_line(self):
        mistakes = f"{self.yaml}:3:5: unknown key 'queue_siz'\n{self.yaml}:4:1: 'mode' is not octal"
        for command in ("Plan", "Apply"):
            self.broker.replies[command] = ("InvalidConfig", {"message": mistakes})
            code, out, err = self.run_ctl(command.lower(), self.yaml)
            self.assertEqual((code, out), (INVALID_CONFIG, ""))
            self.assertEqual(err, f"{mistakes}\nzipcctl: {self.yaml} has 2 mistakes; nothing was changed\n"
                                  "hint: mend the lines above\n")

    def test_says_that_the_file_cannot_be_read(self):
        self.fails(ctl_test.SYSTEM, "cannot open .*missing.yaml: No such file", "plan", self.path("missing.yaml"))
        with open("/dev/zero", "rb") as zeros:
            self.fails(17, "longer than the 8 MiB", "apply", "-", stdin=zeros)
        self.assertEqual(self.broker.calls, [])


class Check(FakeBrokerTest):
    findings = [{"kind": "orphan", "subject": "/old", "message": "nobody knows this file", "repaired": True},
                {"kind": "wrong_size", "subject": "/camera", "message": "it has 4096 bytes instead of 8192", "repaired": False}]

    def test_says_that_nothing_is_wrong(self):
        self.broker.replies["Check"] = {"findings": []}
        self.assertEqual(self.check("check"), "nothing wrong: 3 channels, 2 leases\n")
        self.assertEqual(json.loads(self.check("check", "--json")), {"findings": [], "channels": 3, "leases": 2})
        self.assertEqual(self.broker.asked("Check"), [{"repair": False}] * 2)

    def test_shows_what_is_wrong_and_fails(self):
        self.broker.replies["Check"] = {"findings": self.findings}
        table = ("KIND        SUBJECT  WHAT IS WRONG\n"
                 "orphan      /old     nobody knows this file (repaired)\n"
                 "wrong_size  /camera  it has 4096 bytes instead of 8192\n")
        self.assertEqual(self.run_ctl("check"), (1, table, "zipcctl: 1 finding\nhint: zipcctl check --repair mends what can "
                                                           "be mended\n"))
        self.assertEqual(self.run_ctl("check", "--repair"),
                         (1, table, "zipcctl: 1 of 2 findings could not be repaired\nhint: see what is said of each; zipcd's "
                                    "log may say more\n"))
        code, out, _ = self.run_ctl("check", "--json")
        self.assertEqual((code, json.loads(out)["findings"]), (1, self.findings))

    def test_succeeds_when_all_is_repaired(self):
        self.broker.replies["Check"] = {"findings": self.findings[:1]}
        self.assertIn("(repaired)", self.check("check", "--repair"))
        self.assertEqual(self.broker.asked("Check"), [{"repair": True}])


class Interventions(FakeBrokerTest):
    def test_revokes_a_role(self):
        self.broker.replies["Revoke"] = {"channel": channel(generation=2)}
        self.assertEqual(self.check("revoke", "/camera", "sender"), "")
        self.assertEqual(json.loads(self.check("revoke", "/camera", "receiver", "--json"))["generation"], 2)
        self.assertEqual(self.broker.asked("Revoke"), [{"name": "/camera", "role": "sender"},
                                                       {"name": "/camera", "role": "receiver"}])
        self.fails(ctl_test.USAGE, "'both' is neither sender nor receiver", "revoke", "/camera", "both")

    def test_says_why_a_role_cannot_be_revoked(self):
        self.broker.replies["Revoke"] = ("LeaseNotFound", {"message": "nobody is the sender of /camera"})
        self.assertIn("hint: zipcctl get /camera shows who holds what\n",
                      self.fails(23, "nobody is the sender of /camera", "revoke", "/camera", "sender"))

    def test_resizes_and_keeps_what_is_not_given(self):
        self.broker.replies.update(Get={"channel": channel()}, Resize={"channel": channel(queue_size=128)})
        self.assertEqual(self.check("resize", "/camera", "--queue-size", 128), "")
        self.check("resize", "/camera", "--message-size", "4KiB")
        self.assertEqual(len(self.broker.asked("Get")), 2)
        self.assertEqual(json.loads(self.check("resize", "/camera", "--message-size", "1MiB", "--queue-size", 8, "--json"))
                         ["params"]["queue_size"], 128)
        self.assertEqual(len(self.broker.asked("Get")), 2, "it need not ask when both are given")
        self.assertEqual([call["params"] for call in self.broker.asked("Resize")],
                         [{"queue_size": 128, "message_size": 1024}, {"queue_size": 64, "message_size": 4096},
                          {"queue_size": 8, "message_size": 1048576}])

    def test_needs_a_size_to_resize(self):
        self.assertIn("hint: give --queue-size, --message-size, or both\n",
                      self.fails(ctl_test.USAGE, "no size is given", "resize", "/camera"))
        self.broker.replies.update(Get={"channel": channel()},
                                   Resize=("InvalidParams", {"message": "7 messages wait and 3 would fit"}))
        self.fails(ctl_test.INVALID_PARAMS, "7 messages wait", "resize", "/camera", "--queue-size", 4)


if __name__ == "__main__":
    if len(sys.argv) > 2 and not sys.argv[1].startswith("-"):
        ctl_test.ZIPCCTL, ZIPCD = sys.argv[1:3]
        del sys.argv[1:3]
    unittest.main()

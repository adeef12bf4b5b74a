"""A kill at every step of every handshake.

The sources name the steps (common/test_point.h). Each scenario has a process, sender, receiver or zipcd, stop itself at one
of them, kills it there, or has the channel moved and lets it go on; then successors go on, and everything is looked at: the
survivor is told, no message is lost or comes again beyond what zipc.h promises, zipcd finds nothing wrong, no file is left.
A point in the sources that no scenario reaches fails the test, and so does a scenario whose point nobody reaches.

    kill_test.py SOURCE_FOLDER [WORD]...    only scenarios whose names have one of the words
"""
import concurrent.futures
import contextlib
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest

from harness import FdPeer, Varlink, eventually, program, shm_path, unique_name

SOURCES = sys.argv[1] if len(sys.argv) > 1 else ""
WORDS = sys.argv[2:]
WATCHDOG_S = 120
WORKERS = 4
# The other tests look for leaks, which takes longer than all of a scenario.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"

CONFIG = """
dynamic: {names: ["/zs.*"], linger: LINGER}
limits: {total_size: 64MiB, channel_size: 16MiB}
"""
MESSAGES = 20
SLOTS = 4
FENCED = 27
DIED = "3"
# Words of the header: common/layout.hpp.
WAITING = {"sender": 4, "receiver": 68}
NOTICE = {"sender": 104, "receiver": 28}
PEER_GONE = 1
OTHER = {"sender": "receiver", "receiver": "sender"}
VERB = {"sender": "send", "receiver": "receive"}


def has_stopped(pid):
    """Waits until it has stopped itself, or ended."""
    return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT).si_code == os.CLD_STOPPED


class Program:
    """A child of which every line of output is kept."""

    def __init__(self, arguments, env, errors, stdin=None):
        self.arguments = arguments
        self.errors = errors
        self.lines = []
        self.popen = subprocess.Popen(arguments, env=env, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=errors, text=True)
        self.pid = self.popen.pid

    def failure(self, what):
        self.errors.flush()
        with open(self.errors.name, encoding="utf-8") as file:
            return AssertionError(f"{' '.join(self.arguments)}: {what}; it said {self.lines} {file.read()[-1500:]}")

    def wait_line(self, expected):
        while True:
            line = self.popen.stdout.readline()
            if not line:
                raise self.failure(f"ended with {self.popen.wait()} without '{expected}'")
            self.lines.append(line.strip())
            if line.startswith(expected):
                return line.split()

    def feed(self, count=1):
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.write("x" * count)
            self.popen.stdin.flush()

    def await_stop(self):
        """Until it has stopped itself; an end is an error."""
        if not has_stopped(self.pid):
            raise self.failure(f"ended with {self.end()}, but should have stopped at a point")
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)  # taken note of: the next stop is another

    def stop(self):
        os.kill(self.pid, signal.SIGSTOP)
        self.await_stop()

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

    def kill(self):
        if self.popen.poll() is None:
            self.popen.kill()
        return self.end()

    def end(self):
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):
                self.popen.stdin.close()
        if not self.popen.stdout.closed:
            self.lines += [line.strip() for line in self.popen.stdout]
            self.popen.stdout.close()
        return self.popen.wait()

    def check(self, code=0):
        ended = self.end()
        if ended != code:
            raise self.failure(f"ended with {ended}, not {code}")

    @property
    def got(self):
        return [int(line.split()[1]) for line in self.lines if line.startswith("got ")]


class House:
    """A folder, a configuration and a zipcd."""

    def __init__(self, config=CONFIG, linger="1h"):
        self.folder = tempfile.mkdtemp(prefix="zipc-kill-")
        self.socket_path = os.path.join(self.folder, "zipcd.sock")
        self.config_path = os.path.join(self.folder, "zipcd.yaml")
        self.errors = open(os.path.join(self.folder, "log"), "a", encoding="utf-8")
        self.write_config(config.replace("LINGER", linger))
        self.zipcd = None
        self.observer = None

    def write_config(self, text):
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, stop_at=None):
        env = dict(os.environ)
        if stop_at:
            env["ZIPC_STOP_AT"] = stop_at
        self.zipcd = Program([program("ZIPCD"), "--config", self.config_path, "--socket", self.socket_path,
                              "--log-level", "debug"], env, self.errors)
        return self.zipcd

    def await_listening(self):
        def listens():
            if self.zipcd.popen.poll() is not None:
                raise self.zipcd.failure("ended")
            with contextlib.suppress(OSError), contextlib.closing(Varlink(self.socket_path)):
                return True
            return False
        eventually(listens, "zipcd listens")

    def call(self, method, **parameters):
        if self.observer is None:
            self.observer = Varlink(self.socket_path)
        return self.observer.broker(method, **parameters)

    def forget_connection(self):
        if self.observer is not None:
            self.observer.close()
        self.observer = None

    def kill(self):
        self.forget_connection()
        self.zipcd.kill()

    def close(self):
        self.forget_connection()
        if self.zipcd is not None:
            self.zipcd.kill()
        self.errors.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class World:
    """One channel, its peers, and what a scenario does with them."""

    def __init__(self, house, brokered, own_house):
        self.house = house
        self.own_house = own_house
        self.brokered = brokered
        self.name = unique_name()
        self.peers = []
        self.connections = []
        self.env = {**os.environ, "ZIPC_SOCKET": house.socket_path, "XDG_RUNTIME_DIR": "",
                    "ZIPC_BROKER": "require" if brokered else "off", "ZIPC_BROKER_TIMEOUT": "100000"}
        self.env.pop("ZIPC_STOP_AT", None)
        self.watchdog = threading.Timer(WATCHDOG_S, self.bark)
        self.watchdog.start()

    def bark(self):
        for each in [*self.peers, *([self.house.zipcd] if self.own_house and self.house.zipcd else [])]:
            with contextlib.suppress(OSError):
                each.popen.kill()

    # What there is.

    def peer(self, role, *options, stop_at=None, paced=False, count=MESSAGES, in_place=False, slots=SLOTS):
        env = dict(self.env)
        if stop_at:
            env["ZIPC_STOP_AT"] = stop_at
        arguments = [program("ZIPC_PEER"), VERB[role], self.name, str(slots), "64", "--count", str(count), "--announce",
                     "--tell", "--log", "--longest", "64", *options]
        if paced:
            arguments.append("--paced")
        if in_place:
            arguments.append("--in-place")
        peer = Program(arguments, env, self.house.errors, stdin=paced or "--hold" in options)
        self.peers.append(peer)
        return peer

    def attached(self, role, *options, **more):
        peer = self.peer(role, *options, **more)
        peer.wait_line("attached")
        return peer

    def hold_asleep(self, peer, role):
        """Stops it while it sleeps: beside nobody a sender looks by itself every millisecond, and then it need not be woken."""
        def is_held():
            peer.stop()
            if self.word(WAITING[role]) != 0:
                return True
            peer.go_on()
            return False
        eventually(is_held, f"the {role} is held asleep")

    def resumed(self, role, **more):
        return self.peer(role, "--resume", slots=0, **more)

    def word(self, offset):
        with open(shm_path(self.name), "rb") as file:
            return struct.unpack("I", os.pread(file.fileno(), 4, offset))[0]

    def await_asleep(self, role):
        eventually(lambda: self.word(WAITING[role]) != 0, f"the {role} sleeps")

    def request(self, method, **parameters):
        """Asks zipcd, and leaves the answer for later."""
        client = Varlink(self.house.socket_path)
        self.connections.append(client)
        client.send("io.zipc.Broker." + method, parameters)
        return client

    def answer(self, client):
        reply = client.receive()
        assert reply is not None, "zipcd closed the connection"
        assert reply.get("error") is None, reply
        return reply["parameters"]

    def call(self, method, **parameters):
        error, reply = self.house.call(method, **parameters)
        assert error is None, (error, reply)
        return reply

    def resize(self, slots=8):
        return self.call("Resize", name=self.name, params={"queue_size": slots, "message_size": 64})

    def restart(self, stop_at=None):
        self.house.kill()
        self.house.start(stop_at)
        if stop_at is None:
            self.house.await_listening()

    # What must be.

    def told(self, survivor, victim, state=DIED):
        line = survivor.wait_line("peer gone")
        if state is not None:
            assert line[2] == state, line
        if victim is not None:
            assert line[3] == str(victim.pid), (line, victim.pid)

    def stream(self, *receivers, lost=(), repeated=(), may=False):
        """Every message came, in order. `lost`: those that did not; `repeated`: those that came twice. `may`: or were not."""
        got = [number for receiver in receivers for number in receiver.got]
        for number in repeated:
            if got.count(number) == 2:
                got.remove(number)
            else:
                assert may, f"message {number} did not come again: {[r.got for r in receivers]}"
        expected = [number for number in range(MESSAGES) if number not in lost or (may and number in got)]
        assert got == expected, f"got {[r.got for r in receivers]}; lost {list(lost)} is right, twice {list(repeated)}"

    def finish(self):
        for peer in self.peers:
            if peer.popen.poll() is None:
                raise peer.failure("has not ended")
        if self.brokered:
            reply = self.call("Check", repair=False)
            assert reply["findings"] == [], reply
            assert not self.files(" "), self.files()
            if self.own_house:
                self.house.forget_connection()
                self.house.zipcd.popen.terminate()
                self.house.zipcd.check()
            else:
                self.call("Remove", name=self.name, force=True)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(shm_path(self.name))
        assert not self.files(), self.files()

    def files(self, behind=""):
        return [entry for entry in os.listdir("/dev/shm") if entry.startswith(self.name[1:] + behind)]

    def close(self):
        self.watchdog.cancel()
        for peer in self.peers:
            peer.kill()
        for client in self.connections:
            client.close()
        if self.own_house and self.house.zipcd is not None:
            self.house.kill()
        for entry in self.files():
            with contextlib.suppress(OSError):
                os.unlink("/dev/shm/" + entry)


SCENARIOS = []
COVERED = set()


def points_in(stop_at):
    return {one.split(":")[0] for one in stop_at.split(",") if one}


def add(action, stop_at, *arguments, brokered=True, own=False, linger="1h", **options):
    COVERED.update(points_in(stop_at))
    words = [action.__name__, stop_at, *map(str, arguments), *(f"{key}={value}" for key, value in options.items())]
    name = " ".join([*words, "brokered" if brokered else "direct"])
    SCENARIOS.append((name, lambda world: action(world, stop_at, *arguments, **options), brokered, own, linger))


# ---- A peer is killed.

def dies(world, stop_at, victim_role, in_place=False, announced=True, lost=(), repeated=()):
    """While its survivor has as much as it can without it."""
    receiving = victim_role == "receiver"
    survivor = world.attached(OTHER[victim_role])
    world.await_asleep(OTHER[victim_role])
    if receiving and stop_at.startswith("wake."):
        world.hold_asleep(survivor, OTHER[victim_role])
    victim = world.peer(victim_role, stop_at=stop_at, in_place=in_place)
    victim.await_stop()
    victim.kill()
    survivor.go_on()
    if announced:
        world.told(survivor, victim)
    successor = world.resumed(victim_role)
    successor.check()
    survivor.check()
    if receiving:
        world.stream(victim, successor, lost=lost, repeated=repeated)
    else:
        world.stream(survivor)


def dies_after_another(world, stop_at, victim_role):
    """A successor that dies before it is there does not make the survivor miss that its predecessor has gone."""
    survivor_role = OTHER[victim_role]
    survivor = world.attached(survivor_role, paced=True)
    if victim_role == "sender":
        before = world.attached("sender", "--hold", count=2)
        before.wait_line("sent")
    else:
        before = world.attached("receiver", "--hold", count=0)
        before.wait_line("received")
    before.kill()
    if world.brokered:
        eventually(lambda: world.word(NOTICE[survivor_role]) & PEER_GONE, "zipcd has told")
    victim = world.peer(victim_role, "--resume", stop_at=stop_at)
    victim.await_stop()
    victim.kill()
    survivor.feed(MESSAGES)
    world.told(survivor, None, None)  # of the one or the other
    successor = world.resumed(victim_role)
    successor.check()
    survivor.check()
    world.stream(*([survivor] if victim_role == "sender" else [successor]))


def is_succeeded(world, victim_role, victim, survivor):
    """By one that goes on where it was: nothing is lost or repeated."""
    successor = world.resumed(victim_role)
    successor.check()
    survivor.check()
    world.stream(*([survivor] if victim_role == "sender" else [victim, successor]))


def dies_waiting(world, stop_at, victim_role):
    survivor = world.attached(OTHER[victim_role], paced=True)
    victim = world.attached(victim_role, stop_at=stop_at)
    if "after-sleeping" in stop_at or "taking-back" in stop_at:
        world.await_asleep(victim_role)
        survivor.feed(1)
    victim.await_stop()
    victim.kill()
    survivor.feed(MESSAGES)
    world.told(survivor, victim)
    is_succeeded(world, victim_role, victim, survivor)


def dies_learning(world, stop_at, victim_role):
    """While it learns that its peer has gone; by itself, or from who knows."""
    victim = world.attached(victim_role, stop_at=stop_at)
    other = world.attached(OTHER[victim_role], "--hold", count=1)
    other.wait_line("sent" if victim_role == "receiver" else "received")
    other.kill()
    victim.await_stop()
    victim.kill()
    sender = world.resumed("sender")
    receiver = world.resumed("receiver")
    sender.check()
    receiver.check()
    world.stream(victim if victim_role == "receiver" else other, receiver)


def dies_leaving(world, stop_at, victim_role):
    survivor = world.attached(OTHER[victim_role])
    world.await_asleep(OTHER[victim_role])
    victim = world.peer(victim_role, stop_at=stop_at, count=3)
    victim.await_stop()
    victim.kill()
    world.told(survivor, victim, None)
    is_succeeded(world, victim_role, victim, survivor)


def leaves_between_looks(world, stop_at):
    """A sender sends its last message, and leaves, just after its receiver has found nothing; then it has a successor."""
    sent = int(stop_at.split(":")[1]) - 1
    world.env["ZIPC_MEMBARRIER"] = "off"  # the receiver has not been told by the time that it looks
    sender = world.attached("sender", paced=True, count=sent + 1)
    receiver = world.attached("receiver", "--spin", paced=True, stop_at=stop_at)
    for number in range(sent):
        sender.feed()
        sender.wait_line(f"{number + 1}")
        receiver.feed()
        receiver.wait_line(f"got {number}")
    receiver.feed()
    receiver.await_stop()
    sender.feed()
    sender.check()
    receiver.go_on()
    receiver.wait_line(f"got {sent}")
    successor = world.resumed("sender", paced=True)
    successor.wait_line("attached")
    receiver.feed(MESSAGES)
    successor.feed(MESSAGES)
    receiver.check()
    successor.check()
    world.stream(receiver)


def dies_ringing(world, stop_at):
    """It has taken back that the receiver waits by a descriptor, and not rung: then zipcd does, for its departure."""
    with contextlib.ExitStack() as stack:
        receiver = FdPeer(world.env, "receive", world.name, SLOTS)
        stack.callback(receiver.end)
        victim = FdPeer({**world.env, "ZIPC_STOP_AT": stop_at}, "send", world.name, SLOTS)
        stack.callback(victim.end)
        assert receiver.do("fd") == "fd"
        assert receiver.do("try") == "empty"
        assert receiver.do("ready") == "no"
        victim.start("try")
        assert has_stopped(victim.popen.pid), "it should have stopped at a point"
        assert receiver.do("ready") == "no", "it has not rung"
        victim.end()
        assert receiver.do("wait") == "ready"
        assert receiver.do("try") == "ok 0"
        assert receiver.do("try").startswith("peer_gone")


def says_clear(world, stop_at, then):
    """The sender says that it need wake nobody, its receiver being busy with something else; and is killed, or finds that it is no longer so."""
    receiver = world.attached("receiver", paced=True)
    sender = world.peer("sender", stop_at=stop_at)
    sender.await_stop()
    if then == "dies":
        sender.kill()
        receiver.feed(MESSAGES)
        world.told(receiver, sender)
        is_succeeded(world, "sender", sender, receiver)
        return
    if then == "is moved":
        world.resize()
    receiver.feed(MESSAGES)
    if then == "is slept beside":
        world.await_asleep("receiver")
    sender.go_on()
    sender.check()
    receiver.check()
    world.stream(receiver)


def dies_first(world, stop_at, victim_role):
    """While it makes the channel."""
    victim = world.peer(victim_role, stop_at=stop_at)
    victim.await_stop()
    victim.kill()
    receiver = world.peer("receiver")
    sender = world.peer("sender")
    sender.check()
    receiver.check()
    world.stream(receiver)


# ---- The channel is moved while a peer is stopped.

def is_moved(world, stop_at, victim_role, how, in_place=False):
    """It goes on afterwards. With how=revoke it has a successor by then."""
    other = world.attached(OTHER[victim_role])
    victim = world.peer(victim_role, stop_at=stop_at, in_place=in_place)
    victim.await_stop()
    number = int(stop_at.split(":")[1]) - 1
    if how == "resize":
        world.resize()
        victim.go_on()
        victim.check()
        other.check()
        world.stream(*([other] if victim_role == "sender" else [victim]))
        return
    if how == "resize and revoke":  # it is behind by the time that it loses its role
        world.resize()
    world.call("Revoke", name=world.name, role=victim_role)
    successor = world.resumed(victim_role)
    successor.check()
    victim.go_on()
    victim.check(FENCED)
    other.check()
    repeated = [number] if in_place else []
    if victim_role == "sender":
        world.stream(other)
    else:
        world.stream(victim, successor, repeated=repeated, may=True)


def dies_following(world, stop_at, victim_role, how="resize", in_place=False, also="nothing"):
    first, second = stop_at.split(",")
    survivor = world.attached(OTHER[victim_role])
    victim = world.peer(victim_role, stop_at=stop_at, in_place=in_place)
    victim.await_stop()
    if how == "resize":
        world.resize()
    else:
        world.call("Revoke", name=world.name, role=victim_role)
    victim.go_on()
    victim.await_stop()
    if also == "zipcd":
        world.house.kill()
    victim.kill()
    if also == "zipcd":
        world.restart()
    world.told(survivor, None, None)
    successor = world.resumed(victim_role)
    successor.check()
    survivor.check()
    number = int(first.split(":")[1]) - 1
    if victim_role == "sender":
        world.stream(survivor)
    elif in_place:
        world.stream(victim, successor, repeated=[number], may=True)
    else:
        world.stream(victim, successor, lost=[number], may=True)


def add_peers():
    sending = ["publish.before-length", "publish.after-length", "publish.after-sent", "publish.after-bytes-sent",
               "publish.before-tail", "publish.after-tail", "wake.after-fence"]
    freeing = ["free.before-received", "free.before-head", "free.after-head", "free.after-fence"]
    waking = ["wake.before-waking", "wake.after-waking", "wake.before-notice"]
    entering = ["attach.before-entering", "enter.before-retracting-peer", "enter.after-retracting-peer", "enter.after-pid",
                "enter.before-repairing", "enter.after-repairing", "enter.after-skipping", "enter.before-announcing",
                "announce.before-notice"]
    entered = ["announce.after-notice", "enter.after-announcing", "attach.after-entering", "attach.after-noting"]
    consumed = {"free.after-head", "free.after-fence", *waking}
    for brokered in (True, False):
        for point in sending + waking:
            add(dies, f"{point}:1", "sender", brokered=brokered)
        for point in sending:
            add(dies, f"{point}:6", "sender", brokered=brokered, in_place=True)
        for point in freeing + waking:
            for in_place, number in ((False, 1), (True, 1), (False, 6), (True, 6)):
                if number == 6 and (point not in freeing or not brokered):
                    continue
                here = [number - 1]
                add(dies, f"{point}:{number}", "receiver", brokered=brokered, in_place=in_place,
                    lost=here if point in consumed and not in_place else [],
                    repeated=here if point not in consumed and in_place else [])
        ways_in = (["attach.after-reply", "attach.after-set-up-lock"] if brokered else
                   ["direct.after-opening", "direct.after-set-up-lock", "direct.before-role-lock", "direct.after-role-lock"])
        marked = ["set-up-marked.before-allocating", "set-up-marked.after-allocating"]
        for role in OTHER:
            for point in ways_in + marked + entering:
                add(dies, point, role, brokered=brokered, announced=False)
            for point in entered:
                add(dies, point, role, brokered=brokered)
            for point in ["enter.before-announcing", "announce.before-notice", "announce.after-notice"]:
                add(dies_after_another, point, role, brokered=brokered)
            for point in ["wait.before-announcing", "wait.after-announcing", "wait.before-sleeping", "wait.after-sleeping",
                          "wait.before-taking-back"]:
                add(dies_waiting, point, role, brokered=brokered)
            for point in ["departure.before-taking", "departure.after-taking"]:
                add(dies_learning, point, role, brokered=brokered)
            for point in ["detach.before-leaving", "retract.before-notice", "retract.after-notice", "retract.after-features",
                          "detach.before-unmapping"]:
                add(dies_leaving, point, role, brokered=brokered)
        add(dies_leaving, "detach.after-unmapping", "sender", brokered=brokered)
        for point in ["before-about-to", "after-about-to", "before-saying", "after-saying"]:
            # Without a broker a receiver that is not woken looks by itself, soon.
            for then in ("dies", *(["is slept beside", "is moved"] if brokered else [])):
                add(says_clear, f"all-clear.{point}", then, brokered=brokered)
        add(leaves_between_looks, f"find.before-departure:{SLOTS + 2}", brokered=brokered)
    add(dies_ringing, "wake.before-ringing")
    for role in OTHER:
        for point in ["look.before-telling", "retract.before-notice", "retract.after-notice", "retract.after-features"]:
            add(dies_learning, point, role, brokered=False)
    for point in ["set-up.before-allocating", "set-up.after-allocating", "set-up.after-flag", "set-up.before-mark",
                  "set-up.after-mark", "direct.after-opening", "direct.after-role-lock"]:
        add(dies_first, point, "sender", brokered=False)

    for how, number in (("resize", 1), ("resize", 6), ("revoke", 6), ("resize and revoke", 6)):
        for point in sending:
            add(is_moved, f"{point}:{number}", "sender", how, in_place=number == 6 and how != "revoke")
        for point in freeing:
            for in_place in (False, True):
                add(is_moved, f"{point}:{number}", "receiver", how, in_place=in_place)
    follow = ["follow.before-asking", "follow.after-asking", "follow.after-taking", "follow.before-entering",
              "announce.before-notice", "announce.after-notice", "follow.after-entering", "private.before-mapping",
              "private.after-mapping", "follow.after-leaving", "follow.after-noting"]
    # The announcing that counts is the second: the first is at the beginning.
    numbered = [f"{point}:2" if point.startswith("announce") else point for point in follow]
    for point in numbered:
        for first in ("publish.before-tail:6", "publish.after-tail:6"):
            add(dies_following, f"{first},{point}", "sender")
        for first, in_place in (("free.before-head:3", False), ("free.before-head:3", True), ("free.after-head:3", False)):
            add(dies_following, f"{first},{point}", "receiver", in_place=in_place)
    for point in ("skip.before-one", "skip.after-one", "enter.after-repairing:2"):
        for in_place in (False, True):
            add(dies_following, f"free.before-head:3,{point}", "receiver", in_place=in_place)
    for point in ("follow.before-asking", "private.before-mapping", "private.after-mapping", "fence.after-leaving"):
        add(dies_following, f"publish.before-tail:6,{point}", "sender", how="revoke")
        add(dies_following, f"free.before-head:3,{point}", "receiver", how="revoke")


# ---- zipcd is killed.

def zipcd_dies_granting(world, stop_at, with_client=False):
    """While it answers the first or the second who comes; whoever waits for its answer gets it from the next."""
    zipcd = world.house.start(stop_at)
    world.house.await_listening()
    receiver = world.peer("receiver")
    if ":2" in stop_at:
        receiver.wait_line("attached")
        second = world.peer("sender")
    zipcd.await_stop()
    if with_client:
        (second if ":2" in stop_at else receiver).kill()
    world.restart()
    if with_client and ":2" not in stop_at:
        receiver = world.peer("receiver")
    sender = second if ":2" in stop_at and not with_client else world.peer("sender", "--resume")
    sender.check()
    receiver.check()
    world.stream(receiver)
    world.resize()  # which it could not if the memory were somebody else's


def zipcd_dies_ending(world, stop_at, victim_role, how):
    """While it learns that a role has ended, and tells the peer."""
    zipcd = world.house.start(stop_at)
    world.house.await_listening()
    survivor = world.attached(OTHER[victim_role])
    world.await_asleep(OTHER[victim_role])
    victim = world.attached(victim_role, "--hold", count=3)
    victim.wait_line("sent" if victim_role == "sender" else "received")
    if how == "kill":
        victim.kill()
    else:
        victim.check()
    zipcd.await_stop()
    world.restart()
    world.told(survivor, victim, DIED if how == "kill" else None)
    is_succeeded(world, victim_role, victim, survivor)


def zipcd_dies_releasing(world, stop_at):
    zipcd = world.house.start(stop_at)
    world.house.await_listening()
    client = Varlink(world.house.socket_path)
    world.connections.append(client)
    error, reply = client.broker("Acquire", name=world.name, role="sender", params={"queue_size": SLOTS, "message_size": 64})
    assert error is None, reply
    client.send("io.zipc.Broker.Release", {"lease": reply["lease"]})
    zipcd.await_stop()
    client.close_fds()
    world.restart()
    receiver = world.attached("receiver")
    world.attached("sender").check()
    receiver.check()
    world.stream(receiver)


def zipcd_dies_removing(world, stop_at, behind=False):
    zipcd = world.house.start(stop_at)
    world.house.await_listening()
    world.attached("sender", count=2).check()
    if behind:
        old = world.attached("receiver", paced=True)
        world.resize()
    world.request("Remove", name=world.name, force=True)
    zipcd.await_stop()
    if behind:
        old.kill()
    world.restart()
    error, reply = world.house.call("Remove", name=world.name, force=True)
    assert error in (None, "io.zipc.Broker.ChannelNotFound"), reply
    assert not world.files(), world.files()
    receiver = world.attached("receiver")
    world.attached("sender").check()
    receiver.check()
    world.stream(receiver)


def zipcd_dies_reaping(world, stop_at):
    zipcd = world.house.start(stop_at)
    world.house.await_listening()
    receiver = world.attached("receiver")
    world.attached("sender").check()
    receiver.check()
    zipcd.await_stop()
    world.restart()
    eventually(lambda: not world.files(), "the next zipcd reaps it")
    world.stream(receiver)


def some_messages(world):
    """A sender and a receiver that wait for bytes; two messages wait."""
    sender = world.attached("sender", paced=True)
    sender.feed(3)
    receiver = world.attached("receiver", paced=True)
    sender.wait_line("3")
    receiver.feed(1)
    receiver.wait_line("got 0")
    return {"sender": sender, "receiver": receiver}


def dies_while_adopted(world, stop_at, victim_role):
    """A holder ends between being found by a new zipcd and being watched by it. Nobody asks: the peer is told nevertheless."""
    world.house.start()
    world.house.await_listening()
    peers = some_messages(world)
    world.house.kill()
    zipcd = world.house.start(stop_at)
    zipcd.await_stop()
    peers[victim_role].kill()
    zipcd.go_on()
    world.house.await_listening()
    end_stream(world, peers, dead=victim_role)


def end_stream(world, peers, fenced=None, dead=None):
    """Lets what is left of the two go on to the end, with a successor of who is fenced or dead."""
    for peer in peers.values():
        if peer.popen.poll() is None:
            peer.feed(MESSAGES)
    if fenced:
        peers[fenced].check(FENCED)
    receivers = [peers["receiver"]]
    gone = fenced or dead
    if gone:
        if dead:
            world.told(peers[OTHER[dead]], None, None)
        successor = world.resumed(gone)
        successor.check()
        if gone == "receiver":
            receivers.append(successor)
    for role, peer in peers.items():
        if role != gone:
            peer.check()
    lost = range(MESSAGES) if dead == "receiver" else []
    if dead == "receiver":  # at most the one that it was about to get
        got = [number for receiver in receivers for number in receiver.got]
        lost = sorted(set(range(MESSAGES)) - set(got))
        assert len(lost) <= 1, lost
    world.stream(*receivers, lost=lost)


def zipcd_dies_moving(world, stop_at, how="resize", then="kill", meanwhile="nothing", next_stop=None):
    """With two messages waiting. then=go_on: it is only stopped for a while. meanwhile: what the peers do then."""
    zipcd = world.house.start(stop_at)
    world.house.await_listening()
    peers = some_messages(world)
    request = {"resize": lambda: world.request("Resize", name=world.name, params={"queue_size": 8, "message_size": 64}),
               "sender": lambda: world.request("Revoke", name=world.name, role="sender"),
               "receiver": lambda: world.request("Revoke", name=world.name, role="receiver")}[how]
    asked = request()
    zipcd.await_stop()
    dead = None
    if meanwhile in OTHER:
        dead = meanwhile
        peers[dead].kill()
    elif meanwhile == "go on":
        for peer in peers.values():
            peer.feed(1)
    elif meanwhile == "go on without receiver":
        for peer in peers.values():
            peer.feed(1)
        dead = "receiver"
        peers[dead].kill()
    if then == "go_on":
        zipcd.go_on()
        reply = world.answer(asked)
        assert reply["channel"]["generation"] == 2, reply
    else:
        world.restart(next_stop)
        if next_stop:
            world.house.zipcd.await_stop()
            if meanwhile == "later receiver":
                dead = "receiver"
                peers[dead].kill()
            world.restart()
        if how in OTHER and dead != how:
            answer = request()
            reply = answer.receive()
            assert reply.get("error") in (None, "io.zipc.Broker.LeaseNotFound"), reply
    end_stream(world, peers, fenced=how if how in OTHER and dead != how else None, dead=dead)
    eventually(lambda: not world.files(" "), "the former memory is removed")


def zipcd_dies_followed(world, stop_at, with_peer=None):
    """While a peer asks where its channel is."""
    zipcd = world.house.start(stop_at)
    world.house.await_listening()
    peers = some_messages(world)
    world.resize()
    first = with_peer or "sender"
    peers[first].feed(1)
    if stop_at.startswith("formers"):
        peers[OTHER[first]].feed(1)
    zipcd.await_stop()
    if with_peer:
        peers[with_peer].kill()
    world.restart()
    end_stream(world, peers, dead=with_peer)
    eventually(lambda: not world.files(" "), "the former memory is removed")


def dies_behind_without_zipcd(world, stop_at, victim_role):
    """Before it has followed, and before the next zipcd is there; its peer has followed, or follows later."""
    world.house.start("move.after-waking")
    world.house.await_listening()
    peers = some_messages(world)
    world.request("Resize", name=world.name, params={"queue_size": 8, "message_size": 64})
    world.house.zipcd.await_stop()
    world.house.kill()
    peers[victim_role].kill()
    world.house.start(stop_at)
    if stop_at:
        world.house.zipcd.await_stop()
        world.restart()
    end_stream(world, peers, dead=victim_role)


def zipcd_dies_fencing(world, stop_at, victim_role):
    """Who has not followed an earlier move."""
    zipcd = world.house.start(stop_at)
    world.house.await_listening()
    peers = some_messages(world)
    world.resize()
    world.request("Revoke", name=world.name, role=victim_role)
    zipcd.await_stop()
    world.restart()
    error, reply = world.house.call("Revoke", name=world.name, role=victim_role)
    assert error in (None, "io.zipc.Broker.LeaseNotFound"), reply
    end_stream(world, peers, fenced=victim_role)
    eventually(lambda: not world.files(" "), "the former memory is removed")


def zipcd_dies_undoing(world, stop_at):
    """A move that does not fit any more."""
    zipcd = world.house.start(stop_at)
    world.house.await_listening()
    sender = world.attached("sender", paced=True, slots=8)
    sender.feed(2)
    sender.wait_line("2")
    receiver = world.attached("receiver", paced=True, slots=8)
    world.request("Resize", name=world.name, params={"queue_size": 4, "message_size": 64})
    zipcd.await_stop()
    sender.feed(4)
    sender.wait_line("6")
    zipcd.go_on()
    zipcd.await_stop()
    world.restart()
    assert world.call("Get", name=world.name)["channel"]["generation"] == 1
    end_stream(world, {"sender": sender, "receiver": receiver})


def zipcd_dies_applying(world, stop_at, kept="old"):
    """The next one has the configuration that was to be applied, or the one of before."""
    other = world.name + ".new"
    channel = "  - {{name: {}, queue_size: {}, message_size: 64}}\n".format
    rules = CONFIG.replace("LINGER", "1h")
    old = rules + "channels:\n" + channel(world.name, SLOTS) + channel(world.name + ".old", 4)
    new = rules + "channels:\n" + channel(world.name, 8) + channel(other, 4)
    world.house.write_config(old)
    zipcd = world.house.start(stop_at)
    world.house.await_listening()
    peers = some_messages(world)
    world.request("Apply", config=new, file="new.yaml")
    zipcd.await_stop()
    world.house.write_config({"old": old, "new": new, "none": rules}[kept])
    world.restart()
    channels = {entry["name"]: entry for entry in world.call("List")["channels"]}
    assert kept != "new" or not channels[other]["draining"], channels
    assert kept == "new" or other not in channels or channels[other]["draining"], channels
    end_stream(world, peers)
    eventually(lambda: not world.files(" "), "the former memory is removed")


def add_zipcds():
    own = {"own": True}
    for point in ["make.after-file", "set-up.before-allocating", "set-up.after-allocating", "set-up.after-flag",
                  "set-up.before-mark", "set-up.after-mark", "make.after-set-up", "make.after-describing",
                  "make.before-naming", "make.after-naming",
                  "acquire.after-making", "grant.before-lock", "grant.after-lock", "grant.before-registry",
                  "grant.after-registry", "acquire.after-granting", "reply.before", "reply.after"]:
        for with_client in (False, True):
            add(zipcd_dies_granting, point, with_client=with_client, **own)
    for point in ["acquire.after-making", "grant.after-lock", "grant.after-registry", "acquire.after-granting", "reply.before",
                  "reply.after"]:
        for with_client in (False, True):
            add(zipcd_dies_granting, f"{point}:2", with_client=with_client, **own)
    for role in OTHER:
        for point in ["end.before-telling", "tell.after-lock", "tell.before-notice", "tell.after-notice", "tell.after-waking",
                      "end.before-registry", "end.after-registry"]:
            add(zipcd_dies_ending, point, role, "kill", **own)
            if point.startswith("end"):
                add(zipcd_dies_ending, point, role, "leave", **own)
    for number, role in enumerate(("sender", "receiver"), 1):  # in this order they are adopted
        add(dies_while_adopted, f"adopt.before-watching:{number}", role, **own)
    for point in ["release.before-ending", "release.after-ending"]:
        add(zipcd_dies_releasing, point, **own)
    for point in ["remove.before-file", "remove.after-file", "remove.after-forgetting"]:
        add(zipcd_dies_removing, point, **own)
        add(zipcd_dies_removing, point, behind=True, **own)
    add(zipcd_dies_removing, "forget.before-former", behind=True, **own)
    for point in ["reap.before-file", "reap.after-file"]:
        add(zipcd_dies_reaping, point, linger="0s", **own)
    making = ["make.after-file:2", "set-up.after-allocating:2", "set-up.before-mark:2", "make.after-set-up:2"]
    moving = ["move.before-making", *making, "move.after-making", "move.after-preparing", "move.before-notice",
              "move.after-telling-one:1", "move.before-fence", "move.before-snapshot", "move.after-snapshot",
              "move.after-lengths", "move.after-messages", "move.before-header", "move.after-header",
              "move.after-final-head", "move.after-final-tail", "move.before-exchange", "move.after-exchange",
              "move.after-telling-one:3", "move.before-waking", "move.after-waking", "move.before-noting", "move.after-noting"]
    decisive = {"move.before-notice", "move.after-telling-one:1", "move.before-snapshot", "move.after-snapshot",
                "move.after-final-tail", "move.after-exchange", "move.after-telling-one:3", "move.before-waking",
                "move.after-noting"}
    for point in moving:
        add(zipcd_dies_moving, point, meanwhile="go on", **own)
        if point in decisive:
            add(zipcd_dies_moving, point, **own)
        if point not in decisive:
            continue
        add(zipcd_dies_moving, point, then="go_on", meanwhile="go on", **own)
        for role in OTHER:
            add(zipcd_dies_moving, point, meanwhile=role, **own)
    for point in ["move.after-telling-one:2", "move.after-snapshot", "move.after-final-tail", "move.after-exchange",
                  "move.after-telling-one:3", "move.after-waking"]:
        add(zipcd_dies_moving, point, meanwhile="go on without receiver", **own)
        for role in OTHER:
            add(zipcd_dies_moving, point, how=role, **own)
            add(zipcd_dies_moving, point, how=role, then="go_on", **own)
            add(zipcd_dies_moving, point, how=role, meanwhile=role, **own)
    for point in ["take-up.before", "take-up.after-notice", "take-up.after-notices", "take-up.after-lease"]:
        COVERED.add(point)
        for first in ("move.after-exchange", "move.after-telling-one:3", "move.before-waking"):
            add(zipcd_dies_moving, first, next_stop=point, **own)
            add(zipcd_dies_moving, first, next_stop=point, meanwhile="later receiver", **own)
    for first, point in (("move.after-preparing", "take-up.before-removing"), ("move.after-snapshot", "end-move.after-notice")):
        COVERED.add(point)
        add(zipcd_dies_moving, first, next_stop=point, **own)
    for point in ["catch-up.after-lock", "catch-up.after-registry", "formers.before-removing", "formers.after-removing"]:
        add(zipcd_dies_followed, point, **own)
        for role in OTHER:
            add(zipcd_dies_followed, point, with_peer=role, **own)
    for role in OTHER:
        for point in ["", "take-up.before", "tell.before-notice", "tell.after-notice"]:
            add(dies_behind_without_zipcd, point, role, **own)
    for role in OTHER:
        for point in ["move.before-noting:2", "fence-behind.before-notice", "fence-behind.after-notice"]:
            add(zipcd_dies_fencing, point, role, **own)
    for point in ["undo.before-telling", "undo.before-removing"]:
        add(zipcd_dies_undoing, f"move.after-preparing,{point}", **own)
    for point in ["apply.after-planning", "apply.after-making", "apply.after-preparing", "apply.after-freezing",
                  "apply.after-moving", "apply.after-all"]:
        for kept in ("old", "new", "none"):
            add(zipcd_dies_applying, point, kept=kept, **own)


# ---- Running them.

class Points(unittest.TestCase):
    def test_every_point_in_the_sources_is_covered_and_every_covered_point_is_there(self):
        found = []
        for layer in ("common", "client", "daemon"):
            for folder, _, files in os.walk(os.path.join(SOURCES, layer)):
                for file in files:
                    if file.endswith((".h", ".hpp", ".cpp")) and file != "test_point.h":
                        with open(os.path.join(folder, file), encoding="utf-8") as text:
                            found += re.findall(r'ZIPC_TEST_POINT\("([^"]+)"\)', text.read())
        self.assertEqual(sorted(found), sorted(set(found)), "a name stands in the sources once")
        self.assertEqual(sorted(set(found) - COVERED), [], "no scenario stops there")
        self.assertEqual(sorted(COVERED - set(found)), [], "no such point")


class Kills(unittest.TestCase):
    def setUp(self):
        self.local = threading.local()
        self.houses = []

    def tearDown(self):
        for house in self.houses:
            house.close()

    def shared_house(self):
        """The zipcd of this thread, for scenarios that leave it alone."""
        house = getattr(self.local, "house", None)
        if house is None or house.zipcd.popen.poll() is not None:
            house = self.local.house = House()
            self.houses.append(house)
            house.start()
            house.await_listening()
        return house

    def run_one(self, scenario):
        name, action, brokered, own, linger = scenario
        house = House(linger=linger) if own else self.shared_house()
        world = World(house, brokered, own)
        began = time.monotonic()
        try:
            action(world)
            world.finish()
            return name, None, time.monotonic() - began
        except Exception:  # whatever it is, it is this scenario's
            if not own:
                self.local.house = None  # who knows what is left there
            house.errors.flush()
            with open(house.errors.name, encoding="utf-8") as file:
                log = file.read()[-3000 if own else -1500:]
            return name, f"{traceback.format_exc()}{log}", time.monotonic() - began
        finally:
            world.close()
            if own:
                house.close()

    def test_every_scenario(self):
        chosen = [one for one in SCENARIOS if not WORDS or any(word in one[0] for word in WORDS)]
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            results = list(pool.map(self.run_one, chosen))
        slowest = sorted(results, key=lambda result: -result[2])[:5]
        print(f"{len(results)} scenarios; slowest: " + "; ".join(f"{name} {took:.2f} s" for name, _, took in slowest))
        failed = [(name, error) for name, error, _ in results if error]
        for name, error in failed:
            print(f"==== {name}\n{error}", file=sys.stderr)
        self.assertEqual([name for name, _ in failed], [])


add_peers()
add_zipcds()

if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

"""The storm: everything that can be killed, stopped, revoked, resized and reconfigured is, at random, while self-checking
messages go through channels of every kind. Not one may be lost, repeated, torn or out of order beyond what zipc.h promises
under PEERS, and afterwards nothing may be left over.

    storm.py [--seconds N] [--seed N] [--verbose]

Needs the environment that ctest sets: ctest -R storm. ZIPC_STORM_SECONDS: how long, unless said otherwise.

What is exact. Every process keeps a record that outlives it: at which number it began (what the header says), and behind which
one it has stopped. A process and its successor in a role are compared when both numbers are final:

    sender, killed           its successor begins at what it had sent, or one behind: the send that it did not live to note
    sender, fenced           exactly at what it had sent: a send that failed did not happen
    receive(), killed        at what it had received, or one behind: received, but not noted
    receive(), fenced        exactly at what it had received
    peek() and pop(), any    at what it had dealt with, or one before: dealt with, but not popped
    any, ended by itself     exactly

and each of them sees every number from where it began, once, in order.
"""
import argparse
import collections
import contextlib
import heapq
import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import time
import unittest

from harness import BrokerTest, Varlink, eventually, program, shm_path, unique_name

SECONDS = float(os.environ.get("ZIPC_STORM_SECONDS", "60"))
SEED = None
VERBOSE = False
PARAMS_MISMATCH = 11
REMEMBERED = 32  # Processes::kRememberedMax
FENCED = 27
STUCK_S = 60  # without a message on some channel: a deadlock
LINGER_S = 6
RECORD_SIZE = 4096
ROLES = ("sender", "receiver")


def descriptors(pid):
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return sorted(found)


def maps(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as file:
        return file.read().splitlines()


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def children():
    """Of this process, with their states."""
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{int(entry)}/stat", encoding="ascii", errors="replace") as file:
                name, fields = file.read().rsplit(")", 1)
            if int(fields.split()[1]) == os.getpid():
                found.append(f"{name}) {fields.split()[0]}")
    return found


class Peer:
    """A process in a role. `doomed`: why it may end otherwise than by itself."""

    def __init__(self, storm, channel, role, number):
        self.channel, self.role = channel, role
        stem = os.path.join(storm.folder, f"{channel.label}.{role}.{number}")
        with open(stem, "wb") as file:
            file.truncate(RECORD_SIZE)
        with open(stem, "r+b") as file:
            self.record = mmap.mmap(file.fileno(), RECORD_SIZE)
        self.err_path = stem + ".err"
        in_place = channel.in_place[role] if channel.in_place[role] is not None else storm.random.random() < 0.5
        self.in_place = in_place
        arguments = [program("STORM_PEER"), "send" if role == "sender" else "receive", channel.name,
                     *(map(str, channel.sizes if channel.sizes_wanted else (0, 0))), str(channel.longest),
                     str(channel.seed), stem]
        if in_place:
            arguments.append("--in-place")
        if channel.renews:
            arguments += ["--renew", "150"]
        env = {**os.environ, **storm.env, "ZIPC_BROKER_TIMEOUT": "60000"}
        if channel.kind == "direct":
            env["ZIPC_BROKER"] = "off"
        with open(self.err_path, "wb") as err:
            self.popen = subprocess.Popen(arguments, env=env, stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        self.doomed = None
        self.stopped = False

    def keep(self):
        """It has ended: its record is final, and needs no descriptor of ours."""
        if isinstance(self.record, mmap.mmap):
            record, self.record = self.record, self.record[:64]
            record.close()

    def field(self, index):
        return struct.unpack_from("<Q", self.record, 8 * index)[0]

    attached = property(lambda self: self.field(0) == 1)
    first = property(lambda self: self.field(1))
    next = property(lambda self: self.field(2))
    departures = property(lambda self: self.field(3))
    renewals = property(lambda self: self.field(4))
    moves = property(lambda self: self.field(5))

    def errors(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()

    def __str__(self):
        return (f"{self.channel.label} {self.role} {self.popen.pid}{' in place' if self.in_place else ''}"
                f" [{self.first}, {self.next}){'' if self.attached else ' not attached'}"
                f" {self.doomed or 'alive'}{' stopped' if self.stopped else ''} code {self.popen.returncode}")


class Channel:
    def __init__(self, label, kind, queue_sizes, message_sizes, in_place=(None, None), spared=False):
        self.label, self.kind = label, kind
        self.name = unique_name(label)
        self.queue_sizes, self.message_sizes = queue_sizes, message_sizes
        self.sizes = (queue_sizes[0], message_sizes[0])
        self.sizes_wanted = kind != "provisioned"
        self.longest = min(message_sizes)
        self.in_place = dict(zip(ROLES, in_place))
        self.spared = spared  # its peers are never killed or revoked
        self.renews = not spared and kind == "provisioned"
        self.seed = 0
        self.peers = {role: [] for role in ROLES}  # all, the oldest first

    def current(self, role):
        return self.peers[role][-1] if self.peers[role] else None


class Storm(BrokerTest):
    def setUp(self):
        super().setUp()
        self.seed = SEED if SEED is not None else random.SystemRandom().randrange(1 << 32)
        self.random = random.Random(self.seed)
        print(f"storm: seed {self.seed}, {SECONDS} s", flush=True)
        self.channels = [
            Channel("tiny", "provisioned", (2, 3, 5), (16, 24)),
            Channel("large", "provisioned", (1024, 700, 64), (4096, 1024, 333)),
            Channel("plain", "dynamic", (16, 17, 64), (64, 72, 80)),
            Channel("pop", "dynamic", (8, 31, 3), (100, 13), in_place=(None, True)),
            Channel("take", "dynamic", (4, 7, 200), (1500, 2000), in_place=(None, False)),
            Channel("elder", "dynamic", (16, 33, 250), (64, 200), spared=True),
            Channel("direct", "direct", (8,), (256,)),
        ]
        for channel in self.channels:
            channel.seed = self.random.randrange(1 << 30)
        self.done = collections.Counter()
        self.refused = collections.Counter()
        self.timers = []
        self.zipcd_stopped = False
        self.mild = False  # zipcd is let live
        self.ttl = None
        self.addCleanup(self.end_peers)
        self.addCleanup(lambda: self.zipcd and self.zipcd.poll() is None and self.zipcd.send_signal(signal.SIGCONT))

    # What is there

    def peers(self, role=None):
        return [peer for channel in self.channels for r in ROLES if role in (None, r) for peer in channel.peers[r]]

    def living(self):
        return [peer for peer in self.peers() if peer.popen.returncode is None]

    def end_peers(self):
        for peer in self.living():
            peer.popen.kill()
            peer.popen.wait()

    def say(self, *words):
        if VERBOSE:
            print(f"{time.monotonic() - self.began:8.3f}", *words, flush=True)

    def write_storm_config(self):
        lines = [f"dynamic: {{names: ['/zs.*'], linger: {LINGER_S}s}}",
                 "limits: {total_size: 256MiB, channel_size: 64MiB}", "channels:"]
        for channel in self.channels:
            if channel.kind == "provisioned":
                ttl = f", lease_ttl: {self.ttl}" if self.ttl else ""
                lines.append(f"  - {{name: {channel.name}, queue_size: {channel.sizes[0]}, message_size: {channel.sizes[1]}{ttl}}}")
        self.write_config("\n".join(lines) + "\n")

    def start_peer(self, channel, role):
        peer = Peer(self, channel, role, len(channel.peers[role]))
        channel.peers[role].append(peer)
        self.say("start", peer)
        return peer

    def after(self, seconds, what):
        heapq.heappush(self.timers, (time.monotonic() + seconds, len(self.timers), self.random.random(), what))

    # What is done to it

    def pick(self, role=None, kinds=("provisioned", "dynamic", "direct"), spared=False):
        """A peer that holds its role and is not about to lose it."""
        found = [peer for peer in self.living() if peer.attached and peer.doomed is None and role in (None, peer.role)
                 and peer.channel.kind in kinds and (spared or not peer.channel.spared)]
        return self.random.choice(found) if found else None

    def kill(self, peer, number=signal.SIGKILL):
        peer.doomed = "killed" if number == signal.SIGKILL else "ended"
        peer.popen.send_signal(number)
        if peer.stopped and number != signal.SIGKILL:
            self.resume(peer)
        self.start_peer(peer.channel, peer.role)

    def kill_one(self, role, number=signal.SIGKILL):
        peer = self.pick(role)
        if peer is None:
            return
        self.done[f"{role} {'killed' if number == signal.SIGKILL else 'ended'}{' while stopped' if peer.stopped else ''}"] += 1
        self.say("kill", peer)
        self.kill(peer, number)

    def stop(self):
        peer = self.pick(spared=True)
        if peer is None or peer.stopped:
            return
        peer.popen.send_signal(signal.SIGSTOP)
        peer.stopped = True
        self.done[f"{peer.role} stopped"] += 1
        self.say("stop", peer)
        self.after(self.random.choice((0.002, 0.02, 0.1, 0.6, 1.5)) * self.random.random(), lambda: self.resume(peer))
        if not peer.channel.spared and self.random.random() < 0.3:
            self.done["successor started beside a stopped one"] += 1
            self.start_peer(peer.channel, peer.role)
            peer.doomed = "killed"  # sooner or later
            self.after(self.random.random() * 0.3, peer.popen.kill)

    def resume(self, peer):
        if peer.stopped and peer.popen.poll() is None:
            peer.popen.send_signal(signal.SIGCONT)
        peer.stopped = False

    def operate(self, what, method, **parameters):
        """A request to zipcd. False: it was refused, for a good reason."""
        if self.zipcd_stopped:
            return False
        with contextlib.closing(self.connect_now()) as operator:
            error, reply = operator.broker(method, **parameters)
        if error is None:
            self.done[what] += 1
            return reply
        self.refused[f"{what}: {error.rsplit('.', 1)[1]}"] += 1
        self.assertIn(error.rsplit(".", 1)[1], ("InvalidParams", "LimitReached", "LeaseNotFound", "ChannelNotFound"), reply)
        return False

    def connect_now(self):
        return Varlink(self.socket_path)

    def revoke(self):
        peer = self.pick(kinds=("provisioned", "dynamic"))
        if peer is None or self.zipcd_stopped:
            return
        self.say("revoke", peer)
        peer.doomed = "revoked"
        # It may have lost its role to a time limit, and its successor have it: that one is the revoked then.
        reply = self.operate(f"{peer.role} revoked{' while stopped' if peer.stopped else ''}", "Revoke",
                             name=peer.channel.name, role=peer.role)
        if reply:
            self.start_peer(peer.channel, peer.role)
        else:
            peer.doomed = None

    def resize(self):
        channel = self.random.choice([c for c in self.channels if c.kind == "dynamic"])
        params = (self.random.choice(channel.queue_sizes), self.random.choice(channel.message_sizes))
        self.say("resize", channel.label, *params)
        if self.operate("resized", "Resize", name=channel.name,
                        params={"queue_size": params[0], "message_size": params[1]}):
            channel.sizes = params

    def reload(self):
        for channel in self.channels:
            if channel.kind == "provisioned" and self.random.random() < 0.7:
                channel.sizes = (self.random.choice(channel.queue_sizes), self.random.choice(channel.message_sizes))
        self.ttl = self.random.choice((None, "400ms", "1s", "1h"))
        self.write_storm_config()
        self.say("reload, lease_ttl", self.ttl)
        self.done["zipcd reloaded"] += 1
        self.zipcd.send_signal(signal.SIGHUP)

    def stop_the_broker(self):
        if self.zipcd_stopped:
            return
        self.say("stop zipcd")
        self.done["zipcd stopped"] += 1
        self.zipcd_stopped = True
        zipcd = self.zipcd
        zipcd.send_signal(signal.SIGSTOP)

        def go_on():
            if self.zipcd is zipcd:
                zipcd.send_signal(signal.SIGCONT)
                self.zipcd_stopped = False
        self.after(self.random.choice((0.01, 0.1, 0.5)) * self.random.random(), go_on)

    def kill_the_broker(self, number=signal.SIGKILL):
        if self.mild:
            return
        if number == signal.SIGTERM:
            # It removes a channel that is empty and nobody's, and its numbers with it.
            if self.zipcd_stopped or not all(self.is_held(channel) for channel in self.channels if channel.kind == "dynamic"):
                return
        self.done[f"zipcd {'killed' if number == signal.SIGKILL else 'ended'}{' while stopped' if self.zipcd_stopped else ''}"] += 1
        self.say("kill zipcd", number)
        self.stop_zipcd(number)
        self.zipcd_stopped = False
        self.start_zipcd_now()

    def is_held(self, channel):
        return any(peer.attached and peer.doomed is None and not peer.stopped
                   for role in ROLES for peer in channel.peers[role] if peer.popen.returncode is None)

    def start_zipcd_now(self):
        """Does not wait until it answers."""
        self.log_path = os.path.join(self.folder, "log")
        log = open(self.log_path, "a", encoding="utf-8")
        self.zipcd = subprocess.Popen([program("ZIPCD"), "--config", self.config_path, "--socket", self.socket_path,
                                       "--log-level", "debug"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        self.await_zipcd()

    # What comes of it

    def look(self):
        """Notices who has ended, and sees to it that everyone has a successor."""
        for peer in self.living():
            if peer.popen.poll() is None:
                continue
            code = peer.popen.returncode
            peer.keep()
            self.say("end", peer)
            # It may have asked for the sizes that the channel had when it was started.
            expected = {-signal.SIGKILL: peer.doomed == "killed", 0: peer.doomed == "ended", FENCED: not peer.channel.spared,
                        PARAMS_MISMATCH: not peer.attached}
            self.assertTrue(expected.get(code), f"{peer}: {peer.errors()}")
            if code == FENCED:
                self.done[f"{peer.role} found itself fenced"] += 1
            if all(other.popen.returncode is not None for other in peer.channel.peers[peer.role]):
                self.start_peer(peer.channel, peer.role)
        assert self.zipcd.poll() is None, f"zipcd ended by itself with {self.zipcd.returncode}\n{self.log()[-4000:]}"

    def progress(self, channel):
        """The most that is known of each role."""
        return [max((peer.next for peer in channel.peers[role] if peer.attached), default=0) for role in ROLES]

    def watch_progress(self):
        now = time.monotonic()
        for channel in self.channels:
            seen = self.progress(channel)
            if seen != self.seen.get(channel.label, (None, 0))[0]:
                self.seen[channel.label] = (seen, now)
            elif now - self.seen[channel.label][1] > STUCK_S:
                self.fail(f"no message goes through {channel.label} any more")

    def diagnose(self):
        lines = [f"seed {self.seed}", f"done {dict(self.done)}", f"zipcd {self.zipcd.pid} {self.state_of(self.zipcd.pid)}"]
        for channel in self.channels:
            lines.append(f"{channel.label} {channel.name} {channel.sizes}: {self.progress(channel)}")
            for role in ROLES:
                lines += [f"  {peer}  {self.state_of(peer.popen.pid)} {peer.errors()}" for peer in channel.peers[role][-4:]]
            for file in sorted(os.listdir("/dev/shm")):
                if file == channel.name[1:] or file.startswith(channel.name[1:] + " "):
                    with open("/dev/shm/" + file, "rb") as segment:
                        words = struct.unpack("<32I", segment.read(128))
                    lines.append(f"  {file}: head {words[0]} tail {words[16]} received {words[2]} sent {words[18]} "
                                 f"notices {words[7]:#x} {words[26]:#x} features {words[5]} {words[24]} waiting {words[1]} "
                                 f"{words[17]} queue {words[9]} generation {words[11]} pids {words[13]} {words[14]} "
                                 f"final {words[15]} {words[31]}")
        return "\n".join(lines) + "\n" + self.log()[-6000:]

    @staticmethod
    def state_of(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                state = file.read().rsplit(")", 1)[1].split()[0]
            with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
                return f"{state} {file.read()}"
        except OSError:
            return "gone"

    def check_accounts(self, channel):
        """Who followed whom, and where."""
        for role in ROLES:
            before = None
            for peer in channel.peers[role]:
                if not peer.attached:
                    continue
                if before is not None:
                    self.check_succession(role, before, peer)
                else:
                    self.assertEqual(peer.first, 0, peer)
                before = peer

    def check_succession(self, role, before, peer):
        code = before.popen.returncode
        exact = code in (0, FENCED)
        if role == "receiver" and before.in_place:
            allowed = (0,) if code == 0 else (-1, 0)
        else:
            allowed = (0,) if exact else (0, 1)
        difference = peer.first - before.next
        self.differences[f"{role} {'peek' if before.in_place and role == 'receiver' else ''} {code}: {difference:+}"] += 1
        self.assertIn(difference, allowed, f"{before}: {before.errors()}\n  was succeeded by {peer}")

    # The test

    def test_storm(self):
        try:
            self.storm()
        except BaseException:
            print(self.diagnose(), flush=True)
            raise

    def storm(self):
        self.began = time.monotonic()
        self.seen = {}
        self.differences = collections.Counter()
        self.write_storm_config()
        self.start_zipcd_now()
        alone = self.footprint()
        for channel in self.channels:
            if channel.kind == "direct":
                self.addCleanup(lambda name=channel.name: os.path.exists(shm_path(name)) and os.unlink(shm_path(name)))
            for role in ROLES:
                self.start_peer(channel, role)
                eventually(lambda peer=channel.current(role): peer.attached or peer.popen.poll() is not None, "it has its role")
        for channel in self.channels:
            channel.sizes_wanted = channel.kind == "direct"  # the others may be resized before a successor asks
        actions = {
            lambda: self.kill_one("sender"): 10,
            lambda: self.kill_one("receiver"): 10,
            lambda: self.kill_one("sender", signal.SIGTERM): 2,
            self.stop: 12,
            self.revoke: 8,
            self.resize: 16,
            self.reload: 3,
            self.stop_the_broker: 2,
            self.kill_the_broker: 3,
            lambda: self.kill_the_broker(signal.SIGTERM): 1,
        }
        end = self.began + SECONDS
        warm = None
        while time.monotonic() < end:
            if not self.mild and time.monotonic() > end - 0.5 * SECONDS:
                self.mild = True
            if warm is None and time.monotonic() > end - 0.3 * SECONDS:
                warm = resident_kib(self.zipcd.pid)
            self.random.choices(list(actions), actions.values())[0]()
            pause = time.monotonic() + self.random.expovariate(1 / 0.03)
            while True:
                self.run_timers(time.monotonic())
                self.look()
                self.watch_progress()
                if time.monotonic() >= pause:
                    break
                time.sleep(min(0.005, max(0.0, pause - time.monotonic())))  # pacing
        self.calm()
        self.account()
        self.check_leftovers(alone, warm)

    def run_timers(self, until):
        while self.timers and self.timers[0][0] <= until:
            heapq.heappop(self.timers)[-1]()

    def calm(self):
        """Everything goes on, and then ends by itself, the senders first."""
        self.run_timers(float("inf"))
        for peer in self.living():
            self.resume(peer)

        def all_are_there():
            self.look()
            return all(peer.attached for peer in self.living() if peer.doomed is None) and \
                all(peer.doomed is None for peer in self.living())
        eventually(all_are_there, "who is doomed has ended, and all the others have their roles")
        before = {channel.label: self.progress(channel) for channel in self.channels}

        def all_flow():
            self.look()
            return all(new > old for channel in self.channels for new, old in zip(self.progress(channel), before[channel.label]))
        eventually(all_flow, "messages go through every channel")
        for peer in self.living():
            if peer.channel.spared:
                self.elders = getattr(self, "elders", []) + [(str(peer), peer.moves, descriptors(peer.popen.pid), len(maps(peer.popen.pid)))]
        for role in ROLES:
            waiting_for = [peer for peer in self.living() if peer.role == role]
            for peer in waiting_for:
                peer.doomed = "ended"
                peer.popen.send_signal(signal.SIGTERM)
            for peer in waiting_for:
                peer.popen.wait(STUCK_S)
                self.assertIn(peer.popen.returncode, (0, FENCED), f"{peer}: {peer.errors()}")

    def account(self):
        for channel in self.channels:
            self.check_accounts(channel)
            sent, received = self.progress(channel)
            self.assertEqual(sent, received, f"what was sent through {channel.label} was received")
            self.assertGreater(received, 0)
            print(f"  {channel.label}: {received} messages, {len(channel.peers['sender'])} senders, "
                  f"{len(channel.peers['receiver'])} receivers, told {sum(p.departures for r in ROLES for p in channel.peers[r])} "
                  f"times that the peer had gone, {sum(p.moves for r in ROLES for p in channel.peers[r])} moves followed, "
                  f"{sum(p.renewals for r in ROLES for p in channel.peers[r])} leases renewed")
        for what, often in sorted(self.done.items()):
            print(f"  {often:6} {what}")
        for what, often in sorted(self.refused.items()):
            print(f"  {often:6} refused: {what}")
        for what, often in sorted(self.differences.items()):
            print(f"  {often:6} successions, {what}")

    def footprint(self):
        """Of a zipcd with one connection, ours."""
        with contextlib.closing(self.connect_now()) as client:
            eventually(lambda: client.broker("Ping")[1]["connections"] == 1, "all others are closed")
            fds = descriptors(self.zipcd.pid)
            ended = fds.count("anon_inode:[pidfd]")  # of the last that were killed, to tell how: Processes::kRememberedMax
            return {"fds": len(fds) - ended, "processes": ended, "maps": len(maps(self.zipcd.pid)),
                    "shared": len([line for line in maps(self.zipcd.pid) if "/dev/shm" in line])}

    def check_leftovers(self, alone, warm):
        with contextlib.closing(self.connect_now()) as client:
            error, reply = client.broker("Check")
            self.assertEqual((error, reply.get("findings")), (None, []))

            def listed():
                return {entry["name"]: entry for entry in client.broker("List")[1]["channels"]}
            dynamic = {channel.name for channel in self.channels if channel.kind == "dynamic"}
            eventually(lambda: not dynamic & set(listed()), "the dynamic channels are reaped")
            for name, entry in listed().items():
                self.assertIsNone(entry["sender"], name)
                self.assertIsNone(entry["receiver"], name)
                self.assertEqual(entry["retired"], 0, name)
            self.assertEqual(client.broker("Ping")[1]["leases"], 0)
            self.assertEqual(client.broker("Check")[1]["findings"], [])
            direct = {channel.name for channel in self.channels if channel.kind == "direct"}
            ours = {"/" + file for file in os.listdir("/dev/shm") if file.startswith(f"zs.{os.getpid()}.")}
            self.assertEqual(ours - direct, set(listed()))
        after = self.footprint()
        print(f"  zipcd: {alone} at the start, {after} at the end; {warm} KiB resident after the warm-up, "
              f"{resident_kib(self.zipcd.pid)} KiB at the end")
        self.assertEqual((after["fds"], after["shared"]), (alone["fds"], 0))
        self.assertLessEqual(after["processes"], alone["processes"] + REMEMBERED)
        if not os.environ.get("ZIPC_TEST_IS_SANITIZED"):  # which keeps what was freed
            self.assertLessEqual(after["maps"], alone["maps"] + 8)
            if warm is not None:  # a short storm has none
                self.assertLess(resident_kib(self.zipcd.pid), 2 * warm + 8192)
        for who, moves, fds, mapped in self.elders:
            print(f"  {who}: followed {moves} moves, has {len(fds)} descriptors, {mapped} maps")
            self.assertLessEqual(len(fds), 8, fds)
        self.stop_zipcd()
        self.assertEqual(children(), [])


def main():
    global SECONDS, SEED, VERBOSE
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--verbose", action="store_true")
    arguments, rest = parser.parse_known_args()
    SECONDS, SEED, VERBOSE = arguments.seconds, arguments.seed, arguments.verbose
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()

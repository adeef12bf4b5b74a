"""Real processes for the system tests: zipcd, its clients, and a Varlink client written by hand.

Programs come from the environment, as ctest sets it: ZIPCD, ZIPCCTL, ZIPC_PEER, OLD_PEER. Nothing here sleeps to
synchronise; time limits only end a deadlock.
"""
import array
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

WATCHDOG_S = 120


def program(variable):
    path = os.environ.get(variable)
    if not path:
        raise RuntimeError(f"{variable} is not set: run this through ctest")
    return path


def _lets_everybody_in(path):
    """Whether everybody may pass through a folder, and so through all above it."""
    folders = [path]
    while folders[-1] != "/":
        folders.append(os.path.dirname(folders[-1]))
    return all(os.stat(folder).st_mode & 0o001 for folder in folders)


def why_not_another_user():
    """Why a test cannot act as another user; None: it can."""
    if os.geteuid() != 0:
        return "needs root, to be another user"
    for file in (__file__, os.environ.get("ZIPC_PEER", __file__)):
        path = os.path.dirname(os.path.realpath(file))
        if not _lets_everybody_in(path):
            return f"other users may not enter {path}: a folder above it is closed to them"
    return None


def as_another_user(test):
    """A test, or a class of tests, that runs programs of the build as another user."""
    why_not = why_not_another_user()
    return unittest.skip(why_not)(test) if why_not else test


_numbers = iter(range(1 << 30))


def unique_name(what="channel"):
    return f"/zs.{os.getpid()}.{next(_numbers)}.{what}"


def eventually(condition, what):
    """Waits until condition() is true: for what is promised to happen, but reaches us through no event."""
    deadline = time.monotonic() + WATCHDOG_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"never came true: {what}")
        time.sleep(0.002)


def remove_segments():
    """Every segment that this test program has named."""
    for entry in os.listdir("/dev/shm"):
        if entry.startswith(f"zs.{os.getpid()}."):
            os.unlink("/dev/shm/" + entry)


def shm_path(name):
    return "/dev/shm" + name


class Process:
    """A child with its output kept."""

    def __init__(self, arguments, env=None, stdin=subprocess.DEVNULL, **options):
        full = dict(os.environ)
        full.update(env or {})
        self.arguments = arguments
        self.popen = subprocess.Popen(arguments, env=full, stdin=stdin, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True, **options)

    @property
    def pid(self):
        return self.popen.pid

    def wait_line(self, expected):
        """Reads standard output until a line that starts so."""
        while True:
            line = self.popen.stdout.readline()
            if line.startswith(expected):
                return line.strip()
            if not line:
                raise AssertionError(f"{self.arguments} ended without '{expected}': {self.popen.stderr.read()}")

    def finish(self):
        """Waits for the end; (exit code, stdout, stderr)."""
        out, err = self.popen.communicate(timeout=WATCHDOG_S)
        return self.popen.returncode, out, err

    def check(self):
        code, out, err = self.finish()
        assert code == 0, f"{self.arguments} ended with {code}: {out}{err}"
        return out

    def end(self, signal_number=signal.SIGKILL):
        if self.popen.poll() is None:
            self.popen.send_signal(signal_number)
        return self.finish()


def run(arguments, env=None, **options):
    return Process(arguments, env, **options).finish()


class FdPeer(Process):
    """One side of a channel that does what it is told: see support/fd_peer.cpp."""

    def __init__(self, env, role, name, slots, size=64, under=()):
        super().__init__([*under, program("FD_PEER"), role, name, str(slots), str(size)], env, stdin=subprocess.PIPE)
        self.wait_line("attached")

    def start(self, *command):
        self.popen.stdin.write(" ".join(map(str, command)) + "\n")
        self.popen.stdin.flush()

    def answer(self):
        line = self.popen.stdout.readline()
        assert line, f"{self.arguments} ended: {self.popen.wait()} {self.popen.stderr.read()}"
        return line.strip()

    def do(self, *command):
        self.start(*command)
        return self.answer()


class Varlink:
    """A connection to the broker that knows nothing of zipc's own client."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(WATCHDOG_S)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.buffer = b""
        self.fds = []

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, method, parameters=None, **flags):
        self.send_raw(json.dumps({"method": method, "parameters": parameters or {}, **flags}).encode() + b"\0")

    def receive(self):
        """The next message, or None when the broker has closed the connection."""
        while b"\0" not in self.buffer:
            data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(8 * 4))
            for level, kind, payload in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    numbers = array.array("i")
                    numbers.frombytes(payload[:len(payload) - len(payload) % numbers.itemsize])
                    self.fds.extend(numbers)
            if not data:
                return None
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, parameters=None):
        """(error or None, parameters)"""
        self.send(method, parameters)
        reply = self.receive()
        assert reply is not None, f"the broker closed the connection after {method}"
        return reply.get("error"), reply.get("parameters", {})

    def broker(self, method, **parameters):
        return self.call("io.zipc.Broker." + method, parameters)

    def close_fds(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def close(self):
        self.close_fds()
        self.socket.close()


class BrokerTest(unittest.TestCase):
    """A test with a zipcd of its own, on a socket and with a configuration of its own."""

    config = ""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="zipc-test-")
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.socket_path = os.path.join(self.folder, "zipcd.sock")
        self.config_path = os.path.join(self.folder, "zipcd.yaml")
        self.write_config(self.config)
        self.env = {"ZIPC_SOCKET": self.socket_path, "ZIPC_BROKER": "require", "XDG_RUNTIME_DIR": ""}
        self.zipcd = None
        self.addCleanup(remove_segments)  # zipcd keeps what has messages in it, for a successor that does not come
        self.addCleanup(self.stop_zipcd)

    def write_config(self, text):
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(text)

    def zipcd_is_quiet(self):
        """Whether it does not wake up for half a second."""
        def switches():
            with open(f"/proc/{self.zipcd.pid}/status", encoding="ascii") as file:
                return [line for line in file if "ctxt_switches" in line]
        before = switches()
        time.sleep(0.5)  # nothing is waited for: it is what is measured
        return switches() == before

    def start_zipcd(self, *arguments, **options):
        self.log_path = os.path.join(self.folder, "log")
        log = open(self.log_path, "a", encoding="utf-8")
        self.addCleanup(log.close)
        self.zipcd = subprocess.Popen([program("ZIPCD"), "--config", self.config_path, "--socket", self.socket_path,
                                       "--log-level", "debug", *arguments], stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=log, **options)
        self.await_zipcd()
        return self.zipcd

    def await_zipcd(self):
        def answers():
            assert self.zipcd.poll() is None, self.log()
            with contextlib.suppress(OSError), contextlib.closing(Varlink(self.socket_path)) as client:
                return client.broker("Ping")[0] is None
            return False
        eventually(answers, "zipcd answers")

    def stop_zipcd(self, signal_number=signal.SIGTERM):
        if self.zipcd is None or self.zipcd.poll() is not None:
            return None
        self.zipcd.send_signal(signal_number)
        return self.zipcd.wait(WATCHDOG_S)

    def log(self):
        with open(self.log_path, encoding="utf-8") as file:
            return file.read()

    def connect(self):
        client = Varlink(self.socket_path)
        self.addCleanup(client.close)
        return client

    def peer(self, *arguments, **options):
        process = Process([program("ZIPC_PEER"), *map(str, arguments)], self.env, **options)
        self.addCleanup(process.end)
        return process

    def ctl(self, *arguments, **options):
        return run([program("ZIPCCTL"), *map(str, arguments)], self.env, **options)

    def channel(self, name):  # over one connection, for a test may ask often
        try:
            error, reply = self.observer.broker("Get", name=name)
        except (AttributeError, OSError, AssertionError):  # not connected yet, or zipcd was restarted
            self.observer = self.connect()
            error, reply = self.observer.broker("Get", name=name)
        return None if error else reply["channel"]

    def cpu_ticks(self):
        with open(f"/proc/{self.zipcd.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

"""zipcctl as people and scripts use it: real transfers with and without zipcd, every failure with its code and its words.

Usage: ctl_test.py ZIPCCTL ZIPCD [unittest arguments]. Nothing sleeps to synchronise; time limits only end a deadlock.
"""
import contextlib
import itertools
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "system"))
from harness import WATCHDOG_S, eventually  # noqa: E402

ZIPCCTL, ZIPCD = os.environ.get("ZIPCCTL"), os.environ.get("ZIPCD")

TIMEOUT, TOO_LARGE, ROLE_TAKEN, MISMATCH, NOT_FOUND, EXISTS, IN_USE, PROVISIONED = 7, 8, 10, 11, 12, 13, 14, 15
DENIED, NO_BROKER, UNSUPPORTED, PEER_GONE, SYSTEM, USAGE, INVALID_NAME, INVALID_PARAMS = 16, 21, 25, 26, 1, 2, 3, 4

_numbers = itertools.count()


def unique_name(what="x"):
    return f"/zctl.{os.getpid()}.{next(_numbers)}.{what}"


def without(*descriptors):
    """Options with which a program is started without these."""
    return {"preexec_fn": lambda: [os.close(descriptor) for descriptor in descriptors]}


class Run:
    """A zipcctl that runs. Its output is kept in files, so that it never waits for us."""

    def __init__(self, arguments, env, stdin=subprocess.DEVNULL, stdout=None, **options):
        self.out_file = tempfile.TemporaryFile()
        self.err_file = tempfile.TemporaryFile()
        self.popen = subprocess.Popen([ZIPCCTL, *map(str, arguments)], env=env, stdin=stdin,
                                      stdout=stdout or self.out_file, stderr=self.err_file, **options)
        self.stdin = self.popen.stdin

    def type(self, data):
        self.stdin.write(data)
        self.stdin.flush()

    def finish(self):
        """Waits for the end; its exit code."""
        if self.stdin and not self.stdin.closed:
            self.stdin.close()
        return self.popen.wait(WATCHDOG_S)

    @staticmethod
    def written(file):
        """All of it. The position is shared with the process that writes, so it must not move."""
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)

    @property
    def out(self):
        return self.written(self.out_file)

    @property
    def err(self):
        return self.written(self.err_file).decode()

    def end(self, number=signal.SIGKILL):
        """Sends a signal; the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(WATCHDOG_S)

    def close(self):
        self.end()
        for file in (self.out_file, self.err_file, self.stdin):
            if file:
                with contextlib.suppress(OSError):
                    file.close()


class CtlTest(unittest.TestCase):
    """A test with a folder, an environment and channel names of its own. Without a broker unless a subclass starts one."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="zipc-ctl-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("ZIPC_")}
        self.env.update(ZIPC_BROKER="off", XDG_RUNTIME_DIR=self.folder)
        self.name = unique_name()
        self.addCleanup(self.forget, self.name)

    def forget(self, name):
        with contextlib.suppress(FileNotFoundError):
            os.unlink("/dev/shm" + name)

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def start(self, *arguments, **options):
        run = Run(arguments, self.env, **options)
        self.addCleanup(run.close)
        return run

    def run_ctl(self, *arguments, **options):
        """Runs to the end: (exit code, stdout, stderr)."""
        run = self.start(*arguments, **options)
        code = run.finish()
        return code, run.out.decode(), run.err

    def check(self, *arguments, **options):
        code, out, err = self.run_ctl(*arguments, **options)
        self.assertEqual((code, err), (0, ""))
        return out

    def fails(self, code, sentence, *arguments, **options):
        """It ends with this code, and says so in two lines, the first of which matches."""
        got, out, err = self.run_ctl(*arguments, **options)
        self.assertEqual(got, code, err)
        self.assertRegex(err.splitlines()[0], "^zipcctl: .*" + sentence)
        self.assertEqual(out, "")
        return err

    def ends(self, run, code=0):
        self.assertEqual(run.finish(), code, run.err)

    def waits(self, name=None):
        """How many messages wait in the channel."""
        with contextlib.suppress(OSError), open("/dev/shm" + (name or self.name), "rb") as segment:
            header = segment.read(72)
            if len(header) == 72:
                head, tail = (int.from_bytes(header[at:at + 4], "little") for at in (0, 64))
                queue_size = int.from_bytes(header[36:40], "little")
                return (tail - head) % queue_size if queue_size else 0
        return 0

    def waiting_for(self, depth):
        eventually(lambda: self.waits() == depth, f"{depth} messages wait in {self.name}")

    def leftovers(self):
        return [name for name in os.listdir(self.folder) if name.startswith(".zipcctl")]


class BrokeredTest(CtlTest):
    """The same with a zipcd."""

    def setUp(self):
        super().setUp()
        self.provisioned = unique_name("provisioned")
        self.addCleanup(self.forget, self.provisioned)
        config = self.file("zipcd.yaml", f"""
defaults: {{linger: 1h}}
dynamic: {{names: ["/zctl.*"]}}
channels:
  - {{name: {self.provisioned}, queue_size: 8, message_size: 4KiB}}
""".encode())
        self.socket = self.path("zipcd.sock")
        self.env.update(ZIPC_BROKER="require", ZIPC_SOCKET=self.socket)
        self.log = open(self.path("zipcd.log"), "wb")
        self.addCleanup(self.log.close)
        self.command = [ZIPCD, "--config", config, "--socket", self.socket]
        self.start_zipcd()
        self.addCleanup(self.stop_zipcd)

    def start_zipcd(self):
        self.zipcd = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=self.log)
        eventually(lambda: self.zipcd.poll() is not None or self.run_ctl("ping")[0] == 0, "zipcd answers")
        self.assertIsNone(self.zipcd.poll(), self.read("zipcd.log"))

    def stop_zipcd(self, number=signal.SIGTERM):
        if self.zipcd.poll() is None:
            self.zipcd.send_signal(number)
            self.zipcd.wait(WATCHDOG_S)

    def restart_zipcd(self):
        self.stop_zipcd(signal.SIGKILL)
        self.start_zipcd()

    def get(self, name=None):
        return json.loads(self.check("get", name or self.name, "--json"))


class Transfers:
    """What holds with a broker and without one."""

    big = os.urandom(3_000_000) + b"\0\n" * 1000

    def roundtrip(self, name, data, send=(), receive=(), receiver_first=False):
        source = self.file("source", data)
        orders = [lambda: self.start("send", name, source, *send), lambda: self.start("receive", name, self.path("copy"), *receive)]
        if receiver_first:
            orders.reverse()
        first, second = orders[0](), orders[1]()
        self.ends(first)
        self.ends(second)
        return self.read("copy")

    def test_copies_a_file_when_the_sender_is_first(self):
        self.assertEqual(self.roundtrip(self.name, self.big), self.big)

    def test_copies_a_file_when_the_receiver_is_first(self):
        self.assertEqual(self.roundtrip(self.name, self.big, receiver_first=True), self.big)

    def test_copies_when_the_first_one_has_waited_long(self):
        sender = self.start("send", self.name, self.file("source", self.big))
        self.waiting_for(len(self.big) // 65536 + 2)  # with the rest, and the end of the stream
        self.check("receive", self.name, self.path("copy"))
        self.ends(sender)
        self.assertEqual(self.read("copy"), self.big)

    def test_copies_nothing_one_byte_and_several_streams_over_the_same_channel(self):
        for data in (b"", b"x", b"\n", self.big[:65536], self.big[:65537], b""):
            self.assertEqual(self.roundtrip(self.name, data), data)

    def test_copies_through_small_queues_and_messages(self):
        data = self.big[:50_000]
        sizes = ("--queue-size", 2, "--message-size", 7)
        self.assertEqual(self.roundtrip(self.name, data, send=sizes, receive=sizes), data)

    def test_reads_standard_input_and_writes_standard_output(self):
        with open(self.file("source", self.big), "rb") as source:
            sender = self.start("send", self.name, stdin=source)
            receiver = self.start("receive", self.name, "-")
            self.ends(sender)
            self.ends(receiver)
        self.assertEqual(receiver.out, self.big)

    def test_passes_on_what_is_typed_without_waiting_for_more(self):
        sender = self.start("send", self.name, stdin=subprocess.PIPE)
        receiver = self.start("receive", self.name)
        for so_far in (b"a", b"ab", b"abc"):
            sender.type(so_far[-1:])
            eventually(lambda: receiver.out == so_far, "it arrives")
        self.ends(sender)
        self.ends(receiver)

    def test_sends_lines_as_messages_of_a_line(self):
        text = b"one\n\ntwo\n" + b"x" * 65535 + b"\nlast, without a newline"
        sender = self.start("send", self.name, self.file("source", text), "--lines", "--json")
        receiver = self.start("receive", self.name, self.path("copy"))
        self.ends(sender)
        self.ends(receiver)
        self.assertEqual(self.read("copy"), text)
        self.assertEqual(json.loads(sender.out)["messages"], 5)

    def test_adds_newlines_where_messages_have_none(self):
        self.start("send", self.name, self.file("source", b"abcdef"), "--frame", 2)
        self.assertEqual(self.check("receive", self.name, "--lines"), "ab\ncd\nef\n")

    def test_names_the_line_that_is_too_long(self):
        sizes = ("--message-size", 8)
        source = self.file("source", b"1234567\n12345678\n")
        err = self.fails(TOO_LARGE, "line 2 is longer than the 8 bytes", "send", self.name, source, "--lines", *sizes)
        self.assertIn("hint: ", err)
        self.assertEqual(self.waits(), 1)

    def test_sends_frames_of_one_size(self):
        data = self.big[:1000]
        with open(self.file("source", data), "rb") as source:
            cat = subprocess.Popen(["cat"], stdin=source, stdout=subprocess.PIPE)
        sender = self.start("send", self.name, "--frame", 300, "--json", stdin=cat.stdout)
        receiver = self.start("receive", self.name, self.path("copy"), "--frame", 300)
        self.ends(sender)
        self.ends(receiver)
        cat.stdout.close()
        cat.wait()
        self.assertEqual(json.loads(sender.out)["messages"], 4)
        self.assertEqual(self.read("copy"), data)

    def test_refuses_messages_that_are_no_frames(self):
        self.start("send", self.name, self.file("source", b"x" * 100), "--frame", 10)
        self.fails(MISMATCH, "message 1 is longer than a frame of 9", "receive", self.name, self.path("copy"), "--frame", 9)
        self.fails(MISMATCH, "message 1 is shorter than a frame of 11", "receive", self.name, self.path("copy"), "--frame", 11)
        self.assertFalse(os.path.exists(self.path("copy")))

    def test_refuses_frames_that_do_not_fit(self):
        self.fails(TOO_LARGE, "frames of 9 bytes do not fit", "send", self.name, self.file("source", b"x"), "--message-size", 8,
                   "--frame", 9)

    def test_ends_after_a_count_and_leaves_the_rest(self):
        sender = self.start("send", self.name, self.file("source", b"1\n2\n3\n4\n"), "--lines")
        self.assertEqual(self.check("receive", self.name, "--count", 3), "1\n2\n3\n")
        self.assertEqual(self.check("receive", self.name, "--count", 1), "4\n")
        self.ends(sender)

    def test_ends_a_count_that_is_larger_than_the_stream(self):
        self.start("send", self.name, self.file("source", b"1\n2\n"), "--lines")
        self.assertEqual(self.check("receive", self.name, "--count", 3), "1\n2\n")

    def test_follows_one_stream_after_the_other_until_it_is_told_to_end(self):
        receiver = self.start("receive", self.name, "--follow", "--json")
        for text in (b"first\n", b"", b"second\n"):
            self.check("send", self.name, self.file("source", text))
        self.assertEqual(receiver.end(signal.SIGINT), 130)
        self.assertEqual(receiver.out, b"first\nsecond\n")
        self.assertEqual(json.loads(receiver.err.splitlines()[0])["messages"], 2)

    def test_follows_into_a_file_that_can_be_read_meanwhile(self):
        receiver = self.start("receive", self.name, self.path("log"), "--follow")
        self.check("send", self.name, self.file("source", b"first\n"))
        self.assertEqual(self.read("log"), b"first\n")
        self.assertEqual(receiver.end(signal.SIGTERM), 143)
        self.assertEqual(self.read("log"), b"first\n")

    def test_sums_up_as_json(self):
        sender = self.start("send", self.name, self.file("source", self.big), "--json")
        out = self.check("receive", self.name, self.path("copy"), "--json")
        self.ends(sender)
        for summary in (json.loads(sender.out), json.loads(out)):
            self.assertEqual(summary["channel"], self.name)
            self.assertEqual(summary["bytes"], len(self.big))
            self.assertGreater(summary["messages"], 0)
            self.assertGreaterEqual(summary["seconds"], 0)
            self.assertIsInstance(summary["bytes_per_second"], int)

    # -- What goes wrong -----------------------------------------------------------------------------------------------

    def test_replaces_a_file_and_keeps_its_permissions_and_links(self):
        target = self.file("target", b"before")
        os.chmod(target, 0o640)
        os.symlink("target", self.path("copy"))
        self.roundtrip(self.name, b"after")
        self.assertEqual(self.read("target"), b"after")
        self.assertTrue(os.path.islink(self.path("copy")))
        self.assertEqual(os.stat(target).st_mode & 0o777, 0o640)

    def test_leaves_a_file_as_it_was_when_no_message_arrives(self):
        self.file("copy", b"before")
        self.fails(TIMEOUT, "no message arrived on /zctl.* within 100ms", "receive", self.name, self.path("copy"),
                   "--timeout", "100ms")
        self.assertEqual(self.read("copy"), b"before")
        self.assertEqual(self.leftovers(), [])

    def test_gives_up_when_nobody_receives(self):
        self.fails(TIMEOUT, "nothing was received .* 2 messages are waiting", "send", self.name, self.file("source", b"x"),
                   "--timeout", "100ms")
        self.fails(IN_USE, "still holds 2 messages", "send", self.name, self.file("source", b"y"))
        sender = self.start("send", self.name, self.file("source", b"y"), "--append")
        self.assertEqual(self.check("receive", self.name), "x")
        self.assertEqual(self.check("receive", self.name), "y")
        self.ends(sender)

    def test_gives_up_when_a_queue_stays_full(self):
        self.fails(TIMEOUT, "1 messages are waiting", "send", self.name, self.file("source", b"123"), "--queue-size", 2,
                   "--message-size", 1, "--timeout", "100ms")

    def test_keeps_in_the_channel_what_the_disk_does_not_take(self):
        sender = self.start("send", self.name, self.file("source", b"1\n2\n"), "--lines")
        self.waiting_for(3)
        self.fails(SYSTEM, "cannot write /dev/full: No space left", "receive", self.name, "/dev/full")
        with open("/dev/full", "wb") as full:
            self.fails(SYSTEM, "cannot write standard output: No space left", "receive", self.name, stdout=full)
        self.assertEqual(self.waits(), 3)
        self.assertEqual(self.check("receive", self.name), "1\n2\n")
        self.ends(sender)

    def test_says_that_the_reader_of_its_output_has_gone(self):
        self.start("send", self.name, self.file("source", self.big))
        reading, writing = os.pipe()
        os.close(reading)
        self.fails(SYSTEM, "cannot write standard output: Broken pipe", "receive", self.name, stdout=writing)
        os.close(writing)

    def test_says_which_file_it_cannot_use(self):
        self.fails(SYSTEM, "cannot open .*missing: No such file", "send", self.name, self.path("missing"))
        self.fails(SYSTEM, "cannot read .*: Is a directory", "send", self.name, self.folder)
        self.fails(SYSTEM, "cannot write .*: Is a directory", "receive", self.name, self.folder)
        self.fails(SYSTEM, "cannot create a temporary file beside .*: No such file", "receive", self.name,
                   self.path("missing/copy"))

    def test_ends_at_a_signal_wherever_it_waits(self):
        waiting = {"input": self.start("send", unique_name(), stdin=subprocess.PIPE),
                   "receiver": self.start("send", self.name, self.file("source", b"x")),
                   "space": self.start("send", unique_name(), self.path("source"), "--queue-size", 2, "--message-size", 1),
                   "message": self.start("receive", unique_name(), self.path("copy"))}
        for run in waiting.values():
            self.addCleanup(self.forget, run.popen.args[2])
        self.waiting_for(2)
        eventually(lambda: all(os.path.exists("/dev/shm" + run.popen.args[2]) for run in waiting.values()), "all wait")
        for what, run in waiting.items():
            with self.subTest(what):
                number, code = (signal.SIGTERM, 143) if what == "message" else (signal.SIGINT, 130)
                self.assertEqual(run.end(number), code)
                self.assertRegex(run.err, "^zipcctl: ended by SIG(INT|TERM)\n$")
        self.assertEqual(self.leftovers(), [])
        self.assertFalse(os.path.exists(self.path("copy")))
        self.assertEqual(self.start_and_wait().end(signal.SIGHUP), 129)

    def start_and_wait(self):
        name = unique_name()
        self.addCleanup(self.forget, name)
        run = self.start("receive", name, self.path("copy"))
        eventually(lambda: self.leftovers() and os.path.exists("/dev/shm" + name), "it waits")
        return run

    def test_ends_no_stream_whose_producer_the_same_signal_has_ended(self):
        processor = {min(os.sched_getaffinity(0))}
        before = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, before)
        os.sched_setaffinity(0, processor)
        for _ in range(5):
            sender = self.start("send", self.name, stdin=subprocess.PIPE)
            os.sched_setscheduler(sender.popen.pid, os.SCHED_IDLE, os.sched_param(0))  # it runs when we wait: it finds both at once
            sender.type(b"first\n")
            self.waiting_for(1)
            eventually(lambda: self.is_asleep(sender), "it waits for more")
            sender.stdin.close()
            sender.popen.send_signal(signal.SIGINT)
            self.assertEqual(sender.finish(), 130, sender.err)
            self.assertEqual(self.waits(), 1, "the end of the stream was sent")
            os.unlink("/dev/shm" + self.name) if self.env["ZIPC_BROKER"] == "off" else self.check("remove", self.name, "--force")

    @staticmethod
    def is_asleep(run):
        with open(f"/proc/{run.popen.pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "S"

    def test_refuses_a_second_sender_and_a_second_receiver(self):
        sender = self.start("send", self.name, stdin=subprocess.PIPE)
        receiver = self.start("receive", self.name)
        sender.type(b"x")
        eventually(lambda: receiver.out == b"x", "both are there")
        self.fails(ROLE_TAKEN, str(sender.popen.pid), "send", self.name, self.file("source", b"y"))
        self.fails(ROLE_TAKEN, str(receiver.popen.pid), "receive", self.name)
        self.ends(sender)
        self.ends(receiver)

    def test_refuses_other_sizes_than_the_channel_has(self):
        self.check("create", self.name, "--queue-size", 8, "--message-size", "1KiB")
        self.fails(MISMATCH, "", "send", self.name, self.file("source", b"x"), "--queue-size", 9)

    def test_leaves_no_half_file_when_the_sender_is_killed(self):
        sender = self.start("send", self.name, stdin=subprocess.PIPE)
        receiver = self.start("receive", self.name, self.path("copy"), "--timeout", "3s")
        sender.type(b"half")
        eventually(lambda: any(os.stat(self.path(name)).st_size == 4 for name in self.leftovers()), "half of it is written")
        sender.end(signal.SIGKILL)
        self.assertEqual(receiver.finish(), self.code_after_killed_sender, receiver.err)
        self.assertFalse(os.path.exists(self.path("copy")))
        self.assertEqual(self.leftovers(), [])

    def stream_that_has_lost_its_receiver(self):
        """Its sender. The first message has gone with the receiver."""
        sender = self.start("send", self.name, stdin=subprocess.PIPE)
        killed = self.start("receive", self.name)
        sender.type(b"first\n")
        eventually(lambda: killed.out == b"first\n", "it arrives")
        eventually(lambda: self.waits() == 0, "it is taken out")
        killed.end(signal.SIGKILL)
        return sender

    def test_goes_on_with_the_next_receiver_when_one_is_killed(self):
        sender = self.stream_that_has_lost_its_receiver()
        receiver = self.start("receive", self.name, "--rest")
        sender.type(b"second\n")
        self.ends(sender)
        self.ends(receiver)
        self.assertEqual(receiver.out, b"second\n")

    def test_writes_nowhere_else_when_a_standard_descriptor_is_closed(self):
        self.fails(TIMEOUT, "no message arrived", "receive", self.name, "--timeout", "100ms", **without(0, 1))
        self.fails(SYSTEM, "cannot write standard output: Bad file descriptor", "errors", **without(1))
        self.fails(SYSTEM, "cannot read standard input: Bad file descriptor", "send", self.name, **without(0))
        self.assertEqual(self.waits(), 0)
        self.assertEqual(self.run_ctl("receive", self.name, "--timeout", "100ms", **without(0, 1, 2)), (TIMEOUT, "", ""))

    # -- Looking -------------------------------------------------------------------------------------------------------

    def test_dumps_the_header_and_all_without_taking_a_role(self):
        sender = self.start("send", self.name, self.file("source", b"Hello, dump"))
        self.waiting_for(2)
        header = self.check("dump", self.name)
        self.assertEqual(len(header.splitlines()), 8)
        self.assertRegex(header, r"(?m)^00000040  02 00 00 00 .*\|\.\.\.\.")
        self.assertIn("|Hello, dump", self.check("dump", self.name, "--all"))
        self.assertEqual(self.check("receive", self.name), "Hello, dump")
        self.ends(sender)

    def test_says_that_there_is_nothing_to_dump(self):
        self.fails(NOT_FOUND, "there is no /dev/shm/zctl", "dump", self.name)
        os.symlink(self.file("source", b"x"), "/dev/shm" + self.name)
        self.fails(20, "symbolic link", "dump", self.name)

    def test_shows_progress_on_a_terminal_and_only_there(self):
        for quiet in (False, True):
            controller, terminal = pty.openpty()
            pid = os.fork()
            if pid == 0:
                with contextlib.suppress(BaseException):
                    os.setsid()
                    os.close(os.open(os.ttyname(terminal), os.O_RDWR))  # makes it the controlling one
                    os.dup2(terminal, 2)
                    source = self.file("source", self.big)
                    os.execve(ZIPCCTL, [ZIPCCTL, "send", self.name, source] + ["-q"] * quiet, self.env)
                os._exit(99)
            os.close(terminal)
            shown = b"" if quiet else self.read_until(controller, b"waiting for the receiver")
            self.check("receive", self.name, self.path("copy"))
            shown += self.read_until(controller, None)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
            os.close(controller)
            if quiet:
                self.assertEqual(shown, b"")
            else:
                self.assertRegex(shown.decode(), rf"send {self.name}: 2.9 MiB in \d+ messages, \d+\.\d\d s, ")

    def read_until(self, terminal, expected):
        """What the terminal shows until `expected`, or until it is closed."""
        shown = b""
        while expected is None or expected not in shown:
            self.assertTrue(select.select([terminal], [], [], WATCHDOG_S)[0], shown)
            try:
                data = os.read(terminal, 4096)
            except OSError:
                data = b""
            if not data:
                self.assertIsNone(expected, shown)
                break
            shown += data
        return shown


class Direct(Transfers, CtlTest):
    code_after_killed_sender = TIMEOUT  # nobody can tell

    def test_creates_once_and_removes_once(self):
        self.check("create", self.name)
        self.fails(EXISTS, "exists", "create", self.name)
        self.check("remove", self.name)
        self.fails(NOT_FOUND, "", "remove", self.name)
        self.assertFalse(os.path.exists("/dev/shm" + self.name))

    def test_creates_with_sizes_and_tells_them(self):
        channel = json.loads(self.check("create", self.name, "--queue-size", 4, "--message-size", "1KiB", "--json"))
        self.assertEqual(channel["params"], {"queue_size": 4, "message_size": 1024})

    def test_removes_a_channel_in_use_only_by_force(self):
        self.start("send", self.name, self.file("source", b"x"))
        self.waiting_for(2)
        self.fails(IN_USE, "is in use", "remove", self.name)
        self.check("remove", self.name, "--force")
        self.assertFalse(os.path.exists("/dev/shm" + self.name))

    def test_needs_a_broker_for_what_only_a_broker_knows(self):
        for command in (["list"], ["get", self.name], ["ping"]):
            self.fails(NO_BROKER, "needs a broker", *command)
            self.env["ZIPC_BROKER"] = "auto"
            self.fails(NO_BROKER, "no broker", "--socket", self.path("nobody"), *command)
            self.env["ZIPC_BROKER"] = "off"
        self.fails(UNSUPPORTED, "stays until it is removed", "create", self.name, "--linger", "5s")

    def test_asks_no_other_broker_than_the_one_it_is_told_to(self):
        self.fails(NO_BROKER, "nobody", "--socket", self.path("nobody"), "send", self.name, self.file("source", b"x"))
        self.fails(NO_BROKER, "nobody", "--socket", self.path("nobody"), "create", self.name)


class Brokered(Transfers, BrokeredTest):
    code_after_killed_sender = PEER_GONE

    def test_copies_over_a_channel_of_the_configuration(self):
        self.assertEqual(self.roundtrip(self.provisioned, self.big), self.big)

    def test_takes_the_broker_it_is_told_to(self):
        self.env.update(ZIPC_BROKER="off")
        del self.env["ZIPC_SOCKET"]
        self.assertEqual(json.loads(self.check("ping", "--json", "--socket", self.socket))["socket"], self.socket)
        self.roundtrip(self.name, b"x", send=("--socket", self.socket), receive=("--socket", self.socket))
        self.env.update(ZIPC_SOCKET=self.socket, ZIPC_BROKER="require")
        self.assertEqual(self.get()["sent"], 2)

    def test_lists_channels_as_a_table(self):
        sender = self.start("send", self.name, self.file("source", b"x"))
        self.waiting_for(2)
        lines = self.check("list").splitlines()
        self.assertEqual(lines[0].split(), "NAME SLOTS SIZE DEPTH DEEPEST SENT RECEIVED FULL SENDER RECEIVER GEN KIND LEFT".split())
        row = next(line.split() for line in lines if line.startswith(self.name + " "))
        self.assertEqual(row, [self.name, "64", "64", "KiB", "2", "2", "2", "0", "0", str(sender.popen.pid), "-",
                                             "1", "dynamic", "-"])
        self.assertTrue(any(line.startswith(self.provisioned + " ") and "provisioned" in line for line in lines))
        sender.end()
        eventually(lambda: self.get()["sender"] is None, "its role is free")
        self.assertRegex(self.check("list"), re.escape(self.name) + r" .* dynamic +(60min|1h)\n")

    def test_tells_programs_what_went_wrong_as_json(self):
        self.assertEqual(self.json_error(NOT_FOUND, "get", self.name)["error"], "channel_not_found")
        holder = self.start("send", self.name, stdin=subprocess.PIPE)
        eventually(lambda: self.waits() == 0 and self.run_ctl("get", self.name)[0] == 0 and self.get()["sender"], "it is the sender")
        taken = self.json_error(ROLE_TAKEN, "send", self.name, self.file("source", b"x"))
        self.assertEqual((taken["error"], taken["holder_pid"]), ("role_taken", holder.popen.pid))
        self.assertIn(str(holder.popen.pid), taken["message"])
        self.assertTrue(taken["advice"])
        other = self.json_error(MISMATCH, "send", self.name, self.path("source"), "--queue-size", 3)
        self.assertEqual(other["params"], {"queue_size": 64, "message_size": 65536})
        self.assertIn("dynamic.names", self.json_error(DENIED, "create", "/elsewhere." + str(os.getpid()))["rule"])
        mistakes = self.json_error(28, "plan", self.file("bad.yaml", b"chanels: []\nlimit: {}\n"))
        self.assertRegex(mistakes["message"], "bad.yaml:1:1: .*; .*bad.yaml:2:1: ")

    def json_error(self, code, *arguments):
        got, out, err = self.run_ctl(*arguments, "--json")
        self.assertEqual((got, out, err.count("\n")), (code, "", 1), err)
        error = json.loads(err)
        self.assertEqual(error["code"], code)
        return error

    def test_says_that_it_cannot_list_without_a_standard_output(self):
        self.fails(SYSTEM, "cannot write standard output: Bad file descriptor", "list", **without(1))

    def test_lists_channels_as_json(self):
        self.check("create", self.name, "--queue-size", 4, "--message-size", "1KiB", "--linger", "forever")
        channels = {channel["name"]: channel for channel in json.loads(self.check("list", "--json"))["channels"]}
        self.assertEqual(set(channels), {self.name, self.provisioned})
        self.assertEqual(channels[self.name], self.get())
        self.assertEqual(self.get()["params"], {"queue_size": 4, "message_size": 1024})
        self.assertEqual(self.get()["linger_ms"], -1)

    def test_has_the_fields_of_the_interface_description(self):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common", "io.zipc.Broker.varlink")
        with open(path, encoding="utf-8") as file:
            fields = re.search(r"type Channel \((.*?)\)", file.read(), re.DOTALL).group(1)
        self.assertEqual(set(self.get(self.provisioned)), set(re.findall(r"(\w+):", fields)))

    def test_shows_one_channel_to_people(self):
        text = self.check("get", self.provisioned)
        self.assertRegex(text, "(?m)^kind +provisioned$")
        self.assertRegex(text, "(?m)^sender +nobody$")
        self.fails(NOT_FOUND, "", "get", self.name)

    def test_explains_a_channel_in_use(self):
        sender = self.start("send", self.name, self.file("source", b"x"))
        self.waiting_for(2)
        answer = json.loads(self.check("explain", self.name, "--json"))
        self.assertEqual(answer["channel"]["name"], self.name)
        self.assertRegex("\n".join(answer["sentences"]), f"The sender is process {sender.popen.pid}, zipcctl \\(")
        self.assertIn("Nobody will receive these 2 messages until a receiver attaches.", self.check("explain", self.name))
        self.assertEqual(self.check("receive", self.name), "x")
        self.ends(sender)

    def test_tells_who_the_broker_is(self):
        broker = json.loads(self.check("ping", "--json"))
        self.assertEqual((broker["pid"], broker["uid"], broker["socket"]), (self.zipcd.pid, os.getuid(), self.socket))
        self.assertRegex(self.check("ping"), f"process +{self.zipcd.pid} of user {os.getuid()}")

    def test_creates_once_and_removes_once(self):
        self.check("create", self.name)
        self.fails(EXISTS, "", "create", self.name)
        self.check("remove", self.name)
        self.fails(NOT_FOUND, "", "remove", self.name)
        self.fails(PROVISIONED, "", "remove", self.provisioned)
        self.fails(DENIED, "", "create", "/elsewhere." + str(os.getpid()))

    def test_removes_a_channel_in_use_only_by_force(self):
        self.start("send", self.name, self.file("source", b"x"))
        self.waiting_for(2)
        self.fails(IN_USE, "", "remove", self.name)
        self.check("remove", self.name, "--force")
        self.fails(NOT_FOUND, "", "get", self.name)

    def test_notices_another_sender_in_the_middle_of_a_stream(self):
        first = self.start("send", self.name, stdin=subprocess.PIPE)
        receiver = self.start("receive", self.name, self.path("copy"))
        first.type(b"half")
        eventually(lambda: any(os.stat(self.path(name)).st_size == 4 for name in self.leftovers()), "half of it is written")
        eventually(lambda: self.waits() == 0, "it is taken out")
        first.end(signal.SIGINT)
        self.start("send", self.name, self.file("source", b"y" * 100), "--frame", 1)
        self.ends(receiver, PEER_GONE)
        self.assertFalse(os.path.exists(self.path("copy")))

    def test_takes_the_rest_of_a_stream_for_no_whole_file(self):
        sender = self.stream_that_has_lost_its_receiver()
        sender.type(b"second\n")
        self.waiting_for(1)
        sentence = "another receiver has taken the first 1 message of the stream on " + self.name
        self.assertIn("hint: have it sent again; receive --rest", self.fails(IN_USE, sentence, "receive", self.name, self.path("copy")))
        self.assertFalse(os.path.exists(self.path("copy")))
        self.assertEqual(self.waits(), 1)
        sender.stdin.close()
        self.waiting_for(2)
        self.check("receive", self.name, self.path("copy"), "--rest")
        self.ends(sender)
        self.assertEqual(self.read("copy"), b"second\n")

    def test_passes_on_the_rest_of_a_stream_and_says_at_its_end_that_it_was_not_all(self):
        sender = self.stream_that_has_lost_its_receiver()
        receiver = self.start("receive", self.name)
        sender.type(b"second\n")
        eventually(lambda: receiver.out == b"second\n", "it arrives")
        sender.stdin.close()
        self.ends(receiver, IN_USE)
        self.fails(IN_USE, "taken the first 2 messages", "receive", self.name)
        self.assertIsNone(sender.popen.poll(), "it was told that all was received")
        self.check("receive", self.name, "--rest")
        self.ends(sender)

    def test_takes_a_stream_that_follows_one_that_broke_off_for_whole(self):
        self.stream_that_has_lost_its_receiver().end()
        for first in ("sender", "receiver"):
            self.assertEqual(self.roundtrip(self.name, b"x", receiver_first=first == "receiver"), b"x")
            broken = self.start("send", self.name, stdin=subprocess.PIPE)
            receiver = self.start("receive", self.name)
            broken.type(b"half")
            eventually(lambda: receiver.out == b"half", "it arrives")
            broken.end()
            self.ends(receiver, PEER_GONE)

    def test_knows_after_its_own_restart_only_of_senders_that_come(self):
        sender = self.stream_that_has_lost_its_receiver()
        self.assertEqual(self.get()["sent_before"], 0)
        self.restart_zipcd()
        self.assertIsNone(self.get()["sent_before"])
        receiver = self.start("receive", self.name)
        self.ends(sender)
        self.ends(receiver)

    def test_goes_on_when_the_broker_is_killed(self):
        sender = self.start("send", self.name, stdin=subprocess.PIPE)
        receiver = self.start("receive", self.name, self.path("copy"))
        sender.type(b"before ")
        eventually(lambda: any(os.stat(self.path(name)).st_size for name in self.leftovers()), "it arrives")
        self.stop_zipcd(signal.SIGKILL)
        sender.type(b"and after")
        self.ends(sender)
        self.ends(receiver)
        self.assertEqual(self.read("copy"), b"before and after")
        self.fails(NO_BROKER, "", "list")


class CommandLine(CtlTest):
    def test_answers_wrong_usage_with_a_sentence_and_where_to_look(self):
        cases = [([], "subcommand"), (["frob"], "there is no command 'frob'"), (["send"], "NAME is required"),
                 (["list", "extra"], "extra"), (["send", "/x", "--frame", "0"], "--frame"),
                 (["send", "/x", "--frame", "1", "--lines"], "excludes"), (["receive", "/x", "--count", "0"], "from 1 on"),
                 (["receive", "/x", "--timeout", "5"], "is not a duration"), (["send", "/x", "--message-size", "5kb"], "is not a size"),
                 (["create", "/x", "--queue-size", "99999999999"], "too large"), (["list", "--frob"], "--frob"),
                 (["--socket", "/s", "--no-broker", "list"], "excludes")]
        for arguments, sentence in cases:
            with self.subTest(arguments):
                err = self.fails(USAGE, sentence, *arguments)
                self.assertRegex(err.splitlines()[1], "^hint: zipcctl.* --help$")

    def test_refuses_impossible_names_and_sizes(self):
        for command in ("send", "receive", "create", "remove", "dump"):
            self.fails(INVALID_NAME, "", command, "x", stdin=subprocess.DEVNULL)
        self.fails(INVALID_PARAMS, "", "create", self.name, "--queue-size", 1)

    def test_explains_every_command_with_examples_and_exit_codes(self):
        for command in ([], ["list"], ["get"], ["ping"], ["errors"], ["create"], ["remove"], ["dump"], ["send"], ["receive"], ["watch"], ["explain"], ["advise"], ["top"],
                        ["plan"], ["apply"], ["check"], ["revoke"], ["resize"]):
            text = self.check(*command, "--help")
            self.assertIn("Examples:\n  zipcctl", text)
            self.assertIn("Exit codes:", text)

    def test_prints_its_version(self):
        self.assertRegex(self.check("--version"), r"^zipcctl \d+\.\d+\.\d+\n$")

    def test_explains_every_error(self):
        errors = json.loads(self.check("errors", "--json"))["errors"]
        self.assertEqual([error["number"] for error in errors], list(range(29)))
        table = self.check("errors")
        for error in errors[1:]:
            self.assertRegex(table, rf"(?m)^ *{error['number']}  {error['name']} +{re.escape(error['summary'])}")

    def test_says_when_its_output_cannot_be_written(self):
        for command in (["errors"], ["--help"], ["--version"], ["send", "--help"]):
            with open("/dev/full", "wb") as full:
                self.fails(SYSTEM, "cannot write standard output: No space left", *command, stdout=full)

    def test_says_what_may_have_been_meant(self):
        for typo, meant in (("lst", "list"), ("recieve", "receive"), ("sned", "send"), ("reszie", "resize")):
            self.fails(USAGE, f"there is no command '{typo}': did you mean '{meant}'\\?", typo)
        self.assertNotIn("did you mean", self.fails(USAGE, "there is no command 'frobnicate'", "frobnicate"))
        for typo, meant in (("1MB", "1MiB"), ("64k", "64KiB"), ("2gb", "2GiB"), ("3Mib", "3MiB")):
            self.fails(USAGE, f"'{typo}' is not a size such as .*: did you mean {meant}\\?", "create", self.name, "--message-size", typo)
        for nonsense in ("MB", "1MBit", "1TB", "1 "):
            self.assertNotIn("did you mean", self.fails(USAGE, "is not a size", "create", self.name, "--message-size", nonsense))

    def test_refuses_a_choice_of_broker_that_there_is_not(self):
        self.env["ZIPC_BROKER"] = "of"
        for command in (["list"], ["send", self.name], ["create", self.name], ["get", self.name]):
            self.fails(USAGE, "ZIPC_BROKER is 'of'", *command)

    def test_gives_no_advice_that_leads_back(self):
        self.env.update(ZIPC_BROKER="auto", ZIPC_SOCKET=self.path("nobody"))
        self.assertNotIn("ZIPC_BROKER=off", self.fails(NO_BROKER, "no broker listens", "list"))
        self.assertIn("and a message_size of 1 to", self.fails(INVALID_PARAMS, "", "create", self.name, "--queue-size", 1 << 25))


if __name__ == "__main__":
    if len(sys.argv) > 2 and not sys.argv[1].startswith("-"):
        ZIPCCTL, ZIPCD = sys.argv[1:3]
        del sys.argv[1:3]
    unittest.main()

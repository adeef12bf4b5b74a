"""The example programs of the existing library's documentation, unmodified, and our own, run as real processes."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "system"))
from harness import Process, eventually, shm_path, unique_name  # noqa: E402

ENV = {"ZIPC_BROKER": "off"}


def spec(program):
    return os.path.join(os.environ["SPEC_PROGRAMS"], program)


def example(program):
    return os.path.join(os.environ["EXAMPLES"], program)


class Examples(unittest.TestCase):
    def start(self, *arguments):
        process = Process([str(argument) for argument in arguments], ENV)
        self.addCleanup(process.end)
        return process

    def channel(self, what):
        name = unique_name(what)
        self.remove_later(name)
        return name

    def remove_later(self, name):
        self.addCleanup(lambda: os.path.exists(shm_path(name)) and os.unlink(shm_path(name)))

    def test_the_documented_program_with_both_sides(self):
        self.assertEqual(self.start(spec("spec_both")).check(), "Received: Hello, IPC!\n")
        self.assertFalse(os.path.exists(shm_path("/test")))

    def test_the_documented_sender_and_receiver(self):
        self.remove_later("/my-zipc-path")
        # The documented receiver prints to a pipe here, where std::endl flushes each line.
        receiver = self.start(spec("spec_receiver"))
        self.start(spec("spec_sender"))
        for _ in range(3):
            self.assertEqual(receiver.wait_line("Received"), "Received: hello")

    def pair(self, first, second, name, count=20):
        """`first` makes the channel, if it must be made."""
        one = self.start(example(first), name, count)
        eventually(lambda: os.path.exists(shm_path(name)), "the channel is there")
        two = self.start(example(second), name, count)
        one.check()
        return two.check()

    def test_a_channel_by_name_alone_in_c_and_in_cpp(self):
        for prefix in ("zipc_example_", "zipc_example_cpp_"):
            for other in ("zipc_example_", "zipc_example_cpp_"):
                name = self.channel("greetings")
                maker = self.start(os.environ["ZIPC_PEER"], "send", name, 64, 1024, "--count", 0)
                maker.check()
                sender = self.start(example(prefix + "sender"), name, 10)
                receiver = self.start(example(other + "receiver"), name, 10)
                sender.check()
                self.assertIn("hello 10", receiver.check())

    def test_loan_and_publish_with_peek_and_pop(self):
        self.pair("zipc_example_loan_publish", "zipc_example_peek_pop", self.channel("frames"))

    def test_both_ends_in_place_in_one_program(self):
        self.start(example("zipc_example_cpp_in_place"), self.channel("single"), 20).check()

    def test_typed_messages(self):
        name = self.channel("typed")
        receiver = self.start(example("zipc_example_cpp_typed"), name, "receive", 10)
        eventually(lambda: os.path.exists(shm_path(name)), "the channel is there")
        self.start(example("zipc_example_cpp_typed"), name, "send", 10).check()
        self.assertEqual(receiver.check().count("\n"), 10)


if __name__ == "__main__":
    unittest.main()

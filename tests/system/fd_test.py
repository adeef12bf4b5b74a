"""Waiting by a descriptor (zipc_fd): real processes, led step by step. A wake-up that is lost makes a test hang until the
watchdog of ctest ends it."""
import contextlib
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import unittest

from harness import BrokerTest, FdPeer, Process, as_another_user, eventually, program, shm_path, unique_name

SLOTS = 8
FITS = SLOTS - 1
STREAM = int(os.environ.get("ZIPC_TEST_MESSAGES", 1000000)) // 20


class FdTest(BrokerTest):
    config = f"defaults: {{queue_size: {SLOTS}, message_size: 64, linger: 1h}}\nlimits: {{connections: 20}}\n"

    def setUp(self):
        super().setUp()
        self.start_zipcd()
        self.name = unique_name("fd")
        self.operator = self.connect()

    def fd_peer(self, role, slots=SLOTS):
        peer = FdPeer(self.env, role, self.name, slots)
        self.addCleanup(peer.end)
        return peer

    def quiet(self, peer, answer):
        """Nothing is there, and so it becomes unreadable. (It may be readable for no reason, but not for ever.)"""
        def is_quiet():
            self.assertEqual(peer.do("try"), answer)
            return peer.do("ready") == "no"
        eventually(is_quiet, "it is not readable")

    def waiting_receiver(self):
        receiver = self.fd_peer("receive")
        self.assertEqual(receiver.do("fd"), "fd")
        self.quiet(receiver, "empty")
        return receiver

    def waiting_sender(self):
        sender = self.fd_peer("send")
        self.assertEqual(sender.do("fd"), "fd")
        self.assertEqual(sender.do("all"), f"{FITS} full")
        self.quiet(sender, "full")
        return sender

    def restart_zipcd(self):
        self.stop_zipcd(signal.SIGKILL)
        self.start_zipcd()
        self.operator = self.connect()

    def test_is_readable_when_a_message_comes_and_not_when_it_is_out(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        for number in range(3):
            receiver.start("wait")
            self.assertEqual(sender.do("try"), f"ok {number}")
            self.assertEqual(receiver.answer(), "ready")
            self.assertEqual(receiver.do("try"), f"ok {number}")
            self.quiet(receiver, "empty")

    def test_stays_readable_until_a_call_has_found_nothing(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        self.assertEqual(sender.do("all"), f"{FITS} full")
        for number in range(FITS):
            self.assertEqual(receiver.do("ready"), "yes")
            self.assertEqual(receiver.do("peek"), f"ok {number}")
            self.assertEqual(receiver.do("ready"), "yes")
            self.assertEqual(receiver.do("try"), f"ok {number}")
        self.assertEqual(receiver.do("ready"), "yes")
        self.quiet(receiver, "empty")

    def test_of_a_sender_is_readable_when_there_is_space(self):
        receiver = self.fd_peer("receive")
        sender = self.waiting_sender()
        for number in range(3):
            sender.start("wait")
            self.assertEqual(receiver.do("try"), f"ok {number}")
            self.assertEqual(sender.answer(), "ready")
            self.assertEqual(sender.do("try"), f"ok {FITS + number}")
            self.quiet(sender, "full")

    def test_works_whoever_comes_first(self):
        receiver = self.waiting_receiver()  # nobody is there yet
        receiver.start("wait")
        sender = self.fd_peer("send")
        receiver.answer()
        self.assertEqual(receiver.do("try"), "empty")
        receiver.start("stream", 3)
        for number in range(3):
            self.assertEqual(sender.do("try"), f"ok {number}")
        self.assertEqual(receiver.answer(), "done")

    def test_and_the_calls_that_wait_go_together(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        self.assertEqual(receiver.do("block", 1), "timeout")
        receiver.start("block", 60000)
        eventually(lambda: self.channel(self.name)["receiver"]["asleep_ms"] >= 0, "it sleeps")
        self.assertEqual(sender.do("try"), "ok 0")
        self.assertEqual(receiver.answer(), "ok 0")
        self.assertEqual(receiver.do("ready"), "yes")
        self.assertEqual(receiver.do("block", 0), "timeout")
        receiver.start("wait")
        self.assertEqual(sender.do("try"), "ok 1")
        self.assertEqual(receiver.answer(), "ready")
        self.assertEqual(receiver.do("block", 0), "ok 1")

    def test_is_readable_when_the_peer_leaves_or_is_killed(self):
        for how in ("leave", "kill"):
            with self.subTest(how):
                sender = self.fd_peer("send")
                receiver = self.fd_peer("receive")
                receiver.do("fd")
                self.quiet(receiver, "empty")
                receiver.start("wait")
                if how == "leave":
                    self.assertEqual(sender.do("leave"), "left")
                else:
                    sender.end(signal.SIGKILL)
                self.assertEqual(receiver.answer(), "ready")
                eventually(lambda: receiver.do("try") == "peer_gone", "it is told that the sender has gone")
                receiver.end()

    def test_of_a_sender_is_readable_when_the_receiver_is_killed(self):
        receiver = self.fd_peer("receive")
        sender = self.waiting_sender()
        sender.start("wait")
        receiver.end(signal.SIGKILL)
        self.assertEqual(sender.answer(), "ready")
        eventually(lambda: sender.do("try") == "peer_gone", "it is told that the receiver has gone")
        self.quiet(sender, "full")

    def test_serves_one_peer_after_another(self):
        receiver = self.waiting_receiver()
        for number in range(5):
            receiver.start("stream", 1)
            sender = self.fd_peer("send")
            self.assertEqual(sender.do("try"), f"ok {number}")
            self.assertEqual(receiver.answer(), "done")
            sender.end((signal.SIGKILL, signal.SIGTERM)[number % 2])

    def test_of_a_successor_is_another_one_and_is_rung(self):
        sender = self.fd_peer("send")
        for number in range(4):
            receiver = self.waiting_receiver() if number == 0 else self.fd_peer("receive")
            receiver.do("fd")
            receiver.start("stream", 1)
            eventually(lambda: self.channel(self.name)["receiver"]["asleep_ms"] >= 0, "it waits")
            eventually(lambda: sender.do("try") == f"ok {number}", "it is sent")
            self.assertEqual(receiver.answer(), "done")
            receiver.end(signal.SIGKILL)

    def test_follows_a_channel_to_other_sizes(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        number = 0
        for slots in (16, 32, 4):
            receiver.start("stream", 1)
            error, reply = self.operator.broker("Resize", name=self.name, params={"queue_size": slots, "message_size": 64})
            self.assertIsNone(error, reply)
            self.assertEqual(sender.do("try"), f"ok {number}")
            self.assertEqual(receiver.answer(), "done")
            self.quiet(receiver, "empty")
            number += 1

    def test_of_a_sender_is_readable_when_there_is_space_for_the_channel_was_enlarged(self):
        self.fd_peer("receive")
        sender = self.waiting_sender()
        sender.start("stream", 1)
        self.assertIsNone(self.operator.broker("Resize", name=self.name,
                                               params={"queue_size": 2 * SLOTS, "message_size": 64})[0])
        self.assertEqual(sender.answer(), "done")

    def test_is_readable_when_the_role_is_revoked_and_stays_so(self):
        self.fd_peer("send")
        receiver = self.waiting_receiver()
        receiver.start("wait")
        self.assertIsNone(self.operator.broker("Revoke", name=self.name, role="receiver")[0])
        self.assertEqual(receiver.answer(), "ready")
        eventually(lambda: receiver.do("try") == "fenced", "it is told that it lost its role")
        self.assertEqual(receiver.do("ready"), "yes")
        self.assertTrue(receiver.do("fd").startswith("fenced "))

    def test_cannot_be_had_for_a_role_that_was_revoked(self):
        receiver = self.fd_peer("receive")
        self.assertIsNone(self.operator.broker("Revoke", name=self.name, role="receiver")[0])
        self.assertTrue(receiver.do("fd").startswith("fenced "))

    def test_is_rung_by_the_successor_of_a_peer_that_was_revoked(self):
        self.fd_peer("send")
        receiver = self.waiting_receiver()
        receiver.start("wait")
        self.assertIsNone(self.operator.broker("Revoke", name=self.name, role="sender")[0])
        self.assertEqual(receiver.answer(), "ready")
        eventually(lambda: receiver.do("try") == "peer_gone", "it is told")
        self.quiet(receiver, "empty")
        receiver.start("stream", 1)
        self.assertEqual(self.fd_peer("send").do("try"), "ok 0")
        self.assertEqual(receiver.answer(), "done")

    def test_goes_on_while_zipcd_is_not_there_and_with_the_next(self):
        knows_it = self.fd_peer("send")
        receiver = self.waiting_receiver()
        receiver.start("stream", 1)
        self.assertEqual(knows_it.do("try"), "ok 0")  # has fetched the doorbell by now, or not
        self.assertEqual(receiver.answer(), "done")
        self.quiet(receiver, "empty")
        self.stop_zipcd(signal.SIGKILL)
        for number in range(1, 4):  # without a broker
            receiver.start("stream", 1)
            self.assertEqual(knows_it.do("try"), f"ok {number}")
            self.assertEqual(receiver.answer(), "done")
        receiver.start("stream", 1)
        self.start_zipcd()
        self.assertEqual(knows_it.do("try"), "ok 4")
        self.assertEqual(receiver.answer(), "done")
        self.quiet(receiver, "empty")
        receiver.start("stream", 2)
        self.assertEqual(knows_it.do("try"), "ok 5")
        knows_it.end(signal.SIGKILL)
        self.assertEqual(self.fd_peer("send").do("try"), "ok 6")  # who has only ever met the second zipcd
        self.assertEqual(receiver.answer(), "done")

    def test_is_rung_by_a_peer_that_asks_for_the_doorbell_only_of_the_next_zipcd(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        receiver.start("stream", 1)
        self.restart_zipcd()
        self.assertEqual(sender.do("try"), "ok 0")
        self.assertEqual(receiver.answer(), "done")

    def test_is_readable_when_the_peer_dies_while_zipcd_is_not_there(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        receiver.start("wait")
        self.stop_zipcd(signal.SIGKILL)
        self.assertEqual(receiver.answer(), "ready")
        sender.end(signal.SIGKILL)
        self.start_zipcd()
        eventually(lambda: receiver.do("try") == "peer_gone", "it is told")

    def test_goes_on_when_the_channel_is_removed_by_force(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        receiver.start("stream", 2)
        self.assertEqual(sender.do("try"), "ok 0")
        self.assertIsNone(self.operator.broker("Remove", name=self.name, force=True)[0])
        self.assertEqual(sender.do("try"), "ok 1")
        self.assertEqual(receiver.answer(), "done")
        receiver.start("stream", 1)
        self.assertEqual(sender.do("try"), "ok 2")
        self.assertEqual(receiver.answer(), "done")

    def test_of_a_channel_that_was_removed_is_not_rung_and_looks_by_itself(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        receiver.start("stream", 2)
        self.assertIsNone(self.operator.broker("Remove", name=self.name, force=True)[0])
        for number in range(2):  # the sender, which asks for the doorbell now for the first time, is refused
            self.assertEqual(sender.do("try"), f"ok {number}")
        self.assertEqual(receiver.answer(), "done")
        eventually(lambda: receiver.do("try") == "empty", "nothing is there")
        receiver.start("wait")
        receiver.answer()

    def test_does_not_need_zipcd_to_answer_the_peer(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        receiver.start("stream", FITS)
        self.zipcd.send_signal(signal.SIGSTOP)
        try:
            for number in range(FITS):
                self.assertEqual(sender.do("try"), f"ok {number}")
        finally:
            self.zipcd.send_signal(signal.SIGCONT)
        self.assertEqual(receiver.answer(), "done")

    def test_is_rung_by_a_peer_without_a_descriptor_for_another_connection(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        receiver.start("wait")
        descriptors = os.listdir(f"/proc/{sender.popen.pid}/fd")
        in_use = len(descriptors)
        self.assertEqual(max(map(int, descriptors)) + 1, in_use, "there is no number free in between")
        resource.prlimit(sender.popen.pid, resource.RLIMIT_NOFILE, (in_use, in_use))
        self.assertEqual(sender.do("try"), "ok 0")
        self.assertEqual(receiver.answer(), "ready")
        self.assertEqual(receiver.do("try"), "ok 0")
        receiver.start("stream", 3)
        for number in range(1, 4):
            self.assertEqual(sender.do("try"), f"ok {number}")
        self.assertEqual(receiver.answer(), "done")

    def use_up_connections(self):
        """All that zipcd has room for."""
        others = []
        with self.assertRaises((OSError, AssertionError)):  # refused: it is closed
            while True:
                others.append(self.connect())
                self.assertIsNone(others[-1].broker("Ping")[0])
        self.assertIn("limits.connections is 20", self.log())
        return others

    def test_is_rung_by_a_peer_that_zipcd_gives_no_other_connection(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        receiver.start("wait")
        self.use_up_connections()
        self.assertEqual(sender.do("try"), "ok 0")
        self.assertEqual(receiver.answer(), "ready")
        self.assertEqual(receiver.do("try"), "ok 0")

    def test_is_rung_with_a_later_message_if_nobody_could_be_found_who_rings(self):
        sender = self.fd_peer("send")
        self.assertEqual(sender.do("fork"), "forked")  # its child may not use its connection
        receiver = self.waiting_receiver()
        receiver.start("wait")
        others = self.use_up_connections()
        self.assertEqual(sender.do("try"), "ok 0")
        self.assertFalse(select.select([receiver.popen.stdout], [], [], 0)[0])
        for other in others:
            other.close()

        def has_room():
            with contextlib.suppress(OSError, AssertionError):
                return self.connect().broker("Ping")[0] is None
            return False
        eventually(has_room, "zipcd has room for a connection")
        self.assertEqual(sender.do("try"), "ok 1")
        self.assertEqual(receiver.answer(), "ready")
        self.assertEqual(receiver.do("try"), "ok 0")

    def test_of_a_parent_is_not_for_its_child(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        self.assertEqual(receiver.do("fork"), "forked")
        self.assertTrue(receiver.do("fd").startswith("role_taken "))
        self.assertEqual(sender.do("try"), "ok 0")
        self.assertEqual(receiver.do("try"), "ok 0")
        self.assertEqual(receiver.do("try"), "empty")

    def test_of_a_child_whose_parent_has_ended_is_its_own(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        self.assertEqual(receiver.do("orphan"), "forked")
        receiver.popen.wait()
        self.assertEqual(receiver.do("fd"), "fd")
        self.quiet(receiver, "empty")
        receiver.start("stream", 1)
        self.assertEqual(sender.do("try"), "ok 0")
        self.assertEqual(receiver.answer(), "done")
        receiver.start("leave")  # ends by itself: it is no child of ours

    def test_is_rung_by_a_forked_child(self):
        sender = self.fd_peer("send")
        receiver = self.waiting_receiver()
        self.assertEqual(sender.do("fork"), "forked")
        receiver.start("stream", 1)
        self.assertEqual(sender.do("try"), "ok 0")
        self.assertEqual(receiver.answer(), "done")

    def test_is_not_there_without_a_broker(self):
        peer = FdPeer({**self.env, "ZIPC_BROKER": "off"}, "receive", unique_name("direct"), SLOTS)
        answer = peer.do("fd")
        self.assertTrue(answer.startswith("unsupported "), answer)
        self.assertIn("run zipcd", answer)
        self.assertEqual(peer.do("try"), "empty")
        peer.end()

    def test_works_beside_peers_that_do_not_ring(self):
        receiver = self.waiting_receiver()
        receiver.start("stream", 1)
        direct = FdPeer({**self.env, "ZIPC_BROKER": "off"}, "send", self.name, SLOTS)
        self.assertEqual(direct.do("try"), "ok 0")
        self.assertEqual(receiver.answer(), "done")
        self.quiet(receiver, "empty")
        receiver.start("stream", 1)
        self.assertEqual(direct.do("try"), "ok 1")
        self.assertEqual(receiver.answer(), "done")
        direct.end()

    def test_of_a_sender_is_no_longer_waited_for_when_it_has_found_space_itself(self):
        def waiting():
            with open(shm_path(self.name), "rb") as segment:
                return struct.unpack_from("=I", segment.read(8), 4)[0]
        sender = self.waiting_sender()
        self.assertNotEqual(waiting(), 0)
        direct = FdPeer({**self.env, "ZIPC_BROKER": "off"}, "receive", self.name, SLOTS)
        self.addCleanup(direct.end)
        self.assertEqual(direct.do("all"), f"{FITS} empty")  # it cannot ring
        self.assertEqual(sender.do("try"), f"ok {FITS}")
        self.assertEqual(waiting(), 0)
        self.assertEqual(sender.do("ready"), "yes")

    def test_loses_no_wake_up_of_a_stream(self):
        """Both wait by their descriptors, at a queue so short that they do so again and again."""
        for commands in (("stream", "stream"), ("one", "stream"), ("stream", "one"), ("one", "one")):
            for slots in (2, 3, SLOTS):
                with self.subTest(commands=commands, slots=slots):
                    self.name = unique_name("stress")
                    sender, receiver = self.fd_peer("send", slots), self.fd_peer("receive", slots)
                    for peer, command in ((sender, commands[0]), (receiver, commands[1])):
                        peer.do("fd")
                        peer.start(command, STREAM // slots)
                    self.assertEqual(sender.answer(), "done")
                    self.assertEqual(receiver.answer(), "done")
                    sender.end()
                    receiver.end()

    def test_loses_no_wake_up_beside_a_peer_that_sleeps(self):
        for role, other in (("send", "receive"), ("receive", "send")):
            with self.subTest(role):
                self.name = unique_name("mixed")
                waits, sleeps = self.fd_peer(role, 2), self.fd_peer(other, 2)
                waits.do("fd")
                waits.start("stream", STREAM // 10)
                for number in range(STREAM // 10):
                    self.assertEqual(sleeps.do("block", 60000), f"ok {number}")
                self.assertEqual(waits.answer(), "done")

    def test_loses_no_wake_up_while_the_channel_moves_and_zipcd_is_killed(self):
        sender, receiver = self.fd_peer("send"), self.fd_peer("receive")
        for peer in (sender, receiver):
            peer.do("fd")
            peer.start("stream", STREAM * 4)
        for i in range(20):
            slots = (4, 16, 8)[i % 3]
            self.operator.broker("Resize", name=self.name, params={"queue_size": slots, "message_size": 64})
            if i % 4 == 3:
                self.restart_zipcd()
        self.assertEqual(sender.answer(), "done")
        self.assertEqual(receiver.answer(), "done")

    def test_leaves_no_descriptor_behind_in_zipcd(self):
        for _ in range(3):
            sender, receiver = self.waiting_sender(), self.waiting_receiver_of_a_full_channel()
            receiver.end()
            sender.end()
        eventually(lambda: self.operator.broker("Check")[1]["findings"] == [], "everything is in order")

    def waiting_receiver_of_a_full_channel(self):
        receiver = self.fd_peer("receive")
        receiver.do("fd")
        receiver.do("all")
        self.quiet(receiver, "empty")
        return receiver


class Examples(BrokerTest):
    """Of event loops, in client/examples."""

    def example(self, name, *arguments):
        process = Process([os.path.join(program("EXAMPLES"), "zipc_example_" + name), *map(str, arguments)], self.env)
        self.addCleanup(process.end)
        return process

    def test_pass_messages_through_three_loops(self):
        self.start_zipcd()
        count = 500  # more than fit the queues
        first, second, other = unique_name("first"), unique_name("second"), unique_name("other")
        prints = self.example("event_loop", count + 10, second, other)
        copies = self.example("cpp_asio", first, second, count)
        sends = self.example("cpp_callback_loop", first, count)
        self.example("cpp_callback_loop", other, 10).check()
        sends.check()
        copies.check()
        lines = prints.check().splitlines()
        for name, number in ((second, count), (other, 10)):
            self.assertEqual([line for line in lines if line.startswith(name + ":")],
                             [f"{name}: greeting {i}" for i in range(1, number + 1)])


class GetDoorbell(BrokerTest):
    """The method, as others than libzipc may call it."""

    def setUp(self):
        super().setUp()
        self.start_zipcd()
        self.name = unique_name("bell")
        self.client = self.connect()
        error, self.grant = self.client.broker("Acquire", name=self.name, role="sender",
                                               params={"queue_size": 4, "message_size": 8})
        self.assertIsNone(error, self.grant)

    def get(self, client, role="sender", **parameters):
        return client.broker("GetDoorbell", name=self.name, role=role, **parameters)

    def test_gives_the_same_one_to_everybody_until_the_role_ends(self):
        error, first = self.get(self.client)
        self.assertIsNone(error, first)
        bell = socket.socket(fileno=os.dup(self.client.fds[-1]))
        self.addCleanup(bell.close)
        other = self.connect()
        error, second = self.get(other, ring=True)
        self.assertEqual(first["serial"], second["serial"])
        self.assertEqual(bell.recv(100, socket.MSG_DONTWAIT), b"\0")
        os.write(other.fds[-1], b"1234567")
        self.assertEqual(bell.recv(100, socket.MSG_DONTWAIT), b"1234567")
        self.assertEqual(self.client.broker("Check")[1]["findings"], [])
        os.close(self.client.fds.pop(0))  # the lease
        self.client.broker("Release", lease=self.grant["lease"])
        self.assertEqual(bell.recv(100, socket.MSG_DONTWAIT), b"", "it is of no more use")
        self.assertEqual(self.get(self.client)[0], "io.zipc.Broker.LeaseNotFound")
        self.assertEqual(self.client.broker("Check")[1]["findings"], [])
        self.assertIsNone(self.client.broker("Acquire", name=self.name, role="sender")[0])
        self.assertNotEqual(self.get(self.client)[1]["serial"], first["serial"])

    def peer(self, role):
        peer = FdPeer(self.env, role, self.name, 4, 8)
        self.addCleanup(peer.end)
        return peer

    def blocking(self, descriptor):
        """That end, which blocks now, for whoever else has it, too: the flag belongs to the file, not to the descriptor."""
        end = socket.socket(fileno=os.dup(descriptor))
        self.addCleanup(end.close)
        fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) & ~os.O_NONBLOCK)
        return end

    def fill(self, role):
        """The doorbell of `role`, which blocks then. Returns its number."""
        error, reply = self.get(self.client, role, ring=True)
        self.assertIsNone(error, reply)
        end = self.blocking(self.client.fds[-1])
        with contextlib.suppress(BlockingIOError):
            while True:
                end.send(b"x", socket.MSG_DONTWAIT)
        return reply["serial"]

    def test_never_blocks_zipcd_whatever_clients_do_with_it(self):
        self.fill("sender")
        self.assertIsNone(self.get(self.client, ring=True)[0], "it is rung, and that is all")
        os.close(self.client.fds.pop(0))  # the lease
        self.assertIsNone(self.client.broker("Release", lease=self.grant["lease"])[0])
        self.assertIsNone(self.connect().broker("Ping")[0])

    def test_never_blocks_who_waits_by_it(self):
        receiver = self.peer("receive")
        self.assertEqual(receiver.do("fd"), "fd")
        self.fill("receiver")
        self.blocking(self.client.fds[-1])
        for _ in range(3):
            self.assertEqual(receiver.do("wait"), "ready")
            self.assertEqual(receiver.do("try"), "empty")

    def test_never_blocks_who_sends(self):
        os.close(self.client.fds.pop(0))  # the lease
        self.client.broker("Release", lease=self.grant["lease"])
        sender = self.peer("send")
        self.assertIsNone(self.client.broker("Acquire", name=self.name, role="receiver")[0])
        memory = self.client.fds[-1]
        serial = self.fill("receiver")
        for number in range(3):
            # What a receiver that waits by it announces (common/layout.hpp): that it fences and waits; and the all-clear ends.
            for offset, word in ((100, struct.pack("I", 3)), (68, struct.pack("I", 1 << 31 | serial)), (324 + 3, b"\0")):
                os.pwrite(memory, word, offset)
            self.assertEqual(sender.do("try"), f"ok {number}")

    def test_is_replaced_when_a_client_has_shut_it_down(self):
        receiver = self.peer("receive")
        self.assertEqual(receiver.do("fd"), "fd")
        self.assertEqual(receiver.do("try"), "empty")
        error, first = self.get(self.client, "receiver", ring=True)
        self.assertIsNone(error, first)
        self.blocking(self.client.fds[-1]).shutdown(socket.SHUT_RDWR)
        self.assertEqual(receiver.do("wait"), "ready")
        self.assertEqual(receiver.do("try"), "empty")  # it asks for another
        error, second = self.get(self.client, "receiver", ring=True)
        self.assertIsNone(error, second)
        self.assertNotEqual(first["serial"], second["serial"])
        self.assertEqual(receiver.do("wait"), "ready")
        eventually(lambda: receiver.do("try") == "empty" and receiver.do("ready") == "no", "it is not readable")
        os.write(self.client.fds[-1], b"x")
        self.assertEqual(receiver.do("wait"), "ready")

    def test_refuses_the_doorbell_of_a_role_that_nobody_has_and_other_nonsense(self):
        self.assertEqual(self.get(self.client, "receiver")[0], "io.zipc.Broker.LeaseNotFound")
        self.assertEqual(self.client.broker("GetDoorbell", name="/zs.nothing", role="sender")[0],
                         "io.zipc.Broker.ChannelNotFound")
        self.assertEqual(self.get(self.client, "both")[0], "io.zipc.Broker.InvalidArgument")

    def test_has_a_share_of_the_descriptors_and_says_when_it_is_used_up(self):
        self.stop_zipcd()
        self.start_zipcd(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160)))
        client = self.connect()
        given = 0
        for _ in range(50):
            self.name = unique_name("many")
            self.assertIsNone(client.broker("Acquire", name=self.name, role="sender",
                                            params={"queue_size": 4, "message_size": 8})[0])
            error, reply = self.get(client)
            if error is not None:
                break
            given += 1
        self.assertEqual((given, error), (160 // 4 // 2, "io.zipc.Broker.LimitReached"), reply)
        self.assertIn("LimitNOFILE", reply["limit"])
        self.assertEqual(client.broker("Check")[1]["findings"], [])

    @as_another_user
    def test_refuses_other_users(self):
        script = ("import sys; sys.path.insert(0, sys.argv[1]); from harness import Varlink; "
                  "print(Varlink(sys.argv[2]).broker('GetDoorbell', name=sys.argv[3], role='sender')[0])")
        os.chmod(self.socket_path, 0o666)
        out = subprocess.run(["python3", "-c", script, os.path.dirname(os.path.abspath(__file__)), self.socket_path, self.name],
                             user=65534, capture_output=True, text=True, check=False)
        self.assertEqual(out.stdout.strip(), "io.zipc.Broker.LeaseNotFound", out.stderr)


if __name__ == "__main__":
    unittest.main()

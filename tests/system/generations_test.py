"""A channel gets other memory while it is in use: revoked and expired leases, other sizes, a configuration applied as a whole.

Every stream checks itself: a message that is lost, repeated or out of order ends the test."""
import json
import os
import signal
import struct
import subprocess
import unittest

from harness import BrokerTest, FdPeer, Process, eventually, program, shm_path, unique_name

CONFIG = """
dynamic: {names: ["/zs.*"], linger: 1h}
limits: {total_size: 64MiB, channel_size: 16MiB}
"""
FENCED = 27
MANY = int(os.environ.get("ZIPC_TEST_MESSAGES", 1000000)) * 2 // 5


def former_files(name):
    return [entry for entry in os.listdir("/dev/shm") if entry.startswith(name[1:] + " ")]


def naps_of(pid):
    """How often a process has given its processor up by itself."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("voluntary_ctxt_switches")).split()[1])


class Generations(BrokerTest):
    config = CONFIG

    def setUp(self):
        super().setUp()
        self.start_zipcd()
        self.name = unique_name()
        self.operator = self.connect()

    def stream(self, count, queue_size=16, message_size=64):
        receiver = self.peer("receive", self.name, queue_size, message_size, "--count", count, "--announce")
        receiver.wait_line("attached")
        sender = self.peer("send", self.name, queue_size, message_size, "--count", count, "--announce")
        sender.wait_line("attached")
        return sender, receiver

    def resize(self, queue_size, message_size):
        return self.operator.broker("Resize", name=self.name,
                                     params={"queue_size": queue_size, "message_size": message_size})

    def revoke(self, role):
        return self.operator.broker("Revoke", name=self.name, role=role)


class Resize(Generations):
    def test_leaves_room_for_the_message_that_is_being_written(self):
        sender, receiver = (FdPeer(self.env, role, self.name, 17, 64) for role in ("send", "receive"))
        for end in (sender, receiver):
            self.addCleanup(end.end)
        for number in range(15):
            self.assertEqual(sender.do("try"), f"ok {number}")
        self.assertEqual(sender.do("loan"), "ok 15")
        error, reply = self.resize(16, 64)
        self.assertEqual(error, "io.zipc.Broker.InvalidParams", reply)
        self.assertIn("15 messages that wait and one that the sender may be writing would not fit", reply["message"])
        self.assertEqual(receiver.do("try"), "ok 0")
        self.assertIsNone(self.resize(16, 64)[0])
        self.assertEqual(sender.do("publish"), "ok 15")
        self.assertEqual(sender.do("try"), "full")
        for number in range(1, 16):
            self.assertEqual(receiver.do("try"), f"ok {number}")
        for number in range(16, 31):  # and as many as there is room for, if there is no sender
            self.assertEqual(sender.do("try"), f"ok {number}")
        self.assertEqual(sender.do("leave"), "left")
        self.assertEqual(receiver.do("try"), "ok 16")
        self.assertIsNone(self.resize(15, 64)[0])
        for number in range(17, 31):
            self.assertEqual(receiver.do("try"), f"ok {number}")

    def resize_during_stream(self, count, options):
        """How often it moved."""
        self.name = unique_name()
        receiver = self.peer("receive", self.name, 16, 64, "--count", count, "--announce", *options)
        receiver.wait_line("attached")
        sender = self.peer("send", self.name, 16, 64, "--count", count, "--announce", *options)
        sender.wait_line("attached")
        moves = 0
        while sender.popen.poll() is None:
            if receiver.popen.poll():
                receiver.check()  # the sender would wait for ever
            error, reply = self.resize((16, 64, 17, 128)[moves % 4], 64 + 8 * (moves % 3))
            if error is None:
                moves += 1
            else:  # too many messages wait for that size at this moment, or for the memory of before
                self.assertIn(error, ("io.zipc.Broker.InvalidParams", "io.zipc.Broker.LimitReached"), reply)
        sender.check()
        receiver.check()
        return moves

    def test_under_load_loses_and_repeats_nothing(self):
        for options in ((), ("--in-place",), ("--spin",), ("--batches",)):
            with self.subTest(options=options):
                count, moves = MANY, 0
                while moves <= 3:  # then the stream was too short to show anything
                    moves = self.resize_during_stream(count, options)
                    count *= 2
                eventually(lambda: not former_files(self.name), "the former memory is removed")

    def test_reaches_a_sender_that_asks_for_a_batch(self):
        sender = self.peer("send", self.name, 8, 64, "--count", 20, "--batches", "--announce")
        sender.wait_line("attached")
        eventually(lambda: self.channel(self.name)["depth"] == 7, "the queue is full")
        self.assertIsNone(self.resize(32, 128)[0])
        sender.check()
        self.peer("receive", self.name, 0, 0, "--count", 20, "--longest", 64).check()

    def test_reaches_a_receiver_and_a_sender_that_sleep(self):
        receiver = self.peer("receive", self.name, 4, 64, "--count", 10, "--announce")
        receiver.wait_line("attached")
        eventually(lambda: (self.channel(self.name)["receiver"] or {}).get("asleep_ms", -1) >= 0, "the receiver sleeps")
        self.assertIsNone(self.resize(8, 64)[0])
        self.peer("send", self.name, 0, 0, "--count", 10).check()
        receiver.check()
        self.name = unique_name()
        sender = self.peer("send", self.name, 4, 64, "--count", 10, "--announce")
        sender.wait_line("attached")
        eventually(lambda: (self.channel(self.name)["sender"] or {}).get("asleep_ms", -1) >= 0, "the sender sleeps")
        self.assertIsNone(self.resize(16, 64)[0])
        sender.check()  # there is room for all of them now
        self.peer("receive", self.name, 0, 0, "--count", 10).check()

    def test_carries_over_what_waits_with_nobody_there(self):
        self.operator.broker("Create", name=self.name, params={"queue_size": 8, "message_size": 64}, linger_ms=-1)
        self.peer("send", self.name, 0, 0, "--count", 5).check()
        error, reply = self.resize(6, 100)
        self.assertIsNone(error, reply)
        self.assertEqual(reply["channel"]["generation"], 2)
        self.assertEqual(reply["channel"]["depth"], 5)
        self.assertEqual((reply["channel"]["sent"], reply["channel"]["received"]), (5, 0))
        self.peer("send", self.name, 0, 0, "--count", 0).check()
        self.peer("receive", self.name, 0, 0, "--count", 5, "--longest", 64).check()

    def test_carries_over_messages_that_lie_around_the_ends_of_both_queues(self):
        small, large = (20, 15, 12, 14, 22), (4, 3, 2, 2, 4)  # slots, sent, received, sent then, slots then
        for of, times, size, then in ((small, 100, 600, 600), (small, 100, 600, 900), (small, 100, 900, 600),
                                      (small, 1, 5000, 7000), (large, 1, 3000000, 3000008)):
            slots, sent, received, sent_then, slots_then = (times * count for count in of)
            with self.subTest(size=size, then=then):
                self.name = unique_name()
                longest = ("--longest", min(size, then))
                self.operator.broker("Create", name=self.name, params={"queue_size": slots, "message_size": size}, linger_ms=-1)
                self.peer("send", self.name, 0, 0, "--count", sent, *longest).check()
                self.peer("receive", self.name, 0, 0, "--count", received, *longest).check()
                self.peer("send", self.name, 0, 0, "--first", sent, "--count", sent_then, *longest).check()
                error, reply = self.resize(slots_then, then)
                self.assertIsNone(error, reply)
                waiting = sent + sent_then - received
                self.assertEqual(reply["channel"]["depth"], waiting)
                self.peer("receive", self.name, 0, 0, "--first", received, "--count", waiting, *longest).check()
                self.operator.broker("Remove", name=self.name)

    def test_takes_few_system_calls_however_many_messages_wait(self):
        def calls():
            with open(f"/proc/{self.zipcd.pid}/io", encoding="ascii") as file:
                return sum(int(line.split()[1]) for line in file if line.startswith("sysc"))
        self.operator.broker("Create", name=self.name, params={"queue_size": 20000, "message_size": 8}, linger_ms=-1)
        self.peer("send", self.name, 0, 0, "--count", 10000, "--batches").check()
        for params in ((20001, 8), (20001, 16)):
            before = calls()
            self.assertIsNone(self.resize(*params)[0])
            self.assertLess(calls() - before, 1000)

    def test_is_refused_when_what_waits_would_not_fit(self):
        self.operator.broker("Create", name=self.name, params={"queue_size": 8, "message_size": 64}, linger_ms=-1)
        self.peer("send", self.name, 0, 0, "--count", 5).check()
        for params in ((5, 64), (8, 8)):
            error, reply = self.resize(*params)
            self.assertEqual(error, "io.zipc.Broker.InvalidParams", reply)
        self.assertEqual(self.channel(self.name)["generation"], 1)
        self.assertEqual(former_files(self.name), [])
        self.peer("receive", self.name, 0, 0, "--count", 5).check()

    def test_is_the_owners_and_roots(self):
        self.operator.broker("Create", name=self.name)
        self.assertEqual(self.resize(1, 1)[0], "io.zipc.Broker.InvalidParams")
        self.assertEqual(self.operator.broker("Resize", name="/zs.none", params={"queue_size": 4, "message_size": 4})[0],
                         "io.zipc.Broker.ChannelNotFound")


class Revoke(Generations):
    def test_of_a_sender_makes_room_for_another_and_keeps_what_waits(self):
        sender = self.peer("send", self.name, 64, 64, "--count", 20, "--hold", stdin=subprocess.PIPE)
        sender.wait_line("sent")
        error, reply = self.revoke("sender")
        self.assertIsNone(error, reply)
        self.assertIsNone(reply["channel"]["sender"])
        self.assertEqual(reply["channel"]["depth"], 20)
        self.peer("send", self.name, 0, 0, "--first", 20, "--count", 20).check()
        self.peer("receive", self.name, 0, 0, "--count", 40).check()
        sender.check()

    def test_of_a_sender_is_told_to_it_and_to_a_receiver_that_sleeps(self):
        receiver = self.peer("receive", self.name, 8, 64, "--count", 10, "--announce", "--tell")
        receiver.wait_line("attached")
        sender = self.peer("send", self.name, 8, 64, "--count", 100000000, "--first", 0, "--paced", stdin=subprocess.PIPE)
        sender.popen.stdin.write("x")
        sender.popen.stdin.flush()
        sender.wait_line("1")
        self.assertIsNone(self.revoke("sender")[0])
        receiver.wait_line("peer gone")
        sender.popen.stdin.write("x")
        sender.popen.stdin.flush()
        code, _, _ = sender.finish()
        self.assertEqual(code, FENCED)
        self.peer("send", self.name, 0, 0, "--first", 1, "--count", 9).check()
        receiver.check()

    def test_of_a_receiver_gives_what_it_had_not_taken_out_to_the_next(self):
        sender = self.peer("send", self.name, 64, 64, "--count", 40, "--hold", stdin=subprocess.PIPE)
        sender.wait_line("sent")
        receiver = self.peer("receive", self.name, 0, 0, "--count", 10, "--hold", stdin=subprocess.PIPE)
        receiver.wait_line("received")
        self.assertIsNone(self.revoke("receiver")[0])
        self.peer("receive", self.name, 0, 0, "--first", 10, "--count", 30).check()
        receiver.check()
        sender.check()

    def test_under_load_is_noticed_by_the_holder_and_by_nobody_else(self):
        for _ in range(5):
            self.name = unique_name()
            sender, receiver = self.stream(10 ** 9)
            eventually(lambda: self.channel(self.name)["received"] > 1000, "messages flow")
            self.assertIsNone(self.revoke("receiver")[0])
            code, _, err = receiver.finish()
            self.assertEqual(code, FENCED, err)
            first = self.channel(self.name)["received"]
            self.peer("receive", self.name, 0, 0, "--first", first, "--count", 1000).check()
            sender.end()

    def test_of_a_stopped_holder_does_not_wait_for_it(self):
        sender, receiver = self.stream(10 ** 9)
        eventually(lambda: self.channel(self.name)["received"] > 1000, "messages flow")
        os.kill(sender.pid, signal.SIGSTOP)
        self.assertIsNone(self.revoke("sender")[0])
        eventually(lambda: self.channel(self.name)["depth"] == 0, "what was carried over is received")
        first = self.channel(self.name)["sent"]
        successor = self.peer("send", self.name, 0, 0, "--first", first, "--count", 1000, "--hold", stdin=subprocess.PIPE)
        successor.wait_line("sent")
        eventually(lambda: self.channel(self.name)["received"] == first + 1000, "its successor's are received")
        self.assertEqual(len(former_files(self.name)), 1, "the stopped one has the former memory open")
        os.kill(sender.pid, signal.SIGCONT)
        self.assertEqual(sender.finish()[0], FENCED)
        eventually(lambda: not former_files(self.name), "the former memory is removed")
        self.assertIsNone(receiver.popen.poll())

    def test_of_a_holder_that_has_not_followed_yet_takes_its_role_from_it_too(self):
        for role in ("sender", "receiver"):
            for restarts in (False, True):
                with self.subTest(role=role, restarts=restarts):
                    self.name = unique_name()
                    peers = dict(zip(("sender", "receiver"), self.stream(10 ** 9)))
                    eventually(lambda: self.channel(self.name)["received"] > 1000, "messages flow")
                    os.kill(peers[role].pid, signal.SIGSTOP)
                    for queue_size in (32, 64):
                        self.assertIsNone(self.resize(queue_size, 64)[0])
                    self.assertTrue(self.channel(self.name)[role]["behind"])
                    self.assertIsNone(self.revoke(role)[0])
                    if restarts:
                        self.stop_zipcd(signal.SIGKILL)
                        self.start_zipcd()
                        self.operator = self.connect()
                    self.assertIsNone(self.channel(self.name)[role])
                    os.kill(peers[role].pid, signal.SIGCONT)
                    self.assertEqual(peers[role].finish()[0], FENCED)
                    for peer in peers.values():
                        peer.end()

    def test_of_nobody_is_an_error(self):
        self.operator.broker("Create", name=self.name)
        self.assertEqual(self.revoke("sender")[0], "io.zipc.Broker.LeaseNotFound")


class Waiting(Generations):
    """What a peer waits for comes to it in each way, wherever the channel is by then."""
    WAYS = ("adaptive", "spin", "sleep", "poll")

    def test_follows_a_channel_that_moves(self):
        for way in self.WAYS:
            self.name = unique_name(way)
            receiver = self.peer("receive", self.name, 8, 64, "--count", 1, "--announce", "--waiting", way)
            receiver.wait_line("attached")
            self.assertIsNone(self.resize(32, 64)[0])
            eventually(lambda: not self.channel(self.name)["receiver"]["behind"], "it has followed, unasked")
            self.peer("send", self.name, 0, 0, "--count", 1).check()
            receiver.check()

    def test_stays_as_the_program_chose_after_a_move(self):
        receiver = self.peer("receive", self.name, 8, 64, "--count", 1, "--announce", "--waiting", "poll")
        receiver.wait_line("attached")
        self.assertIsNone(self.resize(32, 64)[0])
        eventually(lambda: not self.channel(self.name)["receiver"]["behind"], "it has followed")
        naps = naps_of(receiver.pid)
        eventually(lambda: naps_of(receiver.pid) > naps + 50, "it looks again and again")
        self.assertEqual(self.channel(self.name)["receiver"]["asleep_ms"], -1)
        self.peer("send", self.name, 0, 0, "--count", 1).check()
        receiver.check()

    def test_ends_for_who_loses_its_role(self):
        for way in self.WAYS:
            self.name = unique_name(way)
            receiver = self.peer("receive", self.name, 8, 64, "--count", 1, "--announce", "--waiting", way)
            receiver.wait_line("attached")
            self.assertIsNone(self.revoke("receiver")[0])
            self.assertEqual(receiver.finish()[0], FENCED)

    def test_ends_when_the_peer_is_killed(self):
        for way in self.WAYS:
            self.name = unique_name(way)
            receiver = self.peer("receive", self.name, 8, 64, "--count", 1, "--tell", "--announce", "--waiting", way)
            receiver.wait_line("attached")
            sender = self.peer("send", self.name, 8, 64, "--count", 0, "--hold", stdin=subprocess.PIPE)
            sender.wait_line("sent")
            sender.end()
            receiver.wait_line("peer gone: 3")
            receiver.end()


class Renew(Generations):
    config = CONFIG.replace("linger: 1h", "linger: 1h, lease_ttl: 1h")

    def test_goes_on_with_the_next_zipcd_and_after_a_move(self):
        sender = self.peer("send", self.name, 8, 64, "--count", 10, "--paced", "--renew", stdin=subprocess.PIPE)

        def send_one(number):
            sender.popen.stdin.write("x")
            sender.popen.stdin.flush()
            sender.wait_line(str(number))

        send_one(1)
        self.assertGreater(self.channel(self.name)["sender"]["expires_in_ms"], 0)
        self.stop_zipcd(signal.SIGKILL)
        self.start_zipcd()
        send_one(2)
        self.operator = self.connect()
        self.assertIsNone(self.resize(16, 64)[0])
        send_one(3)
        self.assertIsNone(self.revoke("sender")[0])
        sender.popen.stdin.write("x")
        sender.popen.stdin.flush()
        self.assertEqual(sender.finish()[0], FENCED)


class Interrupted(Generations):
    def test_who_renews_its_lease_goes_on_so_with_the_next_zipcd(self):
        self.write_config(CONFIG + f"channels: [{{name: {self.name}, queue_size: 8, message_size: 64, lease_ttl: 1h}}]\n")
        self.stop_zipcd()
        self.start_zipcd()
        record = os.path.join(self.folder, "record")
        with open(record, "wb") as file:
            file.truncate(4096)

        def renewals():
            with open(record, "rb") as file:
                return struct.unpack("<5Q", file.read(40))[4]
        holder = Process([program("STORM_PEER"), "receive", self.name, "0", "0", "64", "0", record, "--renew", "1"], self.env)
        self.addCleanup(holder.end)
        eventually(lambda: renewals() > 2, "it renews its lease")
        self.stop_zipcd(signal.SIGKILL)
        self.start_zipcd()
        before = renewals()
        eventually(lambda: renewals() > before + 5 or holder.popen.poll() is not None, "it goes on")
        self.assertIsNone(holder.popen.poll())
        self.assertLess(self.channel(self.name)["receiver"]["expires_in_ms"], 3600001)

    def test_a_holder_that_has_not_followed_yet_keeps_its_role_over_a_restart_of_zipcd(self):
        sender, receiver = self.stream(10 ** 9)
        eventually(lambda: self.channel(self.name)["received"] > 1000, "messages flow")
        os.kill(receiver.pid, signal.SIGSTOP)
        self.assertIsNone(self.resize(4096, 64)[0])
        eventually(lambda: self.channel(self.name)["sender"]["behind"] is False, "the sender has followed")
        self.assertTrue(self.channel(self.name)["receiver"]["behind"])
        self.stop_zipcd(signal.SIGKILL)
        self.start_zipcd()
        channel = self.channel(self.name)
        self.assertEqual((channel["sender"]["pid"], channel["receiver"]["pid"]), (sender.pid, receiver.pid))
        self.assertTrue(channel["receiver"]["behind"])
        self.assertEqual(self.connect().broker("Acquire", name=self.name, role="receiver")[0], "io.zipc.Broker.RoleTaken")
        before = channel["received"]
        os.kill(receiver.pid, signal.SIGCONT)
        eventually(lambda: self.channel(self.name)["received"] > before + 1000, "messages flow again")
        self.assertFalse(self.channel(self.name)["receiver"]["behind"])
        eventually(lambda: not former_files(self.name), "the former memory is removed")

    def test_two_moves_in_a_row_are_followed_at_once(self):
        sender, receiver = self.stream(10 ** 9)
        eventually(lambda: self.channel(self.name)["received"] > 1000, "messages flow")
        for pid in (sender.pid, receiver.pid):
            os.kill(pid, signal.SIGSTOP)
        for queue_size in (64, 32, 128):
            self.assertIsNone(self.resize(queue_size, 64)[0])
        before = self.channel(self.name)["received"]
        for pid in (sender.pid, receiver.pid):
            os.kill(pid, signal.SIGCONT)
        eventually(lambda: self.channel(self.name)["received"] > before + 1000, "messages flow again")
        self.assertEqual(self.channel(self.name)["generation"], 4)
        self.assertIsNone(sender.popen.poll())
        self.assertIsNone(receiver.popen.poll())


class PeerGone(Generations):
    def test_a_sleeping_receiver_is_told_that_its_sender_was_killed_and_how(self):
        receiver = self.peer("receive", self.name, 8, 64, "--count", 7, "--announce", "--tell")
        receiver.wait_line("attached")
        sender = self.peer("send", self.name, 0, 0, "--count", 4, "--hold", stdin=subprocess.PIPE)
        sender.wait_line("sent")
        sender.end(signal.SIGKILL)
        self.assertEqual(receiver.wait_line("peer gone").split()[2:4], ["3", str(sender.pid)])
        self.peer("send", self.name, 0, 0, "--first", 4, "--count", 3).check()
        receiver.check()

    def test_a_sleeping_sender_is_told_that_its_receiver_was_killed(self):
        receiver = self.peer("receive", self.name, 4, 64, "--count", 0, "--hold", stdin=subprocess.PIPE)
        receiver.wait_line("received")
        sender = self.peer("send", self.name, 0, 0, "--count", 10, "--announce", "--tell")
        sender.wait_line("attached")
        eventually(lambda: (self.channel(self.name)["sender"] or {}).get("asleep_ms", -1) >= 0, "the sender sleeps")
        receiver.end(signal.SIGKILL)
        self.assertEqual(sender.wait_line("peer gone").split()[2:4], ["3", str(receiver.pid)])
        self.peer("receive", self.name, 0, 0, "--count", 10).check()
        sender.check()

    def test_a_receiver_is_told_that_its_sender_has_left_after_all_its_messages(self):
        receiver = self.peer("receive", self.name, 8, 64, "--count", 5, "--announce", "--tell")
        receiver.wait_line("attached")
        self.peer("send", self.name, 0, 0, "--count", 4).check()
        self.assertEqual(receiver.wait_line("peer gone").split()[2], "2")
        self.peer("send", self.name, 0, 0, "--first", 4, "--count", 1).check()
        receiver.check()

    def test_a_death_while_no_zipcd_runs_is_told_by_the_next(self):
        receiver = self.peer("receive", self.name, 8, 64, "--count", 5, "--announce", "--tell")
        receiver.wait_line("attached")
        sender = self.peer("send", self.name, 0, 0, "--count", 4, "--hold", stdin=subprocess.PIPE)
        sender.wait_line("sent")
        self.stop_zipcd(signal.SIGKILL)
        sender.end(signal.SIGKILL)
        self.start_zipcd()
        self.assertEqual(receiver.wait_line("peer gone").split()[2:4], ["3", str(sender.pid)])

    def test_a_receiver_that_has_not_come_to_it_yet_is_told_after_a_move(self):
        receiver = self.peer("receive", self.name, 8, 64, "--count", 7, "--announce", "--tell")
        receiver.wait_line("attached")
        sender = self.peer("send", self.name, 0, 0, "--count", 4, "--hold", stdin=subprocess.PIPE)
        sender.wait_line("sent")
        os.kill(receiver.pid, signal.SIGSTOP)
        sender.end(signal.SIGKILL)
        eventually(lambda: self.channel(self.name)["sender"] is None, "zipcd knows it")
        self.assertIsNone(self.resize(16, 64)[0])
        os.kill(receiver.pid, signal.SIGCONT)
        receiver.wait_line("peer gone")

    def test_without_a_broker_too(self):
        self.env["ZIPC_BROKER"] = "off"
        receiver = self.peer("receive", self.name, 8, 64, "--count", 5, "--announce", "--tell")
        receiver.wait_line("attached")
        sender = self.peer("send", self.name, 8, 64, "--count", 4, "--hold", stdin=subprocess.PIPE)
        sender.wait_line("sent")
        sender.end(signal.SIGKILL)
        self.assertEqual(receiver.wait_line("peer gone").split()[2:4], ["3", str(sender.pid)])


class Gap(Generations):
    def test_a_request_waits_for_a_zipcd_that_is_being_restarted(self):
        self.stop_zipcd(signal.SIGKILL)
        sender = self.peer("send", self.name, 8, 64, "--count", 3, "--announce")
        self.start_zipcd()
        sender.wait_line("attached")
        sender.check()

    def test_a_request_says_clearly_that_no_zipcd_came_in_time(self):
        self.stop_zipcd()
        self.env["ZIPC_BROKER_TIMEOUT"] = "50"
        code, _, err = self.peer("send", self.name, 8, 64).finish()
        self.assertEqual(code, 21)
        self.assertIn(self.socket_path, err)
        self.assertIn("50 ms", err)


class Apply(Generations):
    def apply(self, text, method="Apply"):
        return self.connect().broker(method, config=text, file="new.yaml")

    def test_plans_and_then_does_exactly_that(self):
        names = [unique_name(what) for what in ("a", "b", "c")]
        first = CONFIG + "channels:\n" + "".join(f"  - {{name: {name}, queue_size: 8, message_size: 64}}\n" for name in names)
        self.assertIsNone(self.apply(first)[0])
        self.peer("send", names[0], 0, 0, "--count", 5).check()
        self.peer("send", names[1], 0, 0, "--count", 2).check()
        second = CONFIG + f"""channels:
  - {{name: {names[0]}, queue_size: 32, message_size: 64}}
  - {{name: {names[2]}, queue_size: 8, message_size: 64, linger: 5s}}
  - {{name: {self.name}, queue_size: 4, message_size: 16}}
"""
        error, plan = self.apply(second, "Plan")
        self.assertIsNone(error, plan)
        steps = {step["channel"]: step for step in plan["steps"]}
        self.assertEqual({name: step["action"] for name, step in steps.items()},
                         {names[0]: "resize", names[1]: "drain", names[2]: "change", self.name: "create"})
        self.assertIn("5 messages", steps[names[0]]["details"])
        self.assertEqual(self.channel(names[0])["generation"], 1, "a plan changes nothing")
        self.assertIsNone(self.channel(self.name))
        error, done = self.apply(second)
        self.assertEqual((error, done), (None, plan))
        channel = self.channel(names[0])
        self.assertEqual((channel["params"]["queue_size"], channel["depth"], channel["generation"]), (32, 5, 2))
        self.assertTrue(self.channel(names[1])["draining"])
        self.assertIsNotNone(self.channel(self.name))

    def test_that_cannot_be_done_as_a_whole_changes_nothing(self):
        first = CONFIG + f"channels:\n  - {{name: {self.name}, queue_size: 8, message_size: 64}}\n"
        self.assertIsNone(self.apply(first)[0])
        self.peer("send", self.name, 0, 0, "--count", 5).check()
        other = unique_name("other")
        second = CONFIG + f"""channels:
  - {{name: {other}, queue_size: 8, message_size: 64}}
  - {{name: {self.name}, queue_size: 4, message_size: 64}}
"""
        error, reply = self.apply(second)
        self.assertEqual(error, "io.zipc.Broker.InvalidParams", reply)
        self.assertIn("new.yaml:", reply["message"])
        self.assertIsNone(self.channel(other))
        self.assertFalse(os.path.exists(shm_path(other)))
        self.assertEqual(self.channel(self.name)["params"]["queue_size"], 8)
        self.assertEqual(former_files(self.name), [])

    def test_names_every_mistake_of_a_bad_configuration(self):
        error, reply = self.apply("chanels: []\nlimits: {channels: lots}\n")
        self.assertEqual(error, "io.zipc.Broker.InvalidConfig")
        first, second = reply["message"].split("\n")
        self.assertTrue(first.startswith("new.yaml:1:1"), first)
        self.assertTrue(second.startswith("new.yaml:2:"), second)

    def test_a_reload_resizes_a_channel_in_use(self):
        self.write_config(CONFIG + f"channels:\n  - {{name: {self.name}, queue_size: 16, message_size: 64}}\n")
        os.kill(self.zipcd.pid, signal.SIGHUP)
        eventually(lambda: self.channel(self.name) is not None, "it is provided")
        sender, receiver = self.stream(MANY)
        self.write_config(CONFIG + f"channels:\n  - {{name: {self.name}, queue_size: 64, message_size: 64}}\n")
        os.kill(self.zipcd.pid, signal.SIGHUP)
        sender.check()
        receiver.check()
        eventually(lambda: self.channel(self.name)["params"]["queue_size"] == 64, "it has other sizes")
        self.assertEqual(self.channel(self.name)["received"], MANY)

    def test_large_files_are_taken(self):
        channels = "".join(f"  - {{name: {unique_name('many')}, queue_size: 2, message_size: 8}}\n" for _ in range(1000))
        error, reply = self.apply(CONFIG.replace("limits: {", "limits: {channels: 2000, ") + "channels:\n" + channels)
        self.assertIsNone(error, reply)
        self.assertEqual(len([step for step in reply["steps"] if step["action"] == "create"]), 1000)


if __name__ == "__main__":
    unittest.main()

"""zipcd as its clients meet it: real processes on a real socket, a Varlink client written by hand, kill -9."""
import contextlib
import json
import mmap
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import threading
import time
import unittest

from harness import BrokerTest, Process, Varlink, as_another_user, eventually, run, program, shm_path, unique_name

PROVISIONED = unique_name("provisioned")
SMALL = unique_name("small")

CONFIG = f"""
defaults: {{queue_size: 16, message_size: 256, linger: 0}}
channels:
  - {{name: {PROVISIONED}, queue_size: 8, message_size: 1KiB}}
  - {{name: {SMALL}, queue_size: 2, message_size: 16}}
dynamic: {{names: ["/zs.*"]}}
limits: {{channels: 6, channel_size: 1MiB, total_size: 4MiB}}
"""


def populates_pages():
    with mmap.mmap(-1, mmap.PAGESIZE) as page, contextlib.suppress(OSError):
        page.madvise(23)  # MADV_POPULATE_WRITE
        return True
    return False


class Provisioned(BrokerTest):
    config = CONFIG

    def setUp(self):
        super().setUp()
        self.start_zipcd()

    def test_exists_from_the_start_with_the_sizes_of_the_file(self):
        channel = self.channel(PROVISIONED)
        self.assertEqual(channel["params"], {"queue_size": 8, "message_size": 1024})
        self.assertTrue(channel["provisioned"])
        self.assertEqual(os.stat(shm_path(PROVISIONED)).st_blocks * 512 >= 8 * 1024, True)

    def test_is_opened_by_name_alone(self):
        receiver = self.peer("receive", PROVISIONED, 0, 0, "--count", 500)
        self.peer("send", PROVISIONED, 0, 0, "--count", 500).check()
        receiver.check()
        self.assertEqual(self.channel(PROVISIONED)["received"], 500)

    def test_refuses_other_sizes_and_gives_its_own(self):
        code, _, err = self.peer("send", PROVISIONED, 9, 1024).finish()
        self.assertEqual(code, 11)
        self.assertIn("queue_size 8", err)
        self.assertIn("queue_size 9", err)

    def test_is_not_removed_on_request(self):
        self.assertEqual(self.connect().broker("Remove", name=PROVISIONED)[0], "io.zipc.Broker.ChannelProvisioned")

    def test_outlives_its_users(self):
        self.peer("send", PROVISIONED, 0, 0, "--count", 1).check()
        eventually(lambda: self.channel(PROVISIONED)["sender"] is None, "the lease has ended")
        self.assertEqual(self.channel(PROVISIONED)["depth"], 1)


class Dynamic(BrokerTest):
    config = CONFIG

    def setUp(self):
        super().setUp()
        self.start_zipcd()

    def test_is_made_on_the_first_request_and_reaped_after_the_last_lease(self):
        name = unique_name()
        receiver = self.peer("receive", name, 8, 64, "--count", 300)
        self.peer("send", name, 8, 64, "--count", 300).check()
        receiver.check()
        eventually(lambda: self.channel(name) is None, "it is reaped")
        self.assertFalse(os.path.exists(shm_path(name)))

    @unittest.skipUnless(populates_pages(), "a kernel before 5.14")
    def test_is_mapped_page_by_page_before_its_first_message(self):
        def resident_and_size(peer):
            with open(f"/proc/{peer.pid}/smaps", encoding="ascii") as smaps:
                of_segment = smaps.read().split("/dev/shm" + name)[1]
            return [re.search(key + r": +(\d+) kB", of_segment).group(1) for key in ("Rss", "Size")]

        for env in (self.env, {"ZIPC_BROKER": "off"}):
            name = unique_name("resident")
            for role in ("send", "receive"):
                peer = Process([program("ZIPC_PEER"), role, name, "64", "8192", "--count", "1", "--announce", "--hold"], env,
                               stdin=subprocess.PIPE)
                self.addCleanup(peer.end)
                peer.wait_line("attached")
                resident, size = resident_and_size(peer)
                self.assertEqual(resident, size)

    def test_is_refused_outside_the_configured_names_and_limits(self):
        client = self.connect()
        error, reply = client.broker("Create", name="/elsewhere")
        self.assertEqual(error, "io.zipc.Broker.PermissionDenied")
        self.assertIn("dynamic.names", reply["rule"])
        error, reply = client.broker("Create", name=unique_name(), params={"queue_size": 1024, "message_size": 4096})
        self.assertEqual(error, "io.zipc.Broker.LimitReached")
        self.assertIn("channel_size", reply["limit"])
        for _ in range(4):
            self.assertIsNone(client.broker("Create", name=unique_name())[0])
        error, reply = client.broker("Create", name=unique_name())
        self.assertEqual(error, "io.zipc.Broker.LimitReached")
        self.assertIn("channels", reply["limit"])
        self.assertIsNone(client.broker("Ping")[0], "only the request failed")

    def test_that_is_created_and_not_used_stays(self):
        name = unique_name()
        self.assertIsNone(self.connect().broker("Create", name=name)[0])
        self.peer("receive", PROVISIONED, 0, 0, "--count", 0).check()  # something else goes on in between
        self.assertEqual(self.channel(name)["params"], {"queue_size": 16, "message_size": 256})
        self.assertEqual(self.connect().broker("Create", name=name)[0], "io.zipc.Broker.ChannelExists")
        self.assertIsNone(self.connect().broker("Remove", name=name)[0])
        self.assertFalse(os.path.exists(shm_path(name)))

    def test_in_use_is_removed_only_by_force_and_its_users_go_on(self):
        name = unique_name()
        sender = self.peer("send", name, 8, 64, "--count", 3, "--hold", stdin=subprocess.PIPE)
        sender.wait_line("sent")
        client = self.connect()
        self.assertEqual(client.broker("Remove", name=name)[0], "io.zipc.Broker.ChannelInUse")
        self.assertIsNone(client.broker("Remove", name=name, force=True)[0])
        self.assertFalse(os.path.exists(shm_path(name)))
        sender.check()

    def test_leaves_alone_what_zipcd_did_not_make(self):
        name = unique_name("foreign")
        with open(shm_path(name), "wb") as file:
            file.write(b"not a segment" * 100)
        self.addCleanup(os.unlink, shm_path(name))
        error, _ = self.connect().broker("Acquire", name=name, role="sender", params={"queue_size": 8, "message_size": 64})
        self.assertIn(error, ("io.zipc.Broker.ForeignSegment", "io.zipc.Broker.ParamsMismatch"))
        self.connect().broker("Remove", name=name)
        self.stop_zipcd()
        self.assertEqual(os.path.getsize(shm_path(name)), 13 * 100)


class Leases(BrokerTest):
    config = CONFIG

    def setUp(self):
        super().setUp()
        self.start_zipcd()

    def holding_sender(self):
        sender = self.peer("send", PROVISIONED, 0, 0, "--count", 0, "--hold", stdin=subprocess.PIPE)
        sender.wait_line("sent")
        return sender

    def test_a_second_holder_of_a_role_is_refused_with_the_first_ones_pid(self):
        sender = self.holding_sender()
        code, _, err = self.peer("send", PROVISIONED, 0, 0).finish()
        self.assertEqual(code, 10)
        self.assertIn(str(sender.pid), err)
        error, reply = self.connect().broker("Acquire", name=PROVISIONED, role="sender")
        self.assertEqual((error, reply["holder"]), ("io.zipc.Broker.RoleTaken", sender.pid))

    def test_a_role_is_free_at_once_when_its_holder_is_killed(self):
        for _ in range(20):
            self.holding_sender().end(signal.SIGKILL)
            client = self.connect()
            error, reply = client.broker("Acquire", name=PROVISIONED, role="sender")
            self.assertIsNone(error, reply)
            client.close()  # this holder ends by closing its descriptors

    def test_the_table_shows_within_moments_that_a_killed_holder_is_gone(self):
        sender = self.holding_sender()
        self.assertEqual(self.channel(PROVISIONED)["sender"]["pid"], sender.pid)
        sender.end(signal.SIGKILL)
        eventually(lambda: self.channel(PROVISIONED)["sender"] is None, "the lease has ended")

    def test_a_stopped_holder_is_not_declared_dead(self):
        sender = self.holding_sender()
        os.kill(sender.pid, signal.SIGSTOP)
        self.assertEqual(self.connect().broker("Acquire", name=PROVISIONED, role="sender")[0], "io.zipc.Broker.RoleTaken")
        os.kill(sender.pid, signal.SIGCONT)
        sender.check()

    def test_a_lease_is_released_by_who_got_it_and_by_nobody_else(self):
        client = self.connect()
        _, lease = client.broker("Acquire", name=PROVISIONED, role="sender")
        other = subprocess.run(["python3", "-c", f"""
import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
from harness import Varlink
print(Varlink({self.socket_path!r}).broker("Release", lease={lease['lease']})[0])"""], capture_output=True, text=True, check=True)
        self.assertEqual(other.stdout.strip(), "io.zipc.Broker.LeaseNotFound")
        self.assertEqual(client.broker("Release", lease=lease["lease"])[0], "io.zipc.Broker.RoleTaken", "still open here")
        client.close_fds()
        self.assertIsNone(client.broker("Release", lease=lease["lease"])[0])
        self.assertEqual(client.broker("Release", lease=10 ** 9)[0], "io.zipc.Broker.LeaseNotFound")

    def test_a_descriptor_passed_on_keeps_the_lease_when_the_connection_ends(self):
        client = self.connect()
        client.broker("Acquire", name=PROVISIONED, role="sender")
        kept = os.dup(client.fds[0])
        client.close()
        self.assertEqual(self.connect().broker("Acquire", name=PROVISIONED, role="sender")[0], "io.zipc.Broker.RoleTaken")
        os.close(kept)
        self.assertIsNone(self.connect().broker("Acquire", name=PROVISIONED, role="sender")[0])


class Renewal(BrokerTest):
    SHORT = unique_name("short")
    LONG = unique_name("long")
    TTL_S = 0.3
    config = f"""
defaults: {{queue_size: 8, message_size: 64, lease_ttl: 1h}}
channels:
  - {{name: {SHORT}, lease_ttl: {int(TTL_S * 1000)}ms}}
  - {{name: {LONG}}}
  - {{name: {PROVISIONED}, lease_ttl: forever}}
"""

    def setUp(self):
        super().setUp()
        self.start_zipcd()

    def acquire(self, client, name, role):
        error, reply = client.broker("Acquire", name=name, role=role)
        self.assertIsNone(error, reply)
        return reply["lease"]

    def test_a_lease_that_is_not_renewed_ends_although_its_holder_lives(self):
        client = self.connect()
        lease = self.acquire(client, self.SHORT, "sender")
        eventually(lambda: self.channel(self.SHORT)["sender"] is None, "the lease has ended")
        self.assertIn("has not renewed its lease in time", self.log())
        self.assertEqual(client.broker("Renew", lease=lease)[0], "io.zipc.Broker.Fenced")

    def test_a_lease_outlives_its_time_to_live_as_long_as_it_is_renewed(self):
        client = self.connect()
        held_s = 0
        while held_s < 3 * self.TTL_S:
            acquired = renewed = time.monotonic()
            lease = self.acquire(client, self.SHORT, "receiver")
            while held_s < 3 * self.TTL_S:
                before, renewed = renewed, time.monotonic()
                error, reply = client.broker("Renew", lease=lease)
                if error:  # right only if this program was kept waiting for so long
                    self.assertGreaterEqual(time.monotonic() - before, self.TTL_S, reply)
                    client.close_fds()
                    break
                held_s = renewed - acquired

    def test_a_renewal_gives_the_whole_time_to_live_again(self):
        client = self.connect()
        lease = self.acquire(client, self.LONG, "sender")
        hour_ms = 3600 * 1000
        self.assertEqual(self.channel(self.LONG)["lease_ttl_ms"], hour_ms)
        eventually(lambda: self.channel(self.LONG)["sender"]["expires_in_ms"] < hour_ms, "the time runs")
        self.assertEqual(client.broker("Renew", lease=lease), (None, {"expires_in_ms": hour_ms}))

    def test_a_renewal_is_for_the_holder_and_needs_its_lock(self):
        client = self.connect()
        lease = self.acquire(client, self.LONG, "sender")
        self.assertEqual(client.broker("Renew", lease=lease + 1)[0], "io.zipc.Broker.LeaseNotFound")
        client.close_fds()
        self.assertEqual(client.broker("Renew", lease=lease)[0], "io.zipc.Broker.Fenced")
        self.assertIsNone(client.broker("Release", lease=lease)[0])
        self.assertEqual(client.broker("Renew", lease=lease)[0], "io.zipc.Broker.LeaseNotFound")

    def test_a_lease_without_a_time_to_live_needs_no_renewal(self):
        client = self.connect()
        lease = self.acquire(client, PROVISIONED, "sender")
        channel = self.channel(PROVISIONED)
        self.assertEqual((channel["lease_ttl_ms"], channel["sender"]["expires_in_ms"]), (-1, -1))
        self.assertEqual(client.broker("Renew", lease=lease), (None, {"expires_in_ms": -1}))

    def test_a_reload_gives_holders_all_of_another_time_to_live(self):
        client = self.connect()
        self.acquire(client, self.LONG, "sender")
        self.write_config(self.config.replace("1h", "2h"))
        self.zipcd.send_signal(signal.SIGHUP)
        eventually(lambda: self.channel(self.LONG)["lease_ttl_ms"] == 7200 * 1000, "the file is in force")
        self.assertGreater(self.channel(self.LONG)["sender"]["expires_in_ms"], 3600 * 1000)

    def test_an_adopted_lease_has_a_time_to_live_too(self):
        sender = self.peer("send", self.SHORT, 0, 0, "--count", 0, "--hold", stdin=subprocess.PIPE)
        sender.wait_line("sent")
        self.stop_zipcd(signal.SIGKILL)
        self.start_zipcd()
        eventually(lambda: self.channel(self.SHORT)["sender"] is None, "the lease has ended")
        sender.check()


class Waiting(BrokerTest):
    SPIN = unique_name("spin")
    OTHER = unique_name("other")
    config = f"""
defaults: {{queue_size: 8, message_size: 64, waiting: poll}}
channels:
  - {{name: {SPIN}, waiting: spin}}
  - {{name: {OTHER}}}
dynamic: {{waiting: sleep}}
"""

    def setUp(self):
        super().setUp()
        self.start_zipcd()

    def way_of(self, name, role="receive", *options, params=(0, 0)):
        """How a peer waits that attaches now."""
        peer = self.peer(role, name, *params, "--count", 0, "--announce", *options)
        way = peer.wait_line("attached").split()[1]
        peer.check()
        return way

    def test_is_as_the_configuration_says_unless_the_program_chooses(self):
        dynamic = unique_name()
        for role in ("send", "receive"):
            self.assertEqual(self.way_of(self.SPIN, role), "spin")
            self.assertEqual(self.way_of(self.OTHER, role), "poll", "of defaults")
            self.assertEqual(self.way_of(dynamic, role, params=(8, 64)), "sleep", "of dynamic")
            self.assertEqual(self.way_of(self.SPIN, role, "--waiting", "adaptive"), "adaptive")

    def test_is_told_by_the_broker_and_zipcctl(self):
        self.assertEqual(self.channel(self.SPIN)["waiting"], "spin")
        code, out, err = run([program("ZIPCCTL"), "get", self.OTHER, "--json"], self.env)
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out)["waiting"], "poll")

    def test_passes_messages_in_each_way(self):
        for name in (self.SPIN, self.OTHER):
            receiver = self.peer("receive", name, 0, 0, "--count", 200)
            self.peer("send", name, 0, 0, "--count", 200).check()
            receiver.check()

    def test_of_a_changed_configuration_counts_for_who_attaches_then(self):
        before = self.peer("receive", self.SPIN, 0, 0, "--count", 1)
        eventually(lambda: self.channel(self.SPIN)["receiver"] is not None, "the receiver has attached")
        changed = self.config.replace("waiting: spin", "waiting: sleep")
        error, plan = self.connect().broker("Plan", config=changed, file="new.yaml")
        self.assertIsNone(error, plan)
        steps = {step["channel"]: step for step in plan["steps"]}
        self.assertEqual(steps[self.SPIN]["action"], "change")
        self.assertIn("waiting spin -> sleep", steps[self.SPIN]["details"])
        self.write_config(changed)
        self.zipcd.send_signal(signal.SIGHUP)
        eventually(lambda: self.channel(self.SPIN)["waiting"] == "sleep", "the file is in force")
        self.assertEqual(self.channel(self.SPIN)["generation"], 1, "it needs no other memory")
        self.assertEqual(self.way_of(self.SPIN, "send"), "sleep")
        self.peer("send", self.SPIN, 0, 0, "--count", 1).check()
        before.check()

    def test_is_the_same_after_a_restart(self):
        dynamic = unique_name()
        self.way_of(dynamic, params=(8, 64))
        self.stop_zipcd(signal.SIGKILL)
        self.start_zipcd()
        self.assertEqual(self.channel(dynamic)["waiting"], "sleep")
        self.assertEqual(self.channel(self.SPIN)["waiting"], "spin")


class Restart(BrokerTest):
    config = CONFIG

    def setUp(self):
        super().setUp()
        self.start_zipcd()

    def test_traffic_goes_on_while_zipcd_is_killed_and_back(self):
        name = unique_name("traffic")
        receiver = self.peer("receive", name, 8, 64, "--count", 300000, "--announce")
        receiver.wait_line("attached")
        sender = self.peer("send", name, 8, 64, "--count", 300000, "--announce")
        sender.wait_line("attached")
        for _ in range(3):
            self.stop_zipcd(signal.SIGKILL)
            self.start_zipcd()
        sender.check()
        receiver.check()

    def test_a_restarted_zipcd_knows_who_still_holds_what(self):
        sender = self.peer("send", PROVISIONED, 0, 0, "--count", 2, "--hold", stdin=subprocess.PIPE)
        sender.wait_line("sent")
        for signal_number in (signal.SIGKILL, signal.SIGTERM):
            self.stop_zipcd(signal_number)
            self.start_zipcd()
            error, reply = self.connect().broker("Acquire", name=PROVISIONED, role="sender")
            self.assertEqual((error, reply["holder"]), ("io.zipc.Broker.RoleTaken", sender.pid))
        sender.end(signal.SIGKILL)
        eventually(lambda: self.channel(PROVISIONED)["sender"] is None, "an adopted lease ends too")
        self.peer("receive", PROVISIONED, 0, 0, "--count", 2).check()

    def test_the_next_request_after_it_is_back_succeeds(self):
        name = unique_name("again")
        holder = self.peer("send", name, 8, 64, "--count", 1, "--hold", stdin=subprocess.PIPE)
        holder.wait_line("sent")
        self.stop_zipcd(signal.SIGKILL)
        self.assertEqual(self.peer("receive", name, 8, 64).finish()[0], 21, "no broker, and it is required")
        self.start_zipcd()
        self.peer("receive", name, 8, 64, "--count", 1).check()
        holder.check()

    def test_orphans_of_a_killed_zipcd_are_reaped_by_the_next(self):
        name = unique_name("orphan")
        sender = self.peer("send", name, 8, 64, "--count", 1, "--hold", stdin=subprocess.PIPE)
        sender.wait_line("sent")
        self.stop_zipcd(signal.SIGKILL)
        sender.end(signal.SIGKILL)
        self.assertTrue(os.path.exists(shm_path(name)))
        self.start_zipcd()
        eventually(lambda: not os.path.exists(shm_path(name)), "it is reaped")

    def test_a_role_of_a_channel_that_was_made_without_a_broker_is_found_again(self):
        name = unique_name("direct")
        holders = {}
        for role, verb, env in (("sender", "send", {"ZIPC_BROKER": "off"}), ("receiver", "receive", self.env)):
            holders[role] = Process([program("ZIPC_PEER"), verb, name, "8", "64", "--count", "0", "--announce", "--hold"], env,
                                    stdin=subprocess.PIPE)
            self.addCleanup(holders[role].end)
            holders[role].wait_line("attached")
        for _ in range(2):
            self.stop_zipcd(signal.SIGKILL)
            self.start_zipcd()
            channel = self.channel(name)
            self.assertEqual({role: channel[role]["pid"] for role in holders},
                             {role: holder.pid for role, holder in holders.items()})
            self.assertTrue(channel["foreign"])
            self.assertIn(f"zipcctl --no-broker remove {name} removes it.", self.ctl("explain", name)[1])
        for holder in holders.values():
            holder.check()
        eventually(lambda: self.channel(name) is None, "it is forgotten")
        self.assertIn(f"channel {name} reaped; its segment, made without this broker, stays", self.log())
        self.assertTrue(os.path.exists(shm_path(name)))
        self.stop_zipcd(signal.SIGKILL)
        self.start_zipcd()
        self.assertIsNone(self.channel(name), "nobody holds it")
        code, _, err = self.ctl("remove", name)
        self.assertEqual((code, err.splitlines()[-1]),
                         (20, f"hint: zipcctl --no-broker remove {name} removes what was made without zipcd"))
        code, _, err = self.ctl("--no-broker", "remove", name)
        self.assertEqual(code, 0, err)
        self.assertFalse(os.path.exists(shm_path(name)))

    def test_a_channel_that_was_made_without_a_broker_is_known_as_long_as_somebody_holds_it(self):
        name = unique_name("direct")
        holder = Process([program("ZIPC_PEER"), "send", name, "8", "64", "--count", "0", "--hold"], {"ZIPC_BROKER": "off"},
                         stdin=subprocess.PIPE)
        self.addCleanup(holder.end)
        holder.wait_line("sent")
        for _ in range(2):
            self.assertEqual(self.connect().broker("Acquire", name=name, role="sender")[0], "io.zipc.Broker.RoleTaken")
            self.assertEqual(self.channel(name)["sender"]["pid"], holder.pid)
        holder.check()
        eventually(lambda: self.channel(name) is None, "it is forgotten")

    def test_leaves_nothing_behind_when_it_ends_unused(self):
        self.stop_zipcd()
        self.assertFalse(os.path.exists(shm_path(PROVISIONED)))
        self.assertFalse(os.path.exists(self.socket_path))

    def test_keeps_queued_messages_over_a_clean_restart(self):
        self.peer("send", PROVISIONED, 0, 0, "--count", 5).check()
        self.stop_zipcd()
        self.start_zipcd()
        self.peer("receive", PROVISIONED, 0, 0, "--count", 5).check()

    def test_a_second_zipcd_on_the_same_socket_is_refused(self):
        code, _, err = run([program("ZIPCD"), "--config", self.config_path, "--socket", self.socket_path])
        self.assertEqual(code, 4, err)
        self.assertIsNone(self.connect().broker("Ping")[0])

    def test_two_zipcds_on_two_sockets_leave_each_others_channels_alone(self):
        self.stop_zipcd(signal.SIGKILL)  # its provisioned segments stay behind
        first = self.socket_path
        self.socket_path = os.path.join(self.folder, "other.sock")
        self.write_config("")
        self.start_zipcd()
        self.stop_zipcd()
        self.assertTrue(os.path.exists(shm_path(PROVISIONED)))
        self.socket_path = first
        self.write_config(CONFIG)
        self.start_zipcd()

    def test_a_stale_socket_file_does_not_stop_it(self):
        self.stop_zipcd(signal.SIGKILL)
        self.assertTrue(os.path.exists(self.socket_path))
        self.start_zipcd()


class Reload(BrokerTest):
    config = CONFIG

    def setUp(self):
        super().setUp()
        self.start_zipcd()

    def test_a_good_file_adds_and_withdraws_channels(self):
        added = unique_name("added")
        self.write_config(CONFIG.replace(SMALL, added))
        self.zipcd.send_signal(signal.SIGHUP)
        eventually(lambda: self.channel(added) is not None, "the new channel is there")
        eventually(lambda: self.channel(SMALL) is None, "the withdrawn one has lingered and gone")
        self.assertIsNotNone(self.channel(PROVISIONED))

    def test_a_bad_file_changes_nothing_and_every_mistake_is_logged_with_its_place(self):
        self.write_config(CONFIG + "limit: {}\nchanels: []\n")
        self.zipcd.send_signal(signal.SIGHUP)
        lines = CONFIG.count("\n")
        eventually(lambda: f"{self.config_path}:{lines + 2}:1:" in self.log(), "the last mistake is logged")
        self.assertIn(f"{self.config_path}:{lines + 1}:1:", self.log())
        self.assertIsNotNone(self.channel(PROVISIONED))
        self.assertIsNone(self.zipcd.poll())

    def test_a_file_without_channels_is_warned_of(self):
        self.write_config(CONFIG.replace(SMALL, unique_name()))
        self.zipcd.send_signal(signal.SIGHUP)
        eventually(lambda: "configuration reloaded" in self.log(), "the file is in force")
        self.assertNotIn("names no channel", self.log())
        self.write_config("")
        self.zipcd.send_signal(signal.SIGHUP)
        eventually(lambda: "the configuration names no channel any more: 2 channels that it provided" in self.log(), "it is")

    def test_a_pipe_in_place_of_the_file_is_refused_and_not_waited_for(self):
        os.unlink(self.config_path)
        os.mkfifo(self.config_path)
        self.zipcd.send_signal(signal.SIGHUP)
        eventually(lambda: f"{self.config_path}: not a regular file" in self.log(), "the mistake is logged")
        self.assertIsNotNone(self.channel(PROVISIONED))
        code, _, err = run([program("ZIPCD"), "--config", self.config_path, "--check-config"])
        self.assertEqual(code, 3)
        self.assertIn("not a regular file", err)

    def test_what_the_shell_hands_over_can_be_checked(self):
        check = [program("ZIPCD"), "--check-config", "--config", "/dev/stdin"]
        for config, expected in (("limits: {channels: 5}\n", 0), ("chanels: []\n", 3)):
            process = subprocess.run(check, input=config, capture_output=True, text=True)
            self.assertEqual(process.returncode, expected, process.stderr)

    def test_zipcd_without_standard_error_writes_its_log_nowhere_else(self):
        self.stop_zipcd()
        self.start_zipcd(preexec_fn=lambda: os.close(2))
        self.ctl("create", SMALL)
        self.assertEqual(os.stat(self.socket_path + ".lock").st_size, 0)

    def test_zipcd_says_when_its_output_cannot_be_written(self):
        for arguments in (["--help"], ["--version"], ["--check-config", "--config", self.config_path]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([program("ZIPCD"), *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("cannot write standard output: No space left", done.stderr)

    def test_zipcd_names_its_log_levels(self):
        code, _, err = run([program("ZIPCD"), "--log-level", "loud"])
        self.assertEqual(code, 2)
        self.assertIn("'loud' is none of trace, debug, info, warning and error", err)
        self.assertEqual(run([program("ZIPCD"), "--log-level", "Debug", "--check-config", "--config", self.config_path])[0], 0)

    def test_zipcd_does_not_start_on_a_bad_file(self):
        self.stop_zipcd()
        self.write_config("chanels: []\n")
        code, _, err = run([program("ZIPCD"), "--config", self.config_path, "--socket", self.socket_path])
        self.assertEqual(code, 3)
        self.assertIn(f"{self.config_path}:1:1:", err)
        self.assertIn("channels", err)
        code, _, err = run([program("ZIPCD"), "--config", self.config_path, "--check-config"])
        self.assertEqual(code, 3)
        self.assertTrue(err.startswith(f"{self.config_path}:1:1: "), "as editors understand it")

    def test_mistakes_at_the_start_are_errors_to_the_journal(self):
        self.stop_zipcd()
        self.write_config("chanels: []\n")
        with open(os.path.join(self.folder, "journal"), "w+", encoding="utf-8") as journal:
            status = os.fstat(journal.fileno())
            env = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
            command = [program("ZIPCD"), "--config", self.config_path, "--socket", self.socket_path]
            self.assertEqual(subprocess.run(command, env=env, stderr=journal, check=False).returncode, 3)
            journal.seek(0)
            self.assertTrue(journal.read().startswith(f"<3>{self.config_path}:1:1: "))


class Plan(BrokerTest):
    """What a plan says of a file, and that zipcd does what it says."""

    config = CONFIG

    def setUp(self):
        super().setUp()
        self.start_zipcd()

    def steps(self, config, method="Plan"):
        """The steps that change something: what about -> (action, details)."""
        error, reply = self.connect().broker(method, config=config, file=self.config_path)
        self.assertIsNone(error, reply)
        return {step["channel"]: (step["action"], step["details"]) for step in reply["steps"] if step["action"] != "keep"}

    def test_names_every_change_of_a_channel_that_also_gets_other_sizes(self):
        changed = CONFIG.replace("queue_size: 8, message_size: 1KiB",
                                 "queue_size: 16, message_size: 1KiB, mode: 0660, group: daemon, linger: 1s")
        _, details = self.steps(changed)[PROVISIONED]
        self.assertEqual(details, f"8 x 1024 bytes -> 16 x 1024 bytes, mode 0600 -> 0660, group {os.getegid()} -> 1, "
                                  "linger 0 ms -> 1000 ms")
        self.steps(changed, "Apply")
        channel = self.channel(PROVISIONED)
        self.assertEqual((channel["params"]["queue_size"], channel["mode"], channel["group"]), (16, 0o660, 1))

    def test_says_nothing_of_a_channel_that_only_moves_in_the_file(self):
        moved = CONFIG.replace("channels:\n", "channels:\n\n\n")
        self.assertEqual(self.steps(moved), {})
        self.assertEqual(self.steps(moved, "Apply"), {})

    def test_names_what_changes_for_all_channels(self):
        changed = (CONFIG.replace("4MiB", "3000000").replace("channels: 6", "connections_per_user: 5")
                   .replace('names: ["/zs.*"]', 'allow: false, names: ["/a*", "/b*"], mode: 0666, lease_ttl: 2s')
                   .replace("queue_size: 16", "queue_size: 32"))
        expected = {
            "limits": ("change", "channels 6 -> 1024, total_size 4MiB -> 3000000, connections_per_user 256 -> 5"),
            "defaults": ("change", "queue_size 16 -> 32"),
            "dynamic": ("change", "allow true -> false, names [/zs.*] -> [/a*, /b*], lease_ttl none -> 2000 ms, "
                                  "mode 0600 -> 0666")}
        self.assertEqual(self.steps(changed), expected)
        self.assertEqual(self.steps(changed, "Apply"), expected)
        self.assertEqual(self.steps(changed), {})
        self.assertEqual(self.connect().broker("Create", name=unique_name())[0], "io.zipc.Broker.PermissionDenied")


class SocketAccess(BrokerTest):
    config = CONFIG + "socket: {mode: 0666}\n"
    closed = CONFIG + "socket: {mode: 0660, group: %d}\n" % (1 if os.geteuid() == 0 else os.getegid())

    def setUp(self):
        super().setUp()
        self.start_zipcd()

    def access(self):
        status = os.stat(self.socket_path)
        return stat.S_IMODE(status.st_mode), status.st_gid

    def test_follows_the_file_at_a_reload(self):
        self.assertEqual(self.access()[0], 0o666)
        self.write_config(self.closed)
        self.zipcd.send_signal(signal.SIGHUP)
        eventually(lambda: "configuration reloaded" in self.log(), "the file is in force")
        self.assertEqual(self.access(), (0o660, 1 if os.geteuid() == 0 else os.getegid()))
        self.write_config(self.config)
        self.zipcd.send_signal(signal.SIGHUP)
        eventually(lambda: self.access() == (0o666, os.getegid()), "it is open again, to zipcd's own group")

    def test_follows_a_file_that_is_applied_and_a_plan_says_so(self):
        client = self.connect()
        for method, mode in (("Plan", 0o666), ("Apply", 0o660)):
            error, reply = client.broker(method, config=self.closed, file="new.yaml")
            self.assertIsNone(error, reply)
            self.assertEqual([reply["steps"][0][key] for key in ("action", "channel")], ["change", "socket"])
            self.assertIn("mode 0666 -> 0660, group zipcd's own -> ", reply["steps"][0]["details"])
            self.assertEqual(self.access()[0], mode)

    def test_that_cannot_be_given_is_told(self):
        os.unlink(self.socket_path)
        self.write_config(self.closed)
        self.zipcd.send_signal(signal.SIGHUP)
        eventually(lambda: "who may connect is as before" in self.log(), "the log says so")
        self.assertIsNone(self.zipcd.poll())

    def test_takes_another_path_at_the_next_start(self):
        elsewhere = CONFIG + f"socket: {{path: {self.folder}/other.sock}}\n"
        _, reply = self.connect().broker("Plan", config=elsewhere, file="new.yaml")
        self.assertEqual(reply["steps"][0]["details"], f"path /run/zipcd.sock -> {self.folder}/other.sock at the next start")

    def test_of_a_socket_that_the_service_manager_has_made_is_left_to_it(self):
        self.stop_zipcd()
        with socket.socket(socket.AF_UNIX) as inherited:
            inherited.bind(self.socket_path)
            os.chmod(self.socket_path, 0o666)
            inherited.listen()

            launch = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh"]
            with open(self.log_path, "a", encoding="utf-8") as log:
                self.zipcd = subprocess.Popen([*launch, program("ZIPCD"), "--config", self.config_path], stderr=log,
                                              pass_fds=[3], preexec_fn=lambda: os.dup2(inherited.fileno(), 3))
        self.await_zipcd()
        _, reply = self.connect().broker("Plan", config=self.closed, file="new.yaml")
        self.assertIn("without effect", reply["steps"][0]["details"])
        self.write_config(self.closed)
        self.zipcd.send_signal(signal.SIGHUP)
        eventually(lambda: "socket.mode and socket.group have no effect" in self.log(), "the log says so")
        self.assertEqual(self.access()[0], 0o666)


class Draining(BrokerTest):
    """PROVISIONED, with five messages in it and nobody who holds it, is taken out of the file."""

    config = CONFIG
    without = CONFIG.replace(PROVISIONED, SMALL + ".other")

    def setUp(self):
        super().setUp()
        self.start_zipcd()
        self.peer("send", PROVISIONED, 0, 0, "--count", 5).check()
        eventually(lambda: self.channel(PROVISIONED)["sender"] is None, "the lease has ended")
        self.reload(self.without)
        eventually(lambda: self.channel(PROVISIONED)["draining"], "the file is in force")

    def reload(self, config):
        self.write_config(config)
        self.zipcd.send_signal(signal.SIGHUP)

    def assert_waits(self):
        channel = self.channel(PROVISIONED)
        self.assertEqual((channel["draining"], channel["provisioned"], channel["depth"], channel["reaped_in_ms"]),
                         (True, False, 5, -1))

    def test_lasts_until_the_messages_are_received(self):
        self.assert_waits()
        for _ in range(2):
            self.peer("receive", PROVISIONED, 0, 0, "--count", 0).check()
            eventually(lambda: self.channel(PROVISIONED)["receiver"] is None, "the lease has ended")
            self.assert_waits()
        self.peer("receive", PROVISIONED, 0, 0, "--count", 5).check()
        eventually(lambda: not os.path.exists(shm_path(PROVISIONED)), "it is reaped")
        self.assertIsNone(self.channel(PROVISIONED))

    def test_lasts_until_they_are_received_by_somebody_who_does_not_ask_the_broker(self):
        self.env["ZIPC_BROKER"] = "off"
        self.peer("receive", PROVISIONED, 0, 0, "--count", 5).check()
        eventually(lambda: not os.path.exists(shm_path(PROVISIONED)), "it is reaped")

    def test_lasts_over_restarts(self):
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            self.stop_zipcd(signal_number)
            self.start_zipcd()
            self.assert_waits()
        self.peer("receive", PROVISIONED, 0, 0, "--count", 5).check()
        eventually(lambda: not os.path.exists(shm_path(PROVISIONED)), "it is reaped")

    def test_begins_with_a_restart_on_a_file_that_lacks_the_channel(self):
        self.reload(CONFIG)
        eventually(lambda: self.channel(PROVISIONED)["provisioned"], "the file is in force")
        self.stop_zipcd()
        self.write_config(self.without)
        self.start_zipcd()
        self.assert_waits()

    def test_ends_when_the_channel_is_back_in_the_file(self):
        self.reload(CONFIG)
        eventually(lambda: not self.channel(PROVISIONED)["draining"], "the file is in force")
        self.peer("receive", PROVISIONED, 0, 0, "--count", 5).check()
        eventually(lambda: self.channel(PROVISIONED)["receiver"] is None, "the lease has ended")
        self.assertTrue(self.channel(PROVISIONED)["provisioned"])
        self.assertEqual(self.channel(PROVISIONED)["reaped_in_ms"], -1)

    def test_is_cut_short_on_request(self):
        self.assertIsNone(self.connect().broker("Remove", name=PROVISIONED)[0])
        self.assertFalse(os.path.exists(shm_path(PROVISIONED)))


class HostileInput(BrokerTest):
    config = CONFIG + "\n"

    def setUp(self):
        super().setUp()
        self.start_zipcd()

    def tearDown(self):
        self.assertIsNone(self.connect().broker("Ping")[0], "zipcd goes on")
        self.assertIsNone(self.zipcd.poll())

    def test_garbage_ends_only_its_own_connection(self):
        for garbage in (b"\0", b"{}\0", b"[]\0", b"GET / HTTP/1.0\r\n\r\n\0", b'{"method":1}\0', b"\xff\xfe\x00",
                        b'{"method":"io.zipc.Broker.Ping","parameters":[]}\0', b"[" * 10000 + b"\0"):
            with self.subTest(garbage=garbage[:20]):
                client = self.connect()
                client.send_raw(garbage)
                while (reply := client.receive()) is not None:
                    self.assertIn("error", reply)

    def test_an_oversized_message_ends_its_connection(self):
        client = self.connect()
        try:
            client.send_raw(b"x" * 9000000)  # also more than root may send
        except OSError:
            return  # closed before all of it was sent
        while True:
            try:
                if client.receive() is None:
                    return
            except ConnectionResetError:
                return

    def test_bytes_that_come_one_at_a_time_make_a_message(self):
        client = self.connect()
        for byte in b'{"method":"io.zipc.Broker.Ping"}\0':
            client.send_raw(bytes([byte]))
        self.assertNotIn("error", client.receive())

    def test_half_a_message_keeps_nobody_waiting(self):
        slow = self.connect()
        slow.send_raw(b'{"method":"io.zipc.')
        self.assertIsNone(self.connect().broker("Ping")[0])
        slow.send_raw(b'Broker.Ping"}\0')
        self.assertNotIn("error", slow.receive())

    def test_pipelined_calls_are_answered_in_order(self):
        client = self.connect()
        calls = b"".join(json.dumps({"method": "io.zipc.Broker.Get", "parameters": {"name": name}}).encode() + b"\0"
                         for name in (PROVISIONED, "/nothing", SMALL) * 100)
        writer = threading.Thread(target=client.send_raw, args=(calls,))
        writer.start()
        for _ in range(100):
            self.assertEqual(client.receive()["parameters"]["channel"]["name"], PROVISIONED)
            self.assertEqual(client.receive()["error"], "io.zipc.Broker.ChannelNotFound")
            self.assertEqual(client.receive()["parameters"]["channel"]["name"], SMALL)
        writer.join()

    def test_a_client_that_never_reads_blocks_only_itself(self):
        deaf = self.connect()
        deaf.socket.setblocking(False)
        call = b'{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"io.zipc.Broker"}}\0'
        try:
            for _ in range(100000):
                deaf.socket.send(call)
        except BlockingIOError:
            pass
        self.assertIsNone(self.connect().broker("Ping")[0])

    def test_oneway_calls_get_no_reply(self):
        client = self.connect()
        client.send("io.zipc.Broker.Ping", oneway=True)
        client.send("io.zipc.Broker.Get", {"name": "/nothing"}, oneway=True)
        client.send("io.zipc.Broker.Get", {"name": SMALL})
        self.assertEqual(client.receive()["parameters"]["channel"]["name"], SMALL)

    def test_descriptors_sent_by_a_client_are_not_kept(self):
        def open_files():
            return len(os.listdir(f"/proc/{self.zipcd.pid}/fd"))
        client = self.connect()
        client.broker("Ping")
        before = open_files()
        for _ in range(50):
            socket.send_fds(client.socket, [b'{"method":"io.zipc.Broker.Ping"}\0'], [0, 1, 2])
            self.assertNotIn("error", client.receive())
        self.assertEqual(open_files(), before)

    def test_bad_names_and_parameters_get_named_errors(self):
        client = self.connect()
        for name in ("", "/", "x", "/a/b", "/../x", "/" + "x" * 39, "/a b", "/\u00e4", "/\u0000"):
            self.assertEqual(client.broker("Create", name=name)[0], "io.zipc.Broker.InvalidName", repr(name))
        for parameters in ({}, {"name": 1}, {"name": "/x", "role": "both"}, {"name": "/x", "role": "sender", "params": {}}):
            error, _ = client.broker("Acquire", **parameters)
            self.assertIn(error, ("io.zipc.Broker.InvalidArgument", "org.varlink.service.InvalidParameter"))
        for queue_size in (0, 1, 2 ** 31):
            error, _ = client.broker("Create", name=unique_name(), params={"queue_size": queue_size, "message_size": 8})
            self.assertEqual(error, "io.zipc.Broker.InvalidParams")

    def test_unknown_methods_and_interfaces_are_named(self):
        client = self.connect()
        self.assertEqual(client.call("io.zipc.Broker.Nonsense")[0], "org.varlink.service.MethodNotFound")
        self.assertEqual(client.call("no.such.interface.Method")[0], "org.varlink.service.InterfaceNotFound")
        self.assertIn(client.call("nonsense")[0], ("org.varlink.service.InterfaceNotFound", "org.varlink.service.MethodNotFound"))

    def test_it_describes_itself_as_the_interface_file_does(self):
        client = self.connect()
        _, info = client.call("org.varlink.service.GetInfo")
        self.assertIn("io.zipc.Broker", info["interfaces"])
        self.assertEqual(set(info) & {"vendor", "product", "version", "url", "interfaces"},
                         {"vendor", "product", "version", "url", "interfaces"})
        _, reply = client.call("org.varlink.service.GetInterfaceDescription", {"interface": "io.zipc.Broker"})
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "../../common/io.zipc.Broker.varlink"), encoding="utf-8") as file:
            self.assertEqual(reply["description"], file.read())
        self.assertEqual(client.call("org.varlink.service.GetInterfaceDescription", {"interface": "x.y"})[0],
                         "org.varlink.service.InterfaceNotFound")

    def test_corrupt_headers_are_reported_and_harm_nobody(self):
        name = unique_name("corrupt")
        client = self.connect()
        client.broker("Create", name=name, params={"queue_size": 8, "message_size": 64})
        with open(shm_path(name), "r+b") as file:
            file.write(b"\xff" * 128)
        for method in ("Get", "List"):
            client.broker(method, name=name)
        client.broker("Acquire", name=name, role="sender")
        self.assertIsNone(client.broker("Ping")[0])
        os.unlink(shm_path(name))


class Limits(BrokerTest):
    config = "limits: {connections: 4}\n"

    def test_more_connections_than_allowed_are_answered_and_closed(self):
        self.start_zipcd()
        clients = [self.connect() for _ in range(4)]
        for client in clients:
            eventually(lambda c=client: c.broker("Ping")[0] is None, "it is served")
        extra = self.connect()
        try:
            extra.send("io.zipc.Broker.Ping")
            reply = extra.receive()
        except (BrokenPipeError, ConnectionResetError):
            reply = None
        if reply is not None:
            self.assertEqual(reply["error"], "io.zipc.Broker.LimitReached")
        clients[0].close()
        eventually(self.is_served, "a place is free again")

    def is_served(self):
        client = Varlink(self.socket_path)
        try:
            client.send("io.zipc.Broker.Ping")
            reply = client.receive()
            return reply is not None and "error" not in reply
        except OSError:
            return False
        finally:
            client.close()

    def test_a_refused_user_is_logged_once_for_each_limit_until_there_was_room(self):
        self.write_config("limits: {connections_per_user: 4, channels_per_user: 1}\n")
        self.start_zipcd()
        client = self.connect()
        self.await_connections(client, 1)
        others = [self.connect() for _ in range(3)]
        self.await_connections(client, 4)
        user = f"warning user {os.geteuid()} is refused: "
        for times in (1, 2):
            for _ in range(3):
                self.assertEqual(self.connect().receive()["error"], "io.zipc.Broker.LimitReached")
            self.assertEqual(self.warnings(user, "limits.connections_per_user is 4"), times)
            others.pop().close()
            self.await_connections(client, 3)
            others.append(self.connect())
            self.await_connections(client, 4)
        for times in (1, 2):
            name = unique_name()
            self.assertIsNone(client.broker("Create", name=name)[0])
            for _ in range(3):
                self.assertEqual(client.broker("Create", name=unique_name())[0], "io.zipc.Broker.LimitReached")
            self.assertEqual(self.warnings(user, "limits.channels_per_user is 1"), times)
            self.assertIsNone(client.broker("Remove", name=name)[0])

    @staticmethod
    def await_connections(client, count):
        eventually(lambda: client.broker("Ping")[1]["connections"] == count, f"there are {count} connections")

    def warnings(self, start, limit):
        return sum(1 for line in self.log().splitlines() if start in line and line.endswith(limit))

    def test_a_lack_of_descriptors_is_named_as_what_limits_the_connections(self):
        self.write_config("")
        self.start_zipcd(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (120, 120)))
        client = self.connect()
        self.await_connections(client, 1)
        for count in range(2, 6):
            self.connect()
            self.await_connections(client, count)
        reply = self.connect().receive()
        self.assertEqual(reply["error"], "io.zipc.Broker.LimitReached")
        self.assertIn("(LimitNOFILE) is 120, enough for 5 connections", reply["parameters"]["limit"])

    def test_running_out_of_descriptors_ends_nothing(self):
        self.write_config("")
        self.start_zipcd(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24)))
        clients = []
        try:
            for _ in range(40):
                clients.append(Varlink(self.socket_path))
        finally:
            for client in clients:
                client.close()
        eventually(self.is_served, "it serves again")
        self.assertIsNone(self.zipcd.poll())


@as_another_user
class OtherUsers(BrokerTest):
    def setUp(self):
        super().setUp()
        self.private = unique_name("private")
        self.shared = unique_name("shared")
        self.for_group = unique_name("group")
        self.write_config(f"""
socket: {{mode: 0666}}
channels:
  - {{name: {self.private}, mode: 0600}}
  - {{name: {self.shared}, mode: 0666}}
  - {{name: {self.for_group}, mode: 0660, group: daemon}}
""")
        self.start_zipcd()

    def as_user(self, uid, *arguments, gid=None, groups=()):
        return run([program("ZIPC_PEER"), *map(str, arguments)], self.env, user=uid, group=gid or uid, extra_groups=list(groups))

    def test_get_what_the_mode_allows_and_are_told_the_rule_otherwise(self):
        code, _, err = self.as_user(65534, "send", self.private, 0, 0, "--count", 1)
        self.assertEqual(code, 16)
        self.assertIn("mode", err)
        self.assertEqual(self.as_user(65534, "send", self.shared, 0, 0, "--count", 1)[0], 0)
        self.assertEqual(self.as_user(65534, "send", self.for_group, 0, 0, "--count", 1)[0], 16)
        self.assertEqual(self.as_user(65534, "send", self.for_group, 0, 0, "--count", 1, groups=[1])[0], 0)

    def test_own_the_channels_that_they_create(self):
        name = unique_name("theirs")
        self.assertEqual(self.as_user(65534, "send", name, 8, 64, "--count", 1)[0], 0)
        self.assertEqual(self.channel(name)["owner"], 65534)
        self.assertEqual(self.as_user(1, "receive", name, 8, 64)[0], 16, "another user")
        self.assertEqual(self.as_user(65534, "receive", name, 8, 64, "--count", 1)[0], 0)

    def test_who_may_not_make_the_socket_there_are_told_how_to_have_one_elsewhere(self):
        code, _, err = run([program("ZIPCD"), "--config", self.config_path, "--socket", os.path.join(self.folder, "other.sock")],
                           user=65534, group=65534, extra_groups=[])
        self.assertEqual(code, 1)
        self.assertRegex(err, "cannot open the lock file .*other.sock.lock: Permission denied; --socket PATH")

    def test_cannot_reach_a_private_segment_by_its_path(self):
        self.assertEqual(stat.S_IMODE(os.stat(shm_path(self.private)).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(shm_path(self.shared)).st_mode), 0o666)


@unittest.skipUnless(os.geteuid() == 0, "needs root, for a mount of its own")
class FullSharedMemory(BrokerTest):
    """A zipcd whose /dev/shm is 128 KiB, and clients in another mount namespace, who share only the socket with it."""

    def small(self, *arguments):
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                'mount -t tmpfs -o size=128k small /dev/shm && exec "$@"', "sh", *map(str, arguments)]

    def start_small_zipcd(self):
        arguments = self.small(program("ZIPCD"), "--config", self.config_path, "--socket", self.socket_path)
        self.log_path = os.path.join(self.folder, "log")
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.zipcd = subprocess.Popen(arguments, stderr=log)
        self.await_zipcd()

    def test_is_warned_of_and_shown(self):
        name = unique_name("large")
        self.write_config(f"channels: [{{name: {name}, queue_size: 64, message_size: 4KiB}}]\n")
        self.start_small_zipcd()
        self.assertIn("limits.total_size is 1073741824 bytes, but the shared memory of this machine has only 131072", self.log())
        self.assertIn("bytes of shared memory", self.channel(name)["no_memory"])
        error, reply = self.connect().broker("Check", repair=True)
        self.assertIsNone(error, reply)
        self.assertEqual([(finding["kind"], finding["repaired"]) for finding in reply["findings"]], [("missing", False)])

    def test_is_an_answer_and_leaves_nothing_behind(self):
        self.start_small_zipcd()
        for _ in range(3):
            code, _, err = self.peer("send", unique_name("large"), 64, 4096, "--count", 1).finish()
            self.assertEqual(code, 18, err)
        name = unique_name("fits")
        receiver = self.peer("receive", name, 16, 1024, "--count", 1000, "--announce")
        receiver.wait_line("attached")
        self.peer("send", name, 16, 1024, "--count", 1000).check()
        receiver.check()

    def test_is_an_answer_without_a_broker_too(self):
        name = unique_name("direct")
        command = self.small(program("ZIPC_PEER"), "send", name, 64, 4096, "--count", 1)
        code, _, err = run(command, {"ZIPC_BROKER": "off"})
        self.assertEqual(code, 18, err)
        self.assertIn("bytes of shared memory", err)


class Idle(BrokerTest):
    def test_an_idle_zipcd_does_not_wake_up(self):
        names = [unique_name("idle") for _ in range(200)]
        self.write_config("limits: {channels: 1000}\nchannels:\n" + "".join(
            f"  - {{name: {name}, queue_size: 2, message_size: 8}}\n" for name in names))
        self.start_zipcd()
        holder = self.peer("send", names[0], 0, 0, "--count", 1, "--hold", stdin=subprocess.PIPE)
        holder.wait_line("sent")
        eventually(self.zipcd_is_quiet, "half a second without a wake-up")


class Streams(BrokerTest):
    config = "limits: {channel_size: 64MiB}\n"
    count = int(os.environ.get("ZIPC_TEST_MESSAGES", "1000000"))

    def stream(self, env, sizes, *options):
        self.env = env
        name = unique_name("stream")
        receiver = self.peer("receive", name, *sizes, "--count", self.count, "--seed", 7, *options)
        sender = self.peer("send", name, *sizes, "--count", self.count, "--seed", 7, *options)
        sender.check()
        receiver.check()
        if os.path.exists(shm_path(name)) and env["ZIPC_BROKER"] == "off":
            os.unlink(shm_path(name))

    def test_a_million_checked_messages_through_the_broker(self):
        self.start_zipcd()
        self.stream(self.env, (256, 200))
        self.stream(self.env, (64, 100), "--in-place")

    def test_a_million_checked_messages_without_a_broker(self):
        self.stream({"ZIPC_BROKER": "off"}, (256, 200))
        self.stream({"ZIPC_BROKER": "off"}, (64, 100), "--in-place")


class Apis(BrokerTest):
    """The tests of both APIs, which ctest runs without a broker, once more with one: nothing may depend on it."""

    def test_the_c_and_the_cpp_api_keep_their_promises_through_the_broker(self):
        self.start_zipcd()
        for variable in ("C_API_TEST", "CPP_API_TEST"):
            # 32 PiB are refused by a limit here, before any memory is asked for.
            code, out, _ = run([program(variable), "--gtest_filter=-*AnswersThatSharedMemoryIsFull*"], self.env)
            self.assertEqual(code, 0, out)


if __name__ == "__main__":
    unittest.main()

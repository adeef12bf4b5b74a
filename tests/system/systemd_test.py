"""zipcd under a real systemd, as an operator meets it. Runs inside tests/system/with-systemd, as root, on a throw-away system.

Arguments: the build folder.
"""
import contextlib
import grp
import json
import os
import signal
import subprocess
import sys
import unittest

from harness import Process, Varlink, eventually, why_not_another_user

BUILD = sys.argv.pop(1)
SOCKET = "/run/zipcd.sock"
CHANNEL = "/plant.telemetry"
NOBODY = 65534


def sh(command, check=True):
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def show(unit, what):
    return sh(f"systemctl show {unit} -P {what}").strip()


def journal():
    sh("journalctl --sync")
    return [json.loads(line) for line in sh("journalctl -u zipcd.service -o json").splitlines()]


def journal_text():
    return "\n".join(str(entry.get("MESSAGE")) for entry in journal())


def documented_commands():
    """What the README tells an operator to do as root, line by line."""
    with open(os.path.join(os.path.dirname(__file__), "../../README.md"), encoding="utf-8") as file:
        return [line.strip() for line in file if line.startswith("    sudo ")]


class Systemd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.config_path = None
        for command in documented_commands():
            sh(command.replace("sudo ", "").replace("build/release", BUILD))
        for unit in ("zipcd.service", "zipcd.socket"):
            assert show(unit, "ActiveState") == "active", f"the README's commands have started {unit}"
        sh("systemctl stop zipcd.socket zipcd.service")
        cls.peer = os.environ["ZIPC_PEER"]
        command = show("zipcd.service", "ExecStart")
        cls.zipcd = command.split("path=")[1].split(" ")[0]
        cls.config_path = command.split("--config ")[1].split(" ")[0]
        cls.zipcctl = os.path.join(os.path.dirname(cls.zipcd), "zipcctl")

    def setUp(self):
        self.write_config()
        sh("systemctl reset-failed zipcd.service zipcd.socket", check=False)
        sh("systemctl start zipcd.socket")

    def tearDown(self):
        sh("systemctl stop zipcd.socket zipcd.service", check=False)
        for name in (CHANNEL, "/plant.alarms"):  # with messages that this test has left in it
            with contextlib.suppress(FileNotFoundError):
                os.unlink("/dev/shm" + name)

    def write_config(self, more=""):
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(f"channels:\n  - {{name: {CHANNEL}, queue_size: 8, message_size: 64, mode: 0666}}\n{more}")

    def client(self, *arguments, broker="require", extra_groups=(), **options):
        if why_not := why_not_another_user():
            self.skipTest(why_not)
        env = {"ZIPC_BROKER": broker, "XDG_RUNTIME_DIR": ""}
        process = Process([self.peer, *map(str, arguments)], env, user=NOBODY, group=NOBODY, extra_groups=list(extra_groups),
                          **options)
        self.addCleanup(process.end)
        return process

    def pid(self):
        return int(show("zipcd.service", "MainPID"))

    def status_becomes(self, part):
        eventually(lambda: part in show("zipcd.service", "StatusText"), f"the status says '{part}'")

    def test_systemctl_start_works_and_the_status_shows_live_counts(self):
        sh("systemctl start zipcd")
        self.assertEqual(show("zipcd.service", "ActiveState"), "active")
        self.status_becomes("1 channel")
        holder = self.client("send", CHANNEL, 0, 0, "--count", 1, "--hold", stdin=subprocess.PIPE)
        holder.wait_line("sent")
        self.status_becomes("1 lease")
        status = sh("systemctl status zipcd")
        self.assertIn("1 lease", status)
        self.assertIn("Broker of zipc channels", status)
        holder.check()
        self.status_becomes("0 leases")

    def test_a_client_of_another_user_gets_a_provisioned_channel_by_name(self):
        sh("systemctl start zipcd")
        receiver = self.client("receive", CHANNEL, 0, 0, "--count", 1000)
        self.client("send", CHANNEL, 0, 0, "--count", 1000).check()
        receiver.check()
        uid = int(sh("id -u zipcd"))
        self.assertEqual(os.stat("/dev/shm" + CHANNEL).st_uid, uid)
        self.assertEqual(os.stat("/dev/shm" + CHANNEL).st_mode & 0o777, 0o666, "whatever the UMask= of the unit")

    def test_the_file_of_a_group_stays_its_own_and_the_group_comes_in_through_the_broker(self):
        self.write_config("  - {name: /plant.alarms, queue_size: 8, message_size: 64, mode: 0660, group: video}\n")
        sh("systemctl start zipcd")
        status = os.stat("/dev/shm/plant.alarms")
        self.assertEqual((status.st_uid, status.st_mode & 0o777), (int(sh("id -u zipcd")), 0o600))
        member = {"extra_groups": [grp.getgrnam("video").gr_gid]}
        self.client("send", "/plant.alarms", 0, 0, "--count", 1, **member).check()
        for refused in ({}, {"broker": "off", **member}):
            self.assertEqual(self.client("send", "/plant.alarms", 0, 0, "--count", 1, **refused).finish()[0], 16)

    def test_the_first_use_starts_it_when_only_the_socket_is_up(self):
        self.assertEqual(show("zipcd.service", "ActiveState"), "inactive")
        listing = sh(f"runuser -u nobody -- {self.zipcctl} list --json")
        self.assertIn(CHANNEL, listing)
        self.assertEqual(show("zipcd.service", "ActiveState"), "active")

    def test_a_good_reload_applies_and_a_bad_one_changes_nothing(self):
        sh("systemctl start zipcd")
        pid = self.pid()
        self.write_config("  - {name: /plant.alarms, mode: 0666}\n")
        sh("systemctl reload zipcd")
        self.status_becomes("2 channels")
        self.write_config("  - {name: /plant.alarms, mode: 0666, queue_sise: 3}\n")
        with self.assertRaises(AssertionError, msg="systemctl reload says that it was refused"):
            sh("systemctl reload zipcd")
        eventually(lambda: f"{self.config_path}:3:" in journal_text(), "the mistake is in the journal, with its line")
        self.assertIn("queue_size", journal_text())
        self.assertEqual(show("zipcd.service", "ActiveState"), "active")
        self.assertEqual(self.pid(), pid)
        self.client("send", "/plant.alarms", 0, 0, "--count", 1).check()

    def test_a_running_pair_does_not_notice_stop_restart_and_kill(self):
        sh("systemctl start zipcd")
        count = 2000
        receiver = self.client("receive", CHANNEL, 0, 0, "--count", 100 * count, "--announce")
        receiver.wait_line("attached")
        sender = self.client("send", CHANNEL, 0, 0, "--count", 100 * count, "--announce")
        sender.wait_line("attached")
        sh("systemctl restart zipcd")
        killed = self.pid()
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: self.pid() not in (0, killed) and show("zipcd.service", "ActiveState") == "active",
                   "systemd has restarted it")
        sh("systemctl stop zipcd")
        sender.check()
        receiver.check()

    def test_a_lease_survives_a_restart(self):
        sh("systemctl start zipcd")
        holder = self.client("send", CHANNEL, 0, 0, "--count", 1, "--hold", stdin=subprocess.PIPE)
        holder.wait_line("sent")
        sh("systemctl restart zipcd")
        with contextlib.closing(Varlink(SOCKET)) as client:
            error, reply = client.broker("Acquire", name=CHANNEL, role="sender")
        self.assertEqual((error, reply["holder"]), ("io.zipc.Broker.RoleTaken", holder.pid))
        holder.end()

        def is_free():
            with contextlib.closing(Varlink(SOCKET)) as client:
                return client.broker("Get", name=CHANNEL)[1]["channel"]["sender"] is None
        eventually(is_free, "the lease has ended")

    def test_the_journal_has_levels_and_no_doubled_timestamps(self):
        sh("systemctl start zipcd")
        self.write_config("  - nonsense\n")
        sh("systemctl kill --signal HUP zipcd")
        eventually(lambda: any(entry.get("PRIORITY") == "3" for entry in journal()), "an error with the priority of one")
        ours = [entry for entry in journal() if entry.get("_COMM") == "zipcd"]
        self.assertTrue(any(entry["PRIORITY"] == "6" for entry in ours))
        for entry in ours:
            self.assertNotRegex(str(entry["MESSAGE"]), r"^(<\d>|\d{4}-|\[)")

    def test_the_units_are_valid_and_hardened(self):
        units = os.path.dirname(show("zipcd.service", "FragmentPath"))
        verify = sh(f"systemd-analyze verify {units}/zipcd.service {units}/zipcd.socket", check=False)
        self.assertNotIn("zipcd", verify, verify)
        sh(f"systemd-analyze security --offline=true --threshold=20 {units}/zipcd.service")

    def test_the_documented_commands_have_it_start_at_boot(self):
        for unit in ("zipcd.service", "zipcd.socket"):
            self.assertEqual(sh(f"systemctl is-enabled {unit}").strip(), "enabled")

    def test_the_manual_gives_the_commands_of_the_readme(self):
        with open(os.path.join(os.path.dirname(__file__), "../../daemon/zipcd.8.scd"), encoding="utf-8") as file:
            manual = file.read()
        for command in documented_commands():
            for part in command.replace("sudo ", "").split(" && "):
                self.assertIn(f"# {part}", manual)

    def test_a_bad_configuration_fails_the_start_and_says_why(self):
        self.write_config("limits: {chanels: 4}\n")
        sh("systemctl stop zipcd")
        sh("systemctl start zipcd", check=False)
        eventually(lambda: f"{self.config_path}:3:" in journal_text(), "the mistake is in the journal")
        self.assertNotEqual(show("zipcd.service", "ActiveState"), "active")

    def test_it_comes_up_by_itself_once_a_bad_configuration_has_been_mended(self):
        self.write_config("limits: {chanels: 4}\n")
        for _ in range(10):  # more often than systemd lets a unit fail, unless it is told otherwise
            with self.assertRaises(AssertionError):
                sh("systemctl start zipcd")
        self.write_config()
        eventually(lambda: show("zipcd.service", "ActiveState") == "active", "systemd has started it again")
        self.assertEqual(show("zipcd.socket", "ActiveState"), "active")
        self.assertIn(CHANNEL, sh(f"runuser -u nobody -- {self.zipcctl} list --json"))

    def test_it_comes_back_however_often_it_crashes(self):
        sh("systemctl start zipcd")
        for _ in range(7):
            killed = self.pid()
            os.kill(killed, signal.SIGKILL)
            eventually(lambda: self.pid() not in (0, killed) and show("zipcd.service", "ActiveState") == "active",
                       "systemd has restarted it")
        self.assertIn(CHANNEL, sh(f"runuser -u nobody -- {self.zipcctl} list --json"))


if __name__ == "__main__":
    unittest.main()

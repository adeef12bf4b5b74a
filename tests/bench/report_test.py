#!/usr/bin/env python3
"""What tests/bench/report makes of measurements: what it compares, what it leaves out, and when it says that a target is met."""
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import targets  # noqa: E402
from results import Results  # noqa: E402

CASE = {"workload": "throughput", "size": 64}
BOOST = targets.BOOST


def sample(contestant, ns, number=0, raw=(100, 100), wait="spin"):
    group = "fast" if sum(raw) < 160 else "middle" if sum(raw) < 500 else "slow"
    return {"workload": "throughput", "contestant": contestant, "size": 64, "queue": 1024, "wait": wait, "place": "processes", "rate": 0,
            "round": number, "ns": ns, "raw_before_ns": raw[0], "raw_after_ns": raw[1], "class": group}


def run(samples, **more):
    names = list(dict.fromkeys(one["contestant"] for one in samples))
    return {"machine": {}, "libraries": [], "contestants": names, "absent": [], "samples": samples, **more}


def against_boost(results, contestant="zipc C++, in place", group="middle"):
    return targets.ratios(results, group, targets.ways_of(contestant, CASE), "boost", of_rates=True)


class Comparing(unittest.TestCase):
    def test_the_best_way_of_a_round_is_what_counts(self):
        results = Results([run([sample("zipc C++, in place", 10), sample(BOOST[0], 30), sample(BOOST[1], 20), sample(BOOST[2], 25)])])
        self.assertEqual(against_boost(results), [2.0])

    def test_the_better_of_polling_and_blocking_is_what_counts_of_others(self):
        results = Results([run([sample("ZeroMQ, ipc", 400), sample("ZeroMQ, ipc", 200, wait="block"), sample(BOOST[0], 20)])])
        self.assertEqual(against_boost(results, "ZeroMQ, ipc"), [0.1])

    def test_pairs_of_one_group_that_are_not_close_are_left_out_and_counted(self):
        results = Results([run([sample("zipc C++, in place", 10), sample(BOOST[0], 20, raw=(160, 160)),
                                sample("zipc C++, in place", 10, 1), sample(BOOST[0], 20, 1, raw=(140, 140))])])
        self.assertEqual(against_boost(results), [2.0])
        self.assertEqual((len(results.left_out), len(results.compared)), (1, 1))

    def test_pairs_of_two_groups_that_are_close_are_compared(self):
        results = Results([run([sample("zipc C++, in place", 10, raw=(82, 82)), sample(BOOST[0], 20, raw=(78, 78))])])
        self.assertEqual(against_boost(results), [2.0])

    def test_no_worse_way_stands_in_for_the_best_one_that_is_not_close(self):
        results = Results([run([sample("zipc C++, in place", 10), sample(BOOST[0], 12, raw=(200, 200)), sample(BOOST[1], 30)])])
        self.assertEqual(against_boost(results), [])
        results = Results([run([sample("zipc C++, in place", 10), sample(BOOST[0], 12, raw=(100, 200)), sample(BOOST[1], 30)])])
        self.assertEqual(against_boost(results), [])

    def test_samples_during_which_the_machine_changed_do_not_count(self):
        results = Results([run([sample("zipc C++, in place", 10, raw=(100, 200)), sample(BOOST[0], 20)])])
        self.assertEqual(against_boost(results), [])
        self.assertEqual(results.unsteady, 1)


class Merging(unittest.TestCase):
    def test_nothing_of_a_second_run_is_lost(self):
        def one(value):
            call = {"contestant": "zipc C++, in place", **targets.case_of(CASE), "per_message": value}
            row = {"what": "zipcd starts", "unit": "ns", "channels": 10, "where": "", "values": [value]}
            absent = {"workload": "paced", "contestant": str(value), "size": 8, "why": "x"}
            samples = [sample("zipc C++, in place", 10), sample(BOOST[0], 10 * value)]
            return run(samples, control=[row], system_calls=[call], absent=[absent])
        results = Results([one(1), one(2)])
        self.assertEqual(against_boost(results), [1.0, 2.0])
        self.assertEqual(list(results.control.values()), [("ns", [1, 2])])
        self.assertEqual(list(results.system_calls.values()), [[1, 2]])
        self.assertEqual([entry["contestant"] for entry in results.absent], ["1", "2"])


class Verdicts(unittest.TestCase):
    def test_a_few_rounds_decide_nothing(self):
        self.assertEqual(targets.verdict([3.0] * 4, least=2), "too few")

    def test_a_bound_between_the_quartiles_is_undecided(self):
        self.assertEqual(targets.verdict([1.8, 1.9, 2.1, 2.2, 2.3], least=2), "undecided")
        self.assertEqual(targets.verdict([1.8, 1.9, 2.1, 2.2, 2.3], most=2), "undecided")

    def test_a_bound_outside_the_quartiles_is_decided(self):
        values = [1.0, 2.1, 2.2, 2.3, 9.0]
        self.assertEqual([targets.verdict(values, least=2.1), targets.verdict(values, most=2.3)], ["met", "met"])
        self.assertEqual([targets.verdict(values, least=2.4), targets.verdict(values, most=2.0)], ["NOT MET", "NOT MET"])


class ControlPlane(unittest.TestCase):
    def rows(self, *measured):
        control = [{"what": what, "unit": "x", "channels": channels, "where": where, "values": values}
                   for what, channels, where, values in measured]
        return targets.control_rows(Results([run([], control=control)]))

    def test_growth_is_judged_by_taking_another_channel_each_time(self):
        taken = "role taken and given back, in raw round trips, "
        rows = self.rows((taken + "another channel each time", 10, "one core", [4.0] * 5),
                         (taken + "another channel each time", 10_000, "one core", [6.0] * 5),
                         (taken + "of channels that were never taken", 10_000, "one core", [4.0] * 5))
        growth = [(row[4], targets.of_control(row)) for row in rows if row[0].startswith("taking a role")]
        self.assertEqual(growth, [([1.5] * 5, "<= 1.2x: NOT MET"), ([1.0] * 5, "")])


if __name__ == "__main__":
    unittest.main()

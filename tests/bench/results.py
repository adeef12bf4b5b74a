"""What runs have measured, and what of it may be compared.

A virtual machine's cores move: the time that a cache line takes from one to the other was seen to change twelvefold within minutes. So
it is measured before and after every sample, and only samples of one round that were taken on much the same machine are compared.
"""
import collections
import json
import statistics
import sys

# Two samples are compared if the raw cache line took one of them at most so many times as long as the other, and a sample counts if it did
# not change more from before to after. Nine in ten pairs are as close (4,700 pairs of ours). Those that just pass are a sixth off what
# close pairs say, typically, where close pairs differ by a tenth among themselves; those that are twofold apart, by a half.
CLOSE = 1.5
CASE = ("workload", "size", "queue", "wait", "place", "rate")
GROUPS = ("fast", "middle", "slow")  # zipc_bench says which: see runner.cpp
QUEUES = {"throughput": 1024, "send_alone": 1024, "paced": 16384}  # the usual ones


def case_of(case):
    """The case with what it does not name as usual."""
    waits = "block" if case["workload"] in ("asleep", "paced") else "spin"
    return {"queue": QUEUES.get(case["workload"], 16), "wait": waits, "place": "processes", "rate": 0, **case}


def raw_ns(sample):
    """Around the sample; None: who shares a core has none to speak of."""
    return (sample["raw_before_ns"] + sample["raw_after_ns"]) / 2 if "raw_before_ns" in sample else None


def is_close(a, b):
    return max(a, b) <= CLOSE * min(a, b)


def is_steady(sample):
    return "raw_before_ns" not in sample or is_close(sample["raw_before_ns"], sample["raw_after_ns"])


def group_of(sample):
    return sample.get("class", "any")


def quartiles(values):
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


class Results:
    def __init__(self, runs):
        first = runs[0]
        self.machine, self.libraries = first["machine"], first["libraries"]
        self.order = {name: number for number, name in enumerate(first["contestants"])}
        self.absent = [entry for run in runs for entry in run["absent"]]
        self.control = collections.OrderedDict()  # (what, channels, where) -> (unit, [value])
        self.system_calls = collections.OrderedDict()  # (contestant, *case) -> [per message]
        self.rounds = {}  # (contestant, *case) -> round -> sample
        self.cases = collections.OrderedDict()  # (case, group) -> contestant -> [sample], of those that count
        self.total = self.unsteady = 0
        self.compared, self.left_out = set(), set()  # pairs of samples
        start = 0
        for run in runs:
            for row in run.get("control", []):
                self.control.setdefault((row["what"], row["channels"], row["where"]), (row["unit"], []))[1].extend(row["values"])
            for entry in run.get("system_calls", []):
                self.system_calls.setdefault((entry["contestant"], *(entry[key] for key in CASE)), []).append(entry["per_message"])
            for sample in run["samples"]:
                self._add({**sample, "round": start + sample["round"]})
            start += 1 + max((sample["round"] for sample in run["samples"]), default=0)  # rounds count on
        for contestants in self.cases.values():
            for name in sorted(contestants, key=lambda name: self.order[name]):
                contestants.move_to_end(name)

    def _add(self, sample):
        self.total += 1
        case = tuple(sample[key] for key in CASE)
        self.rounds.setdefault((sample["contestant"], *case), {})[sample["round"]] = sample
        if not is_steady(sample):
            self.unsteady += 1
            return
        contestants = self.cases.setdefault((case, group_of(sample)), collections.OrderedDict())
        contestants.setdefault(sample["contestant"], []).append(sample)

    def best(self, ways, key="ns"):
        """Round -> the sample of that of the ways, [(contestant, case)], that took least. It need not be steady."""
        found = {}
        for contestant, case in ways:
            for number, sample in self.rounds.get((contestant, *(case_of(case)[name] for name in CASE)), {}).items():
                if key in sample and (number not in found or sample[key] < found[number][key]):
                    found[number] = sample
        return found

    def samples(self, group, ways, key="ns"):
        """The best of each round, if it counts."""
        return [sample for sample in self.best(ways, key).values() if group_of(sample) == group and is_steady(sample)]

    def pairs(self, group, ways, against, key="ns"):
        """[(sample, sample)] of the rounds in which the best of `ways` was in the group: it, and the best of `against`. Left out are pairs
        that are not close. It is the best that must be: who left out a way that is not close would compare with a worse one."""
        found, others = [], self.best(against, key)
        for number, sample in self.best(ways, key).items():
            other = others.get(number)
            if other is None or group_of(sample) != group or "raw_before_ns" not in sample or "raw_before_ns" not in other:
                continue
            names = (sample["contestant"], other["contestant"], number, *(sample[name] for name in CASE), other["wait"])
            close = is_steady(sample) and is_steady(other) and is_close(raw_ns(sample), raw_ns(other))
            (self.compared if close else self.left_out).add(names)
            if close:
                found.append((sample, other))
        return found


def load(paths):
    """Exits with 1 if the runs are not of one machine and one build."""
    runs = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            run = json.load(file)
        for key in ("machine", "libraries", "contestants"):
            if key not in run:
                sys.exit(f"report: {path} is of another version of the benchmark: it has no '{key}'")
            if runs and run[key] != runs[0][key]:
                sys.exit(f"report: {path} is not of the same machine and build as {paths[0]}: {key}: {run[key]}, and not {runs[0][key]}")
        runs.append(run)
    return Results(runs)

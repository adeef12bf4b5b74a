"""What zipc's figures are compared with, and what they are meant to reach."""
import statistics

from results import GROUPS, case_of, quartiles, raw_ns

# The ways to do the same. What counts is the best of them in each round.
BOOST = ("boost lockfree, consume_one", "boost lockfree, push and pop", "boost lockfree, pausing")
BOOST_BATCHES = ("boost lockfree, batches", "boost lockfree, batches, pausing")
BARE_RING = tuple(f"reference: bare ring{pause}{help_}" for help_ in ("", ", fetching", ", writing back")
                  for pause in ("", ", pausing", ", four pauses", ", pausing long"))  # but that none fetches without a pause
BARE_BATCHES = ("reference: bare ring, batches", "reference: bare ring, batches, writing back")
# Whose blocking calls may be as fast as polling, where they stream.
OTHERS = ("iceoryx (queue up to 256)", "ZeroMQ, ipc", "nng, ipc", "boost message_queue", "pipe", "Unix socket, SEQPACKET",
          "POSIX mq (queue of 10)")

# contestant, case: which row; what is not named is as usual. against: see REFERENCES. The ratio is of rates where it is
# wanted to be at `least` so much, and of times where at `most` so much.
TARGETS = [
    {"contestant": "zipc C++, in place", "case": {"workload": "round_trip", "size": 64, "wait": "spin"}, "against": "raw", "most": 1.0},
    {"contestant": "zipc C, in place", "case": {"workload": "round_trip", "size": 64, "wait": "spin"}, "against": "raw", "most": 1.2},
    {"contestant": "zipc C, copied in", "case": {"workload": "round_trip", "size": 64, "wait": "spin"}, "against": "raw", "most": 1.2},
    {"contestant": "zipc C++, in place", "case": {"workload": "round_trip", "size": 1024, "wait": "spin"}, "against": "boost", "most": 0.75},
    {"contestant": "zipc C, copied in", "case": {"workload": "throughput", "size": 64}, "against": "boost", "least": 1.25},
    {"contestant": "zipc C++, in place", "case": {"workload": "throughput", "size": 64}, "against": "boost", "least": 2.2},
    {"contestant": "zipc C++, batches", "case": {"workload": "throughput", "size": 64}, "against": "boost", "least": 3.0},
    *({"contestant": f"zipc {api}, batches", "case": {"workload": "throughput", "size": size}, "against": "boost batches", "least": 1.0}
      for api in ("C++", "C") for size in (64, 1024)),
    {"contestant": "zipc C, copied in", "case": {"workload": "throughput", "size": 1024}, "against": "boost", "least": 1.15},
    {"contestant": "zipc C++, in place", "case": {"workload": "throughput", "size": 1024}, "against": "boost", "least": 1.5},
    *({"contestant": f"zipc C++, {how}", "case": {"workload": "throughput", "size": 1048576, "queue": 16}, "against": "read bandwidth",
       "least": 0.9} for how in ("in place", "batches")),
    {"contestant": "zipc C, copied in", "case": {"workload": "send_alone", "size": 8}, "against": "store", "most": 1.5},
    {"contestant": "zipc C++, in place", "case": {"workload": "asleep", "size": 8}, "against": "futex", "most": 1.1},
    {"contestant": "zipc C, copied in", "case": {"workload": "asleep", "size": 8}, "against": "futex", "most": 1.1},
    {"contestant": "zipc C++, in place", "case": {"workload": "round_trip", "size": 64, "wait": "block"}, "against": "spinning", "most": 1.3},
    {"contestant": "zipc C, copied in", "case": {"workload": "round_trip", "size": 64, "wait": "block"}, "against": "spinning", "most": 1.3},
]
# What the format costs by itself, on the same machine in the same round: the targets that it does not allow are judged by this.
TARGETS += [{**target, "against": "bare ring"} for target in TARGETS if target["against"] == "raw"]
TARGETS += [{"contestant": "zipc C++, in place", "case": {"workload": "throughput", "size": size, "queue": queue}, "against": "bare ring",
             "least": 0.95} for size, queue in ((64, 1024), (1048576, 16))]
TARGETS.append({"contestant": "zipc C++, batches", "case": {"workload": "throughput", "size": 64}, "against": "bare batches", "least": 0.95})

# The name in tables, and which contestants. "raw" and "spinning" are the sample's own.
REFERENCES = {
    "raw": ("raw cache line", ()),
    "spinning": ("itself spinning", ()),
    "boost": ("boost lockfree", BOOST),
    "boost batches": ("boost lockfree's batches", BOOST_BATCHES),
    "bare ring": ("the best bare ring", BARE_RING),
    "bare batches": ("the bare ring in batches", BARE_BATCHES),
    "read bandwidth": ("cross-core reading", ("limit: cross-core read",)),
    "store": ("a copy and a store", ("limit: copy, store and call",)),
    "futex": ("raw futex", ("limit: futex",)),
}
# Of the control plane, by how its row begins: at most so much. What follows from two rows is calculated by control_rows().
CONTROL = {"zipcd's wake-ups": 0, "role taken and given back, in raw round trips": 6, "taking a role": 1.2,
           "zipcd's RSS for each further channel": 4}
COUNTS = ("zipcd's wake-ups", "zipcd's RSS")  # which hold as they are
SYSTEM_CALLS_MOST = 1e-5  # a message
ROUNDS_LEAST = 5  # for a verdict


def reference_ways(against, contestant, case):
    """[(contestant, case)] of what a row is compared with; they poll, but for the futex, which has one size."""
    if against == "spinning":
        return [(contestant, {**case, "wait": "spin"})]
    fixed = {"size": 8} if against == "futex" else {"wait": "spin"}
    return [(name, {**case, **fixed}) for name in REFERENCES[against][1]]


def ways_of(contestant, case):
    """[(contestant, case)] of a row: of the others, the better of polling and blocking."""
    waits = ("spin", "block") if contestant in OTHERS and case["workload"] == "throughput" else (case_of(case)["wait"],)
    return [(contestant, {**case, "wait": wait}) for wait in waits]


def ratios(results, group, ways, against, of_rates=False, key="ns"):
    """Round by round, to what `against` names in REFERENCES, of the first of the ways' cases."""
    contestant, case = ways[0]
    if against == "raw":
        values = [sample[key] / raw_ns(sample) for sample in results.samples(group, ways) if raw_ns(sample)]
    else:
        pairs = results.pairs(group, ways, reference_ways(against, contestant, case), key)
        values = [sample[key] / other[key] for sample, other in pairs]
    return [1 / value for value in values] if of_rates else values


def ratios_of_target(results, group, target):
    return ratios(results, group, [(target["contestant"], target["case"])], target["against"], "least" in target)


def reference(case):
    """What the rows of a table are compared with; None: with nothing."""
    if case["place"] == "one_core":
        return None
    if case["workload"] == "round_trip":
        return "boost" if case["wait"] == "spin" else "futex"
    return {"asleep": "futex", "throughput": "boost", "send_alone": "store"}.get(case["workload"])


WORKLOADS = {"round_trip": "round trip", "throughput": "one way", "send_alone": "sending alone", "asleep": "round trip asleep"}


def text_of_size(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB" if size >= 1 << 10 else f"{size} B"


def text_of_case(case):
    return f"{WORKLOADS[case['workload']]} {text_of_size(case['size'])}" + {"block": ", blocking"}.get(case.get("wait"), "")


def text_of_bound(target):
    bound = f">= {target['least']}x" if "least" in target else f"<= {target['most']}x"
    return f"{bound} {REFERENCES[target['against']][0]}"


def verdict(values, least=None, most=None):
    """Undecided where the bound lies between the quartiles."""
    if len(values) < ROUNDS_LEAST:
        return "too few"
    low, high = quartiles(values)
    if least is not None:
        low, high, most = -high, -low, -least
    return "met" if high <= most else "NOT MET" if low > most else "undecided"


def verdict_of_target(target, values):
    return verdict(values, target.get("least"), target.get("most"))


def text_of_target(target, values):
    return f"{text_of_bound(target)}: {statistics.median(values):.2f}x {verdict_of_target(target, values)}"


def of_row(results, group, case, contestant):
    texts = []
    for target in TARGETS:
        if target["contestant"] == contestant and case_of(target["case"]) == case:
            values = ratios_of_target(results, group, target)
            if values:
                texts.append(text_of_target(target, values))
    return "; ".join(texts)


def counts_system_calls(contestant):
    """Not with zipcd: strace counts what it does to start, too, which differs a little from run to run."""
    return contestant.startswith("zipc") and not contestant.endswith("zipcd")


def of_system_calls(per_message):
    """Of all runs."""
    most = max(per_message)
    return f"< {SYSTEM_CALLS_MOST:g} system calls: {most:.1g} {'met' if most < SYSTEM_CALLS_MOST else 'NOT MET'}"


def control_rows(results):
    """[(what, channels, where, unit, values)]: what was measured, and what follows from it."""
    rows = [(what, channels, where, unit, values) for (what, channels, where), (unit, values) in results.control.items()]
    found = {row[:3]: row[4] for row in rows}
    few, many = min((row[1] for row in rows), default=0), max((row[1] for row in rows), default=0)
    for where in ("two cores", "one core"):
        # Each round's is in raw round trips of that round: so the machine's speed is not in it.
        taken = "role taken and given back, in raw round trips, "
        few_taken = found.get((taken + "another channel each time", few, where), [])
        for which in ("another channel each time", "of channels that were never taken"):
            many_taken = found.get((taken + which, many, where), [])
            if few_taken and many_taken:
                growth = [a / b for a, b in zip(many_taken, few_taken)]
                rows.append((f"taking a role, {which}, against {few} channels", many, where, "x", growth))
    rss = [found.get(("zipcd's RSS", channels, ""), []) for channels in (few, many)]
    if all(rss):
        rows.append(("zipcd's RSS for each further channel", many, "", "KiB", [(b - a) / (many - few) for a, b in zip(*rss)]))
    return rows


def of_control(row):
    """What is wanted of a row, and whether it is so; empty: nothing in particular. Growth is judged on one core, where idle processors
    do not blur it; and by taking another channel each time, that has been taken before."""
    what, _, where, unit, values = row
    wanted = next((most for name, most in CONTROL.items() if what.startswith(name)), None)
    if wanted is None or "never taken" in what or (what.startswith("taking a role") and where != "one core"):
        return ""
    said = verdict(values, most=wanted) if not what.startswith(COUNTS) else "met" if max(values) <= wanted else "NOT MET"
    return f"<= {wanted}{unit if unit == 'x' else ' ' + unit}".rstrip() + f": {said}"


def text_of_control(row):
    what, channels, where, _, _ = row
    return f"{what}{', on ' + where if where else ''}, with {channels} channels"


def print_summary(results):
    print("\ntargets")
    for (contestant, *_), per_message in results.system_calls.items():
        if counts_system_calls(contestant):
            print(f"  {'any':6}  {contestant:20} {'throughput 64 1024':28} {of_system_calls(per_message)}")
    for row in control_rows(results):
        if of_control(row):
            print(f"  {'any':6}  {'zipcd':20} {text_of_control(row)}: {statistics.median(row[4]):.3g}, {of_control(row)}")
    for target in TARGETS:
        what = " ".join(str(value) for value in target["case"].values())
        for group in GROUPS:
            values = ratios_of_target(results, group, target)
            if values:
                low, high = min(values), max(values)
                print(f"  {group:6}  {target['contestant']:20} {what:28} {text_of_target(target, values)}  "
                      f"({low:.2f} to {high:.2f}, {len(values)} rounds)")

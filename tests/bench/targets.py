"""What zipc's figures are compared with, and what they are meant to reach."""
import statistics

BOOST = ("boost lockfree, consume_one", "boost lockfree, push and pop", "boost lockfree, pausing")
BARE_RING = ("reference: bare ring", *(f"reference: bare ring, {pause}{fetching}" for pause in ("pausing", "four pauses", "pausing long")
                                   for fetching in ("", ", fetching")))

# contestant, case: which row; places and queues that are not named are the usual ones. against: see reference_of(). The ratio is
# of rates where it is wanted to be at `least` so much, and of times where at `most` so much.
TARGETS = [
    {"contestant": "zipc C++, in place", "case": {"workload": "round_trip", "size": 64, "wait": "spin"}, "against": "raw", "most": 1.0},
    {"contestant": "zipc C, in place", "case": {"workload": "round_trip", "size": 64, "wait": "spin"}, "against": "raw", "most": 1.2},
    {"contestant": "zipc C, copied in", "case": {"workload": "round_trip", "size": 64, "wait": "spin"}, "against": "raw", "most": 1.2},
    {"contestant": "zipc C++, in place", "case": {"workload": "round_trip", "size": 1024, "wait": "spin"}, "against": "boost", "most": 0.75},
    {"contestant": "zipc C, copied in", "case": {"workload": "throughput", "size": 64, "queue": 1024}, "against": "boost", "least": 1.25},
    {"contestant": "zipc C++, in place", "case": {"workload": "throughput", "size": 64, "queue": 1024}, "against": "boost", "least": 2.2},
    {"contestant": "zipc C++, batches", "case": {"workload": "throughput", "size": 64, "queue": 1024}, "against": "boost", "least": 3.0},
    {"contestant": "zipc C, copied in", "case": {"workload": "throughput", "size": 1024, "queue": 1024}, "against": "boost", "least": 1.15},
    {"contestant": "zipc C++, in place", "case": {"workload": "throughput", "size": 1024, "queue": 1024}, "against": "boost", "least": 1.5},
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
TARGETS.append({"contestant": "zipc C++, batches", "case": {"workload": "throughput", "size": 64, "queue": 1024}, "against": "bare batches",
                "least": 0.95})
NAMES = {"bare ring": "the best bare ring", "bare batches": "the bare ring in batches", "raw": "raw cache line", "boost": "boost lockfree", "read bandwidth": "cross-core reading", "store": "a copy and a store",
         "futex": "raw futex", "spinning": "itself spinning"}


def reference_of(results, group, case, contestant, against):
    """Round -> nanoseconds of what a row is compared with."""
    def ns(name, **case):
        return {number: sample["ns"] for number, sample in results.samples(group, name, **case).items()}

    if against == "raw":  # that of the sample itself, from right before and after it
        return {number: (sample["raw_before_ns"] + sample["raw_after_ns"]) / 2
                for number, sample in results.samples(group, contestant, **case).items()}
    if against in ("boost", "bare ring"):  # the faster of its ways to wait, or to receive
        ways = [ns(name, **case) for name in (BOOST if against == "boost" else BARE_RING)]
        return {number: min(way[number] for way in ways if number in way) for number in set().union(*ways)}
    if against == "spinning":
        return ns(contestant, **{**case, "wait": "spin"})
    if against == "futex":
        return ns("limit: futex", **{**case, "size": 8})
    if against == "bare batches":
        return ns("reference: bare ring, batches", **case)
    if against == "store":
        return ns("limit: copy, store and call", **case)
    return ns("limit: cross-core read", **case)


def reference(results, group, case):
    """(name, round -> ns) of what the rows of a table are compared with; None: with nothing."""
    if case["place"] == "one_core":
        return None
    against = {"asleep": "futex", "throughput": "boost", "send_alone": "store"}.get(case["workload"])
    if case["workload"] == "round_trip":
        against = "boost" if case["wait"] == "spin" else "futex"
    if against is None:
        return None
    found = reference_of(results, group, case, None, against)
    return (NAMES[against], found) if found else None


def ratios(results, group, target):
    """Of the target's row to its reference, round by round."""
    case = {"place": "processes", **target["case"]}
    if "queue" not in case:
        case["queue"] = 1024 if case["workload"] == "send_alone" else 16
    samples = results.samples(group, target["contestant"], **case)
    against = reference_of(results, group, case, target["contestant"], target["against"])
    pairs = [(samples[number]["ns"], against[number]) for number in samples if number in against]
    return [b / a if "least" in target else a / b for a, b in pairs]


WORKLOADS = {"round_trip": "round trip", "throughput": "one way", "send_alone": "sending alone", "asleep": "round trip asleep"}


def text_of_size(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB" if size >= 1 << 10 else f"{size} B"


def text_of_case(case):
    return f"{WORKLOADS[case['workload']]} {text_of_size(case['size'])}" + {"block": ", blocking"}.get(case.get("wait"), "")


def text_of_bound(target):
    bound = f">= {target['least']}x" if "least" in target else f"<= {target['most']}x"
    return f"{bound} {NAMES[target['against']]}"


def verdict(target, values):
    median = statistics.median(values)
    met = median >= target["least"] if "least" in target else median <= target["most"]
    return f"{text_of_bound(target)}: {median:.2f}x {'met' if met else 'NOT MET'}"


def of_row(results, group, case, contestant):
    texts = []
    for target in TARGETS:
        queue = 1024 if case["workload"] == "send_alone" else 16
        wanted = {"place": "processes", "queue": queue, **target["case"]}
        if target["contestant"] == contestant and all(case[key] == value for key, value in wanted.items()):
            values = ratios(results, group, target)
            if values:
                texts.append(verdict(target, values))
    return "; ".join(texts)


def counts_system_calls(contestant):
    """Not with zipcd: strace counts what it does to start, too, which differs a little from run to run."""
    return contestant.startswith("zipc") and not contestant.endswith("zipcd")


def of_system_calls(per_message):
    return f"< 1e-05 system calls: {per_message:.1g} {'met' if per_message < 1e-5 else 'NOT MET'}"


def of_control(row):
    if "bound" not in row:
        return ""
    return f"{row['bound']}: {'met' if row['met'] else 'NOT MET'}"


def print_summary(results):
    print("\ntargets")
    groups = list(dict.fromkeys(group for _, group in results.cases if group != "any"))
    for (contestant, *case), per_message in results.system_calls.items():
        if counts_system_calls(contestant):
            print(f"  {'any':6}  {contestant:20} {'throughput 64 1024':28} {of_system_calls(per_message)}")
    for row in results.control:
        if "bound" in row:
            print(f"  {'any':6}  {'zipcd':20} {row['what']}: {row['value']:.3g}, {of_control(row)}")
    for target in TARGETS:
        what = " ".join(str(value) for value in target["case"].values())
        for group in groups:
            values = ratios(results, group, target)
            if values:
                low, high = min(values), max(values)
                print(f"  {group:6}  {target['contestant']:20} {what:28} {verdict(target, values)}  ({low:.2f} to {high:.2f}, {len(values)} rounds)")

"""Plots of a run, as SVG by gnuplot: one file for each group of the machine and kind of plot."""
import os
import shutil
import statistics
import subprocess

import targets
from results import CASE, GROUPS

HEAD = """set terminal svg size 1000,600 dynamic background '#ffffff' font 'sans-serif,12'
set output {output}
set title {title} noenhanced
set key outside right noenhanced
set grid
"""
# Name, colour, and the contestants of which the best of each round is drawn. No more: else they cannot be told apart.
CURVES = [
    ("zipc C++, in place", "#d62728", ("zipc C++, in place",)),
    ("zipc C++, batches", "#ff7f0e", ("zipc C++, batches",)),
    ("zipc C, copied in", "#8c564b", ("zipc C, copied in",)),
    ("boost lockfree", "#1f77b4", targets.BOOST),
    ("bare ring", "#7f7f7f", targets.BARE_RING),
    ("iceoryx", "#2ca02c", ("iceoryx (queue up to 256)",)),
    ("ZeroMQ, ipc", "#9467bd", ("ZeroMQ, ipc",)),
    ("Unix socket, SEQPACKET", "#17becf", ("Unix socket, SEQPACKET",)),
    ("raw futex", "#000000", ("limit: futex",)),          # of blocking round trips only
    ("the timer alone", "#000000", ("limit: timer alone",)),  # of CPU time only
]


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def draw(path, title, settings, curves):
    """curves: name -> [(x, y)]"""
    def falling(point):  # of two at one place, the upper comes first
        return point[0], -point[1]

    curves = [(name, colour, sorted(curves[name], key=falling)) for name, colour, _ in CURVES if curves.get(name)]
    if not curves:
        return
    script = HEAD.format(output=quoted(path), title=quoted(title)) + settings + "\nplot " + ", ".join(
        f"'-' with {'lines' if len(points) > 20 else 'linespoints pointtype 7 pointsize 0.5'} linecolor rgb {quoted(colour)} "
        f"linewidth {2 if name.startswith('zipc') else 1} title {quoted(name)}" for name, colour, points in curves) + "\n"
    for _, _, points in curves:
        script += "".join(f"{x} {y}\n" for x, y in points) + "e\n"
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    print(f"  {path}")


def median_of(samples, name):
    return statistics.median(sample[name] for sample in samples)


def cases(results, workload, group, **wanted):
    """All cases that fit, as dicts."""
    for values, its_group in results.cases:
        case = dict(zip(CASE, values))
        if case["workload"] == workload and its_group == group and all(case[key] == value for key, value in wanted.items()):
            yield case


def curves_of(results, case, group):
    """(name, samples) of those that were measured."""
    for name, _, contestants in CURVES:
        samples = results.samples(group, [way for contestant in contestants for way in targets.ways_of(contestant, case)])
        if samples:
            yield name, samples


def latency(results, folder, group):
    """The share of round trips that take longer than so much."""
    for case in cases(results, "round_trip", group, place="processes"):
        curves = {}
        for name, samples in curves_of(results, case, group):
            quantiles = [statistics.median(column) for column in zip(*(sample["quantiles_ns"] for sample in samples))]
            last = len(quantiles) - 1  # of which no share takes longer
            # Every second is as fine as can be seen, but in the tail.
            points = [(round(ns), 1 - i / last) for i, ns in enumerate(quantiles[:last]) if i % 2 == 0 or i > 0.9 * last]
            curves[name] = points + [(median_of(samples, "p999_ns"), 0.001)]
        draw(os.path.join(folder, f"round_trip_{case['size']}_{case['queue']}_{case['wait']}_{group}.svg"),
             f"Round trips of {case['size']} bytes, queue of {case['queue']}, {case['wait']}, machine {group}",
             "set logscale xy\nset xlabel 'nanoseconds'\nset ylabel 'share that takes longer'", curves)


def throughput(results, folder, group):
    for queue in (16, 1024, 16384):
        curves = {}
        for case in cases(results, "throughput", group, queue=queue, place="processes", wait="spin"):
            for name, samples in curves_of(results, case, group):
                curves.setdefault(name, []).append((case["size"], case["size"] / median_of(samples, "ns")))
        draw(os.path.join(folder, f"throughput_{queue}_{group}.svg"), f"One way, queue of {queue}, machine {group}",
             "set logscale xy\nset xlabel 'bytes in a message'\nset ylabel 'GB/s'", curves)


def cpu(results, folder, group):
    curves = {}
    for case in cases(results, "paced", group):
        for name, samples in curves_of(results, case, group):
            curves.setdefault(name, []).append((case["rate"], median_of(samples, "cpu_ns") * case["rate"] / 1e7))
    draw(os.path.join(folder, f"cpu_{group}.svg"), f"CPU time of both sides, sent every millisecond, machine {group}",
         "set logscale xy\nset xlabel 'messages a second'\nset ylabel '% of one core'", curves)


def write(results, folder):
    if shutil.which("gnuplot") is None:
        print("\nno plots: gnuplot is not installed")
        return
    os.makedirs(folder, exist_ok=True)
    print("\nplots")
    for group in GROUPS:
        latency(results, folder, group)
        throughput(results, folder, group)
        cpu(results, folder, group)

"""Plots of a run, as SVG by gnuplot: one file for each group of the machine and kind of plot."""
import os
import shutil
import statistics
import subprocess

HEAD = """set terminal svg size 1000,600 dynamic background '#ffffff' font 'sans-serif,12'
set output {output}
set title {title} noenhanced
set key outside right noenhanced
set grid
"""


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def draw(path, title, settings, curves):
    """curves: [(name, [(x, y)])]"""
    curves = [(name, points) for name, points in curves if points]
    if not curves:
        return

    def style(number, name, points):
        marks = "lines" if len(points) > 20 else "linespoints pointsize 0.5"
        width = 2 if name.startswith("zipc") else 1
        return f"{marks} linetype {number % 8 + 1} dashtype {number // 8 + 1} linewidth {width}"  # 8 colours, then dashed

    script = HEAD.format(output=quoted(path), title=quoted(title)) + settings + "\nplot " + ", ".join(
        f"'-' with {style(i, name, points)} title {quoted(name)}" for i, (name, points) in enumerate(curves)) + "\n"
    for _, points in curves:
        script += "".join(f"{x} {y}\n" for x, y in points) + "e\n"
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    print(f"  {path}")


def median_of(samples, name):
    return statistics.median(sample[name] for sample in samples)


def cases(results, workload, group, **wanted):
    """(case as a dict, contestant -> samples) of all cases that fit."""
    from_keys = ("workload", "size", "queue", "wait", "place", "rate")
    for (values, its_group), contestants in results.cases.items():
        case = dict(zip(from_keys, values))
        if case["workload"] == workload and its_group == group and all(case[key] == value for key, value in wanted.items()):
            yield case, contestants


def latency(results, folder, group):
    """The share of round trips that take longer than so much."""
    for case, contestants in cases(results, "round_trip", group, place="processes"):
        curves = []
        for contestant, samples in contestants.items():
            quantiles = [statistics.median(column) for column in zip(*(s["quantiles_ns"] for s in samples if "quantiles_ns" in s))]
            every = max(1, len(quantiles) // 40)  # as fine as can be seen
            points = [(round(ns), 1 - i / (len(quantiles) - 1)) for i, ns in enumerate(quantiles[:-1]) if i % every == 0]
            points += [(median_of(samples, name), share) for name, share in (("p999_ns", 0.001),) if name in samples[0]]
            curves.append((contestant, points))
        draw(os.path.join(folder, f"round_trip_{case['size']}_{case['queue']}_{case['wait']}_{group}.svg"),
             f"Round trips of {case['size']} bytes, queue of {case['queue']}, {case['wait']}, machine {group}",
             "set logscale xy\nset xlabel 'nanoseconds'\nset ylabel 'share that takes longer'", curves)


def throughput(results, folder, group):
    for queue in (16, 1024, 16384):
        curves = {}
        for case, contestants in cases(results, "throughput", group, queue=queue, place="processes"):
            for contestant, samples in contestants.items():
                curves.setdefault(contestant, []).append((case["size"], case["size"] / median_of(samples, "ns")))
        draw(os.path.join(folder, f"throughput_{queue}_{group}.svg"), f"One way, queue of {queue}, machine {group}",
             "set logscale xy\nset xlabel 'bytes in a message'\nset ylabel 'GB/s'",
             [(name, sorted(points)) for name, points in curves.items()])


def cpu(results, folder, group):
    curves = {}
    for case, contestants in cases(results, "paced", group):
        for contestant, samples in contestants.items():
            curves.setdefault(contestant, []).append((case["rate"], median_of(samples, "cpu_ns") * case["rate"] / 1e7))
    draw(os.path.join(folder, f"cpu_{group}.svg"), f"CPU time of both sides, sent every millisecond, machine {group}",
         "set logscale xy\nset xlabel 'messages a second'\nset ylabel '% of one core'",
         [(name, sorted(points)) for name, points in curves.items()])


def write(results, folder):
    if shutil.which("gnuplot") is None:
        print("\nno plots: gnuplot is not installed")
        return
    os.makedirs(folder, exist_ok=True)
    print("\nplots")
    for group in dict.fromkeys(group for _, group in results.cases):
        latency(results, folder, group)
        throughput(results, folder, group)
        cpu(results, folder, group)

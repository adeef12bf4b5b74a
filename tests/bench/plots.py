"""Plots of a run, as SVG by gnuplot."""


def write(results, folder):
    raise NotImplementedError

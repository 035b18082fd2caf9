"""Histograms of an evaluation: views by PSNR, pixels by error."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from nerf.report import charts
from nerf.report.page import plot
from nerf.report.record import Record

ERROR_BARS = 32
"""Of the histogram of errors, at most."""


def histograms(record: Record) -> str:
    """How PSNR is spread over views, and errors over pixels, as far as they are known."""
    psnr = np.array([view.psnr for view in record.views if view.psnr is not None])
    drawn = []
    if len(psnr) > 1:
        low, high = float(psnr.min()), float(psnr.max())
        wide = (low, high) if high - low > 1e-6 else (low - 0.5, high + 0.5)
        edges = np.asarray(MaxNLocator(10).tick_values(*wide))
        counts, _ = np.histogram(psnr, edges)
        said = [
            f"{a:g} to {b:g} dB: {n} view{'s' if n != 1 else ''}"
            for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)
        ]
        what = (
            f"Histogram of the PSNR of {len(psnr)} views: from {low:.2f} to {high:.2f} dB, "
            f"median {np.median(psnr):.2f} dB"
        )
        svg = charts.bars(edges, counts, what, "PSNR, dB", "views", said)
        caption = f"PSNR of each view: {low:.2f} to {high:.2f} dB, median {np.median(psnr):.2f}"
        drawn.append(plot(svg, caption))
    errors = _errors(record)
    if errors is not None:
        drawn.append(_error_histogram(errors))
    return f'<div class="charts">{"".join(drawn)}</div>' if drawn else ""


def _errors(record: Record) -> np.ndarray | None:
    told = record.receipt.get("errors")
    if not isinstance(told, list) or not all(isinstance(n, int) and n >= 0 for n in told):
        return None
    return np.array(told) if sum(told) else None


def _error_histogram(counts: np.ndarray) -> str:
    share = counts / counts.sum()
    upto = np.cumsum(share)
    median, most = (int(np.searchsorted(upto, q)) for q in (0.5, 0.99))
    last = int(np.flatnonzero(counts)[-1]) + 1
    each = max(1, -(-last // ERROR_BARS))
    edges = np.arange(0, last + each, each)
    heights = np.array([share[a : a + each].sum() for a in edges[:-1]])
    said = [
        f"{a}{f' to {a + each - 1}' if each > 1 else ''} steps: {height:.3%} of the pixels"
        for a, height in zip(edges[:-1], heights, strict=True)
    ]
    summary = f"median {median}, 99th percentile {most}"
    what = f"Histogram of the error of {counts.sum()} pixels in steps of 8 bits: {summary}"
    # bars begin half a step before the whole number that they count
    svg = charts.bars(
        edges - 0.5,
        heights,
        what,
        "error of a pixel, steps of 8 bits",
        "pixels, log",
        said,
        True,
    )
    return plot(svg, f"Error of each pixel, mean of RGB, of 255: {summary}")

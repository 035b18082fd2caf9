"""What the axes of a figure show: one ray, or all states of one ray."""

from dataclasses import dataclass

import numpy as np

from nerf.microscope.probe import Probe

SHARE = 1e-2
"""Of the pixel, or of the largest weight: what is worth showing."""


@dataclass(frozen=True)
class Scales:
    """What the axes of a figure show; of a film, all of its figures."""

    t: tuple[float, float]
    sigma: float
    """Largest density."""
    weight: float
    slope: float
    """Steepest slope."""
    pose: float

    @classmethod
    def of(cls, *probes: Probe) -> "Scales":
        """Those that hold all that is worth showing of some probes of one ray."""
        low, high = zip(*(_worth_showing(probe) for probe in probes), strict=True)
        t = min(low), max(high)
        shown = [p.sigma[(p.t >= t[0]) & (p.t <= t[1])].max(initial=0) for p in probes]
        slopes = [np.abs([p.slope_sigma, p.shows, p.hides]).max(initial=0) for p in probes]
        return cls(
            t,
            float(max(shown)) or 1.0,
            max(float(p.weights.max(initial=0)) for p in probes) or 1.0,
            float(max(slopes)) or 1.0,
            max(float(np.abs(p.pose).max()) for p in probes) or 1.0,
        )


def _worth_showing(probe: Probe) -> tuple[float, float]:
    """From where to where along the ray something is."""
    if not len(probe.t):
        return 0.0, 1.0
    slope = np.abs(probe.slope_sigma) / np.maximum(probe.delta, 1e-12)
    visible = probe.transmittance > SHARE
    worth = probe.weights > SHARE * max(probe.weights.max(), SHARE)
    if not worth.any():
        worth = slope > 0.5 * slope.max()
    worth |= visible & (probe.tau > 0.02 * probe.tau.max()) & (probe.tau > 1e-4)
    if probe.strongest is not None:
        worth[probe.strongest] = True
    t = probe.t[worth] if worth.any() else probe.t
    room = max(0.04 * (t.max() - t.min()), 4 * float(np.median(probe.delta)))
    return float(t.min() - room), float(t.max() + room)

"""What the strongest sample of a ray wants, in words, decided from the numbers.

By (7) of calculus.radiance.rendering channel a of a pixel that is too bright (pixel_bar_a > 0)
asks sample k to be
    thinner  where it is brighter in a than what lies behind it: what it shows is too bright
    denser   where it is darker: it hides, and what lies behind it is too bright
and of one that is too dark
    denser   where it is brighter: it shows, and what lies behind it is too dark
    thinner  where it is darker: it hides light that the pixel lacks
The channels that ask for what the sample wants on the whole are those that are named.
"""

from typing import NamedTuple

import numpy as np

from nerf.microscope.samples import Samples
from nerf.microscope.slopes import Judge, Slopes

RIGHT = 1 / 255
"""Difference to the photograph, in each channel, up to which a pixel is right: a step of 8 bits."""
EMPTY = 1e-2
"""Optical depth below which a sample cannot become thinner."""
CLEAR = 1e-2
"""Opacity below which a ray goes through to the background."""
WEAK = 1e-2
"""Part of the pixel's own slope below which no sample's density matters."""
FIRST = 0.1
"""Part of the steepest slope that the strongest sample must have: else the steepest are of samples
that can't do what they want, and densities are as good as they get."""
LEADS = 0.7
"""Part of what a sample wants that the channels which are named must make up."""
NAMES = np.array(["red", "green", "blue"])


class Said(NamedTuple):
    """A sentence, and what it is about."""

    sentence: str
    strongest: int | None
    """Number of the sample; None where there is none to speak of."""
    because: str
    """`shows` or `hides`: the part of the gradient that has its way; empty without a sample."""


def say(samples: Samples, slopes: Slopes, judge: Judge, distance: np.ndarray) -> Said:
    """What is to be said of a ray; distances in scene units."""
    wrong = _too(slopes.pixel_bar)
    if judge.photograph is not None:
        error = np.abs(slopes.shown - judge.photograph).max()
        if error < RIGHT:
            return Said("Nothing to mend: the pixel is right to one step of 8 bits.", None, "")
    if not len(samples.t):
        if judge.photograph is None:
            return Said("No sample lies on this ray: it shows the background alone.", None, "")
        behind = f"No sample lies on this ray: the background alone shows, and is {wrong}."
        return Said(behind, None, "")
    through = slopes.opacity < CLEAR
    told = "The ray goes through to the background" if through else ""
    if through and judge.photograph is not None:
        told += f", which is {wrong}"
    k = _strongest(samples, slopes)
    if k is None:
        told = told or _colour_instead(slopes, distance, judge)
        return Said(told.rstrip(".") + ".", None, "")
    because = _because(slopes, k)
    the = f"sample at t = {distance[k]:.3g}"
    if judge.photograph is None:
        does = "brighten" if slopes.sigma[k] > 0 else "darken"
        by = {"shows": "by what it shows", "hides": "by what it hides"}[because]
        said = f"more of the {the} would {does} the pixel most, {by}"
    else:
        wants = "denser" if slopes.sigma[k] < 0 else "thinner"
        said = f"the {the} wants to be {wants}: {_reason(samples, slopes, k)}"
    said = f"{told}; {said}" if told else said[0].upper() + said[1:]
    return Said(said + ".", k, because)


def _strongest(samples: Samples, slopes: Slopes) -> int | None:
    """The sample with the steepest density, of those that can do what they want."""
    thins = (slopes.sigma > 0) & (slopes.tau < EMPTY)
    able = np.where(thins, 0, np.abs(slopes.sigma))
    k = int(able.argmax())
    by_depth = able[k] / max(samples.delta[k], 1e-30)
    matters = by_depth > WEAK * np.abs(slopes.pixel_bar).max()
    return k if matters and able[k] > FIRST * np.abs(slopes.sigma).max() else None


def _because(slopes: Slopes, k: int) -> str:
    sign = np.sign(slopes.sigma[k])
    return "shows" if sign * slopes.shows[k] >= sign * slopes.hides[k] else "hides"


def _reason(samples: Samples, slopes: Slopes, k: int) -> str:
    denser = slopes.sigma[k] < 0
    behind = _behind(samples, slopes, k)
    # what each channel asks of the sample, (2) there times pixel_bar
    asks = slopes.pixel_bar * (slopes.transmittance[k] - slopes.weights[k]) * samples.colour[k]
    asks = asks - slopes.pixel_bar * behind
    named = _leading(asks if not denser else -asks)
    bars = slopes.pixel_bar[named]
    if denser:
        what = "the background behind it" if _is_background(slopes, k) else "what lies behind it"
        return f"{what} is {_too_in(named, bars)}"
    if (bars < 0).all():
        light = "light" if len(named) == 3 else " and ".join(NAMES[named])
        return f"it hides {light} that the pixel lacks"
    return f"what it shows is {_too_in(named, bars)}"


def _behind(samples: Samples, slopes: Slopes, k: int) -> np.ndarray:
    """S_k of (2) there: the colour that arrives from behind sample k."""
    w = slopes.weights[k + 1 :]
    return w @ samples.colour[k + 1 :] + slopes.left * samples.background


def _is_background(slopes: Slopes, k: int) -> bool:
    return bool(slopes.left > slopes.weights[k + 1 :].sum())


def _leading(asks: np.ndarray) -> np.ndarray:
    """The fewest channels that make up most of what is asked for, in their order."""
    asks = np.maximum(asks, 0)
    order = np.argsort(-asks, kind="stable")
    enough = int(np.searchsorted(np.cumsum(asks[order]), LEADS * asks.sum())) + 1
    if enough == 2 and asks[order[2]] > 0.5 * asks[order[1]]:
        enough = 3  # no channel stands back: it is brightness
    return np.sort(order[:enough])


def _too(bar: np.ndarray) -> str:
    """How a pixel is wrong, of the slope of its loss."""
    named = _leading(np.abs(bar))
    return _too_in(named, bar[named])


def _too_in(named: np.ndarray, bars: np.ndarray) -> str:
    """Too bright or dark, too red or not red enough; of the wrong colour where channels differ."""
    if (bars > 0).all():
        return "too bright" if len(named) == 3 else f"too {' and '.join(NAMES[named])}"
    if (bars < 0).all():
        return "too dark" if len(named) == 3 else f"not {' and '.join(NAMES[named])} enough"
    return "of the wrong colour"


def _colour_instead(slopes: Slopes, distance: np.ndarray, judge: Judge) -> str:
    k = int(np.abs(slopes.colour).sum(-1).argmax())
    the = f"the sample at t = {distance[k]:.3g}"
    if judge.photograph is None:
        return f"No density matters to the pixel: {the} gives it its colour"
    return f"No density can mend the pixel: the colour of {the} is {_too(slopes.colour[k])}"

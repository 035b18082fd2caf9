"""Starts that lead nowhere: the field is empty or opaque everywhere, and no gradient leads out.

Empty. A rectified density that is negative everywhere is zero, and so is its slope; exp far below
zero is as good as zero, and is its own slope. No sample weighs anything then, every ray shows its
background whatever the colours are, and nothing flows back. Once the occupancy grid has seen it, no
cell is even asked: it stays so for good. Such a field errs as much as the background itself does;
with a backdrop that is learnt, it shows that and nothing else.

Opaque. Where the first sample of a ray lets nothing through, those behind have no weight, hence no
gradient: only the cube's surface is ever learned. By its error alone it can't be told: a surface
whose colour depends on the view learns some of the pictures, by heart. But rays end where they
enter, and in a field that learns they do not.

Both are seen in how far rays get on their way through the cube, before they end or leave it. A dead
field stays where it is; one that is only slow moves, ever faster, and is left alone.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from nerf.devices import Total, alone
from nerf.rays import Rays
from nerf.shading import Pixels
from nerf.space import Space

CHECKED_AT = (250, 500)
"""Steps after which a start is judged."""
WINDOW = 50
"""Steps before each of them whose mean is judged: of one step alone the rays differ by chance."""
FAR, NEAR = 0.9, 0.05
"""Parts of their way: rays that get further meet next to nothing, or stop short at once."""
NO_BETTER = 0.9
"""Part of the background's error below which something has been learned."""
GROWTH = 1.1
"""From one half of the window to the other, of what still goes on: the field is on its way out."""
LITTLE = 1e-4
"""Less of it than this is rounding."""
NOTHING_THERE = 1e-4
"""Error of the background below which pictures show nothing else: empty is right then."""
LONGEST = 4.0
"""A ray's way through space, at most: more than the diagonal of the cube, scene units."""
WORDS = {"empty": "no ray meets anything", "opaque": "every ray ends where it enters"}
"""What is wrong with each kind."""


def signs(
    rays: Rays,
    pixels: Pixels,
    counted: Bool[Array, " rays"],
    space: Space,
    backdrop: bool = False,
    total: Total = alone,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """By which a start is judged, of the counted rays.

    The mean squared error of showing nothing, colours in [0, 1]; and how far rays get before they
    end, on the mean, in parts of their way through the cube: 0 at its surface, 1 for all of it.
    With a backdrop, showing nothing else errs as it does; infinite while something else is shown.
    `total` adds up over all that share the step.
    """
    shown = pixels.colour if backdrop else rays.background
    count = jnp.maximum(total(jnp.sum(counted)), 1)
    empty_error = total(jnp.sum((shown - rays.photograph) ** 2 * counted[:, None])) / (3 * count)
    if backdrop:
        opacity = total(jnp.sum(pixels.opacity * counted)) / count
        empty_error = jnp.where(opacity < 1 - FAR, empty_error, jnp.inf)
    t_near, t_far = space.interval(rays.origin, rays.direction)
    # where there is no end, the surroundings are one: what lies further counts as that far
    way = jnp.clip(t_far - t_near, 0, LONGEST) * counted
    ended = jnp.clip(pixels.depth - pixels.opacity * t_near, -jnp.inf, way) * (way > 0)
    left = (1 - pixels.opacity) * way
    whole = total(jnp.sum(way))
    seen = total(jnp.sum(ended + left))
    reach = jnp.where(whole > 0, seen / jnp.where(whole > 0, whole, 1), 1.0)
    return empty_error, reach


def named(error: float, empty_error: float, reach: float) -> str:
    """`empty` or `opaque`, if that is what a field with these means over rays is; else ''."""
    if reach < NEAR:
        return "opaque"
    if reach > FAR and error >= NO_BETTER * empty_error and empty_error > NOTHING_THERE:
        return "empty"
    return ""


def recovering(kind: str, before: float, after: float) -> bool:
    """Whether a field of this kind leaves that state, by how far rays get at first and later.

    What grows is the light that gets in, or what rays meet: by its own measure, so that a field
    that is left slowly at first, and all at once then, is given the time.
    """
    if kind == "empty":
        before, after = 1 - before, 1 - after
    return bool(after > GROWTH * before + LITTLE)


class Watch:
    """Judges a start while it trains."""

    def __init__(self, seen: Iterable[Sequence[float]] = ()) -> None:
        """`seen`: what another, who watched the steps before, had to remember."""
        known = ((error, empty, reach) for error, empty, reach in seen)
        self._seen: deque[tuple[float, float, float]] = deque(known, maxlen=WINDOW)

    def remembers(self, step: int) -> list[tuple[float, float, float]]:
        """What it has to know of the steps up to this one to judge later ones."""
        return list(self._seen) if step < max(CHECKED_AT) else []

    def __call__(self, step: int, metrics: Any) -> str:
        """`empty` or `opaque` after a step at which the start is found dead; else ''."""
        self._seen.append(
            (
                float(metrics.mean_squared_error),
                float(metrics.empty_error),
                float(metrics.reach),
            )
        )
        if step not in CHECKED_AT or len(self._seen) < WINDOW:
            return ""
        seen = np.asarray(self._seen)
        kind = named(*seen.mean(axis=0))
        before, after = (half.mean() for half in np.array_split(seen[:, 2], 2))
        return "" if kind and recovering(kind, before, after) else kind

"""Distances that a run renders against exact ones, and its opacity against what is there.

A run's distance is the mean of where its light comes from, D / A: `Picture.depth` over
`Picture.opacity`, in scene units. The exact ones are in the files' own units; so are the errors.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from nerf.render import Picture

Maps = Float[np.ndarray, "*pictures h w"]
LEAST = 1 / 255
"""Opacity below which a pixel shows no distance: a stored picture holds nothing there."""
NEAR = {"within_1_percent": 0.01, "within_5_percent": 0.05}


def mean_distance(picture: Picture, scale: float) -> Float[np.ndarray, "h w"]:
    """D / A in the files' own units; NaN where the run shows nothing.

    `scale` is that of the scene: scene units per unit of the files.
    """
    seen = picture.opacity >= LEAST
    distance = picture.depth.astype(np.float64) / np.where(seen, picture.opacity, 1) / scale
    return np.where(seen, distance, np.nan)


def errors(found: Maps, truth: Maps) -> dict[str, Any]:
    """How far distances are from exact ones, over the pixels whose exact one is finite.

    Means and medians are over those of them where the run shows something (`compared`, a share);
    where it shows nothing a pixel is within no per cent of the truth. None where nothing is left.
    """
    known = np.isfinite(truth)
    both = known & np.isfinite(found)
    away = found[both] - truth[both]
    share = np.abs(away) / truth[both]
    count = int(known.sum())
    return {
        "pixels": count,
        "compared": _share(both.sum(), count),
        "mean": _of(np.mean, np.abs(away)),
        "median": _of(np.median, np.abs(away)),
        "mean_share": _of(np.mean, share),
        "median_share": _of(np.median, share),
        "mean_signed": _of(np.mean, away),
        **{name: _share((share <= most).sum(), count) for name, most in NEAR.items()},
    }


def sides(opacity: Maps, there: Bool[np.ndarray, "*pictures h w"]) -> dict[str, Any]:
    """Shares of pixels whose opacity is on the right side of one half.

    `surface` of those where there is something, `nothing` of the others, `right` of all.
    """
    opaque = opacity > 0.5
    return {
        "surface": _share((opaque & there).sum(), there.sum()),
        "nothing": _share((~opaque & ~there).sum(), (~there).sum()),
        "right": _share((opaque == there).sum(), there.size),
    }


def beyond(found: Maps, truth: Maps) -> dict[str, Any]:
    """What a run puts where there is a picture and no end to the distance: a sky."""
    sky = np.isinf(truth)
    seen = found[sky & np.isfinite(found)]
    return {"pixels": int(sky.sum()), "median_distance": _of(np.median, seen)}


def _share(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None


def _of(what: Any, values: np.ndarray) -> float | None:
    return float(what(values)) if values.size else None

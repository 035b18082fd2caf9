r"""The smoke of the bundled scene in closed form: what a recovered density is held against.

Symbols      lengths in the scene's own units, z up
    y(x)       x, bent by a slow swell of sines                                        length
    b_j(x)     exp(-r_j^2 / 2 w^2), r_j the distance of y to the axis of plume j, which winds
               about z; w its width there; both grow upwards
    n(x)       four octaves of sines, -1 to 1
    sigma_j    peak f(z) max(b_j (1 + n) - LEVEL, 0), f fades in at the foot, out at the end  (1)
    sigma      sigma_1 + sigma_2, the extinction                                    1 / length (2)
    a          (sigma_1 a_1 + sigma_2 a_2) / sigma, the albedo, RGB                            (3)

Value
    C = int T sigma J dt, J = a / 4 pi int L d omega: the smoke scatters alike into all
    directions, so that what it sends to the eye is the same from everywhere                   (4)

This file knows nothing of `calculus`: it is numpy in float64.
"""

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "*batch 3"]
FOOT, TOP = -1.05, 1.2
"""Heights between which there is smoke."""
PEAK = 11.0
LEVEL = 0.12
ALBEDO = np.array([[0.99, 0.7, 0.3], [0.22, 0.62, 0.92]])
"""Of the two plumes: amber, and a cool blue."""
RADIUS = 1.3
"""Everything is within this distance of the origin."""
_OCTAVES = 4
_SEED = 7


def densities(x: Points) -> Float[np.ndarray, "*batch 2"]:
    """sigma_j (1) of the two plumes, 1 / length."""
    out = np.zeros((*x.shape[:-1], 2))
    rise = (x[..., 2] - FOOT) / (TOP - FOOT)
    # bent by 0.22 at most, and 2.38 widths from its axis b_j (1 + n) is below LEVEL
    reach = _reach(rise) + 0.22 + 2.38 * _width(rise)
    near = (rise > 0) & (rise < 1) & (x[..., 0] ** 2 + x[..., 1] ** 2 < reach**2)
    out[near] = _densities(x[near], rise[near])
    return out


def density(x: Points) -> Float[np.ndarray, "*batch"]:
    """sigma (2), 1 / length."""
    return densities(x).sum(axis=-1)


def albedo(sigma: Float[np.ndarray, "*batch 2"]) -> Points:
    """The albedo (3) where the plumes have these densities; theirs in equal parts where none."""
    share = sigma + 1e-12
    return (share / share.sum(axis=-1, keepdims=True)) @ ALBEDO


def _densities(x, rise):
    y = _bent(x)
    width, reach = _width(rise), _reach(rise)
    bases = []
    for plume in range(2):
        turn = 7.0 * rise + np.pi * plume
        axis = np.stack([reach * np.cos(turn), reach * np.sin(turn)], axis=-1)
        r2 = np.sum((y[..., :2] - axis) ** 2, axis=-1)
        bases.append(np.exp(-r2 / (2 * width**2)))
    base = np.stack(bases, axis=-1)
    fading = _step(rise / 0.12) * _step((1 - rise) / 0.5) * (1 - 0.5 * rise)
    fading = fading * _step((RADIUS - np.linalg.norm(x, axis=-1)) / 0.1)
    sigma = np.zeros(base.shape)
    inside = base.max(axis=-1) > LEVEL / 2
    billows = 1 + _noise(x[inside])[..., None]
    sigma[inside] = np.maximum(base[inside] * billows - LEVEL, 0)
    return PEAK * fading[..., None] * sigma


def _reach(rise):
    """How far from z the plumes' axes are."""
    return 0.17 + 0.3 * np.clip(rise, 0, 1)


def _width(rise):
    return 0.09 + 0.15 * np.clip(rise, 0, 1)


def _bent(x):
    swell = 0.08 * np.sin(3.1 * x[..., [1, 2, 0]] + [0.3, 1.7, 4.0])
    swell += 0.05 * np.sin(6.7 * x[..., [2, 0, 1]] + [2.0, 5.1, 0.8])
    return x + swell + 0.025 * np.sin(14.0 * x[..., [1, 2, 0]] + [4.4, 0.2, 2.9])


def _noise(x):
    """Octaves of sines, each bent by the one before so that no lattice shows."""
    random = np.random.default_rng(_SEED)
    total, waves = np.zeros(x.shape[:-1]), np.zeros(x.shape)
    strength, frequency = 0.0, 6.0
    for octave in range(_OCTAVES):
        R = np.linalg.qr(random.normal(size=(3, 3)))[0]
        phase = random.uniform(0, 2 * np.pi, 3)
        waves = np.sin(frequency * x @ R.T + phase + 1.4 * waves[..., [1, 2, 0]])
        total = total + 0.75**octave * waves.sum(axis=-1) / 3
        strength, frequency = strength + 0.75**octave, 1.8 * frequency
    return np.tanh(4 * total / strength)


def _step(share):
    """0 below 0, 1 above 1, smooth between."""
    s = np.clip(share, 0, 1)
    return s * s * (3 - 2 * s)

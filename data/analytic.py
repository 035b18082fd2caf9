r"""A scene in closed form: density and colour as functions, pixels from them by quadrature.

Symbols      a sum of bodies j; lengths in the scene's own units
    q_j(x)     |(x - centre_j) / radii_j|: 1 on the surface of the ellipsoid       1
    sigma_j    peak_j s((1 - q_j) / soft_j)   a ball with a soft edge, s the sigmoid, or
               peak_j exp(-q_j^2 / 2)         a Gaussian                           1 / length
    c_j(x, d)  its colour: a pattern, lit from one side, and a highlight that moves with the view
    sigma      sum_j sigma_j,    c = sum_j sigma_j c_j / sigma                     (1)

Value
    C = int T sum_j sigma_j c_j dt + T(end) b,  A = 1 - T(end),  D = int T sigma t dt      (2)
    N = int T sigma n dt,    n = -grad sigma / |grad sigma|                                (3)

Derivatives
    grad q_j = (x - centre_j) / radii_j^2 / q_j                                            (4)
    dC/dpeak_j = int (sigma_j / peak_j) (T c_j - int_t^end T sigma c ds - T(end) b) dt     (5)

This file knows nothing of `calculus`: it is numpy in float64, integrated panel by panel with
Gauss-Legendre nodes, and so a second opinion on everything that `calculus` renders.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "*batch 3"]
_LIGHT = np.array([0.45, -0.5, 0.74]) / np.linalg.norm([0.45, -0.5, 0.74])
"""Where the light comes from, in the world frame."""


@dataclass(frozen=True)
class Body:
    """One ellipsoid of the scene."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    colour: tuple[float, float, float]
    second_colour: tuple[float, float, float] | None = None
    """What the pattern alternates with; None for a plain body."""
    pattern: Literal["stripes", "checks"] = "stripes"
    waves: float = 10.0
    """Angular frequency of the pattern, radians per unit of length."""
    peak: float = 60.0
    """Density in the middle, 1 / length."""
    soft: float = 0.03
    """Width of a ball's edge, as a share of its radius."""
    kind: Literal["ball", "gaussian"] = "ball"
    gloss: float = 0.0
    """How white the highlight is, 0 to 1."""

    def density(self, x: Points) -> Float[np.ndarray, "*batch"]:
        """sigma_j, 1 / length."""
        q = self._q(x)
        if self.kind == "gaussian":
            return self.peak * np.exp(-(q**2) / 2)
        return self.peak * _sigmoid((1 - q) / self.soft)

    def density_gradient(self, x: Points) -> Points:
        """grad sigma_j, 1 / length^2, through (4)."""
        q = self._q(x)
        if self.kind == "gaussian":
            slope = -self.peak * q * np.exp(-(q**2) / 2)
        else:
            z = (1 - q) / self.soft
            slope = -self.peak / self.soft * _sigmoid(z) * _sigmoid(-z)
        away = (x - self.centre) / np.square(self.radii)
        return (slope / np.maximum(q, 1e-12))[..., None] * away

    def radiance(self, x: Points, d: Points) -> Points:
        """c_j(x, d), RGB in [0, 1], seen along unit directions d."""
        base = np.broadcast_to(np.array(self.colour), x.shape)
        if self.second_colour is not None:
            y = self.waves * (x - self.centre)
            wave = np.sin(y[..., 2] + 0.6 * y[..., 0])
            if self.pattern == "checks":
                wave = np.sin(y[..., 0]) * np.sin(y[..., 1])
            share = ((1 + np.tanh(4 * wave)) / 2)[..., None]
            base = share * base + (1 - share) * np.array(self.second_colour)
        if self.kind == "gaussian":  # a cloud has no side that faces the light
            return base
        away = (x - self.centre) / np.square(self.radii)
        normal = away / np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-12)
        lit = base * (0.62 + 0.38 * (normal @ _LIGHT))[..., None]
        half = _LIGHT - d
        half = half / np.linalg.norm(half, axis=-1, keepdims=True)
        towards = np.sum(normal * half, axis=-1)[..., None]
        highlight = self.gloss * np.exp(30 * (towards - 1))
        return lit + highlight * (1 - lit)

    def near(self, origins: Points, directions: Points) -> np.ndarray:
        """Which rays pass where the density is more than 1e-17 of its peak."""
        o, d = (origins - self.centre) / self.radii, directions / np.array(self.radii)
        t = -np.sum(o * d, axis=-1) / np.sum(d * d, axis=-1)
        reach = 9.0 if self.kind == "gaussian" else 1 + 40 * self.soft
        return np.linalg.norm(o + t[..., None] * d, axis=-1) < reach

    def _q(self, x):
        return np.linalg.norm((x - self.centre) / self.radii, axis=-1)


class Rendered(NamedTuple):
    """What rays see (2)."""

    colour: Float[np.ndarray, "rays 3"]
    """C, over the background."""
    opacity: Float[np.ndarray, " rays"]
    depth: Float[np.ndarray, " rays"]
    """D: the mean distance is depth / opacity."""


@dataclass(frozen=True)
class AnalyticScene:
    """Bodies in the dark."""

    bodies: tuple[Body, ...]

    def density(self, x: Points) -> Float[np.ndarray, "*batch"]:
        """sigma (1), 1 / length."""
        return np.sum([body.density(x) for body in self.bodies], axis=0)

    def density_gradient(self, x: Points) -> Points:
        """grad sigma, 1 / length^2; the outward normal is against it."""
        return np.sum([body.density_gradient(x) for body in self.bodies], axis=0)

    def radiance(self, x: Points, d: Points) -> Points:
        """c (1), RGB in [0, 1]."""
        emitted = sum(b.density(x)[..., None] * b.radiance(x, d) for b in self.bodies)
        return emitted / np.maximum(self.density(x), 1e-300)[..., None]

    def render(self, rays: "Rays", background: Float[np.ndarray, "3"]) -> Rendered:
        """What the rays see."""
        at = self._along(rays)
        colour = at.whole(at.T[..., None] * at.emitted) + at.T_end[:, None] * background
        return Rendered(colour, 1 - at.T_end, at.whole((at.T * at.sigma * at.t)[..., None])[:, 0])

    def normals(self, rays: "Rays") -> Float[np.ndarray, "rays 3"]:
        """N (3): opacity times the mean outward normal of what the rays see."""
        at = self._along(rays)
        slope = self.density_gradient(at.x)
        n = -slope / np.maximum(np.linalg.norm(slope, axis=-1, keepdims=True), 1e-30)
        return at.whole((at.T * at.sigma)[..., None] * n)

    def pixel_gradients(
        self, rays: "Rays", background: Float[np.ndarray, "3"]
    ) -> Float[np.ndarray, "rays bodies 3"]:
        """dC/dpeak_j (5): how each pixel answers to each body's density."""
        at = self._along(rays)
        light = at.T[..., None] * at.emitted
        behind = at.whole(light)[:, None] - at.running(light)
        behind = behind + (at.T_end[:, None] * background)[:, None]
        out = []
        for body in self.bodies:
            gain = at.T[..., None] * body.radiance(at.x, at.d) - behind
            out.append(at.whole((body.density(at.x) / body.peak)[..., None] * gain))
        return np.stack(out, axis=1)

    def _along(self, rays):
        at = _Along(rays)
        at.sigma = np.zeros(at.x.shape[:2])
        at.emitted = np.zeros(at.x.shape)
        for body in self.bodies:
            near = body.near(rays.origins, rays.directions)
            if near.any():
                sigma = body.density(at.x[near])
                at.sigma[near] += sigma
                at.emitted[near] += sigma[..., None] * body.radiance(at.x[near], at.d[near])
        at.T = np.exp(-at.running(at.sigma[..., None])[..., 0])
        at.T_end = np.exp(-at.whole(at.sigma[..., None])[:, 0])
        return at


@dataclass(frozen=True)
class Rays:
    """Rays and the panels that they are integrated over.

    The default panels, over a length of 3 and edges no thinner than 0.01, leave an error below
    1e-6 in colour, opacity, depth and gradients; normals turn faster, and want 256.
    """

    origins: Float[np.ndarray, "rays 3"]
    directions: Float[np.ndarray, "rays 3"]
    """Of length one."""
    t_near: float
    t_far: float
    panels: int = 128
    nodes: int = 6


class _Along:
    """The nodes along rays, and integrals over them."""

    def __init__(self, rays: Rays):
        unit, self._share, self._antiderivative = _gauss_legendre(rays.nodes)
        self._panels, self._nodes = rays.panels, rays.nodes
        self._length = (rays.t_far - rays.t_near) / rays.panels
        starts = rays.t_near + self._length * np.arange(rays.panels)
        self.t = (starts[:, None] + self._length * unit).ravel()
        self.x = rays.origins[:, None] + self.t[:, None] * rays.directions[:, None]
        self.d = np.broadcast_to(rays.directions[:, None], self.x.shape)
        self.sigma: np.ndarray
        self.emitted: np.ndarray
        self.T: np.ndarray
        self.T_end: np.ndarray

    def running(self, f):
        """int_near^t f at every node."""
        panels = f.reshape(len(f), self._panels, self._nodes, -1)
        within = self._length * np.einsum("ij,rpjk->rpik", self._antiderivative, panels)
        whole = self._length * np.einsum("j,rpjk->rpk", self._share, panels)
        return (within + (np.cumsum(whole, axis=1) - whole)[:, :, None]).reshape(f.shape)

    def whole(self, f):
        """int_near^far f."""
        return self._length * np.einsum("t,rtk->rk", np.tile(self._share, self._panels), f)


MARBLES = AnalyticScene(
    (
        Body((0.0, 0.0, -0.55), (1.15, 1.15, 0.1), (0.93, 0.9, 0.82), (0.2, 0.24, 0.3), "checks",
             waves=9.0),
        Body((0.1, 0.15, 0.02), (0.5,) * 3, (0.82, 0.16, 0.12), (0.97, 0.8, 0.42), gloss=0.9),
        Body((-0.68, -0.42, -0.2), (0.28,) * 3, (0.1, 0.42, 0.75), gloss=0.9, soft=0.05),
        Body((0.62, -0.66, -0.24), (0.24,) * 3, (0.15, 0.6, 0.3), (0.85, 0.9, 0.3), waves=20.0,
             gloss=0.6, soft=0.05),
        Body((-0.45, 0.75, -0.15), (0.22, 0.22, 0.33), (0.6, 0.3, 0.75), gloss=0.7, soft=0.05),
        Body((0.85, 0.35, -0.3), (0.18,) * 3, (0.95, 0.55, 0.1), gloss=0.8, soft=0.06),
        Body((0.1, 0.15, 0.72), (0.2, 0.2, 0.16), (0.35, 0.75, 0.85), peak=9.0, kind="gaussian"),
    )
)  # fmt: skip
"""Marbles on a chequered board under a small cloud: the bundled scene, within [-1.2, 1.2]^3."""


def _sigmoid(z):
    q = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, q) / (1 + q)


def _gauss_legendre(nodes):
    """Nodes, weights and the matrix of antiderivatives on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    P = np.polynomial.legendre.legvander(x, nodes)
    k = np.arange(1, nodes)
    rising = np.column_stack([x + 1, (P[:, 2:] - P[:, :-2]) / (2 * k + 1)])
    return (x + 1) / 2, w / 2, rising @ np.linalg.inv(P[:, :nodes]) / 2

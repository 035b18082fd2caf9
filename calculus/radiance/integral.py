r"""The volume-rendering integral itself, before it is cut into a sum, and its derivatives.

Symbols      one ray; functions of the distance t; lengths in scene units
    sigma(t)     density                                      1 / length, >= 0
    c(t)         colour                                       RGB
    a, z         t_near and t_far                             length
    b            colour of the background                     RGB
    T(t)         transmittance from a to t                    1
    eta(t)       any small change of the density              1 / length

Value
    T(t) = exp(-int_a^t sigma(s) ds)          so T' = -sigma T,  T(a) = 1                  (1)
    C = int_a^z T(t) sigma(t) c(t) dt + T(z) b                                             (2)

Jacobian     here the variable is a function, so the derivative is one too: it is read off from
             dC[sigma + eps eta]/d eps at eps = 0  =  int (dC/dsigma)(s) eta(s) ds         (3)
    (1) gives dT(t)/dsigma(s) = -T(t) for s < t, and 0 otherwise                           (4)
    put (4) into (2) and exchange the order of the two integrals:
    dC/dsigma(s) = T(s) c(s) - int_s^z T sigma c dt - T(z) b                               (5)
    dC/dc(t) = T(t) sigma(t),    dC/db = T(z)                                              (6)
    dC/dz = T(z) sigma(z) (c(z) - b),    dC/da = sigma(a) (C - c(a))                       (7)

    Compare (5) with (2) of `rendering`: the sum's derivative with respect to the depth of an
    interval is (5) averaged over the interval, and the tests show the one becoming the other.

Cotangent    (5) and (6), times C_bar; nothing here is trained, so none is written out.

Quadrature   P panels with Q Gauss-Legendre nodes each; within a panel every antiderivative is
             that of the polynomial through the nodes: C converges like (1/P)^2Q, what runs
             along the ray, T(t) and (5), like (1/P)^(Q+1).                                    (8)
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Along(NamedTuple):
    """What lies along a ray, at the nodes of the quadrature (P panels x Q nodes, flattened)."""

    t: Float[Array, " PQ"]
    share: Float[Array, " PQ"]
    """Weights of the quadrature, scene units: sum share f = int f."""
    T: Float[Array, " PQ"]
    T_far: Float[Array, ""]
    C: Float[Array, "3"]
    dC_dsigma: Float[Array, "PQ 3"]
    """The functional derivative (5), colour times length."""
    dC_dc: Float[Array, " PQ"]
    """The functional derivative (6), 1 / length: the weight as a density along the ray."""


Density = Callable[[Float[Array, " n"]], Float[Array, " n"]]
Colour = Callable[[Float[Array, " n"]], Float[Array, "n 3"]]


def integrate(
    density: Density,
    colour: Colour,
    t_near: float | Float[Array, ""],
    t_far: float | Float[Array, ""],
    background: Float[Array, "3"],
    panels: int = 64,
    nodes: int = 8,
) -> Along:
    """The pixel C (2) and its functional derivatives (5)(6) at the nodes of (8).

    `density` and `colour` take distances in scene units. Their jumps cost accuracy unless they
    fall on the ends of panels, which are `t_near + k (t_far - t_near) / panels`.
    """
    x, share, antiderivative = _gauss_legendre(nodes)
    length = (t_far - t_near) / panels
    starts = t_near + length * jnp.arange(panels, dtype=share.dtype)
    t = (starts[:, None] + length * x[None, :]).reshape(-1)
    sigma, c = density(t), colour(t)

    def before(f):
        """int_a^t f at the nodes, and int_a^z f."""
        f = f.reshape(panels, nodes, -1)
        within = length * jnp.einsum("ij,pjk->pik", antiderivative, f)
        whole = length * jnp.einsum("j,pjk->pk", share, f)
        earlier = jnp.cumsum(whole, axis=0) - whole
        return (within + earlier[:, None, :]).reshape(panels * nodes, -1), jnp.sum(whole, axis=0)

    depth, depth_far = before(sigma)
    T, T_far = jnp.exp(-depth[:, 0]), jnp.exp(-depth_far[0])  # (1)
    shown, shown_far = before((T * sigma)[:, None] * c)
    C = shown_far + T_far * background  # (2)
    behind = shown_far[None, :] - shown + T_far * background[None, :]
    return Along(
        t=t,
        share=jnp.tile(length * share, panels),
        T=T,
        T_far=T_far,
        C=C,
        dC_dsigma=T[:, None] * c - behind,  # (5)
        dC_dc=T * sigma,  # (6)
    )


def bounds_jacobian(
    density: Density, colour: Colour, along: Along, t_near: float, t_far: float, background: Array
) -> tuple[Float[Array, "3"], Float[Array, "3"]]:
    """dC/dt_near and dC/dt_far (7): what the pixel gains as either end of the ray moves out."""
    ends = jnp.asarray([t_near, t_far])
    sigma, c = density(ends), colour(ends)
    return sigma[0] * (along.C - c[0]), along.T_far * sigma[1] * (c[1] - background)


def _gauss_legendre(nodes):
    """Nodes, weights and the matrix of antiderivatives (8), on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    powers = np.polynomial.legendre.legvander(x, nodes)
    # int_{-1}^x P_k = (P_{k+1}(x) - P_{k-1}(x)) / (2k + 1), and x + 1 for k = 0
    k = np.arange(1, nodes)
    rising = np.column_stack([x + 1, (powers[:, 2:] - powers[:, :-2]) / (2 * k + 1)])
    matrix = rising @ np.linalg.inv(powers[:, :nodes])
    return jnp.asarray((x + 1) / 2), jnp.asarray(w / 2), jnp.asarray(matrix / 2)

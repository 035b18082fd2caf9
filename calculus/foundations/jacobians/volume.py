r"""What a map does to areas and volumes, and integrals in new coordinates.

    area of a polygon v_1 .. v_k (counter-clockwise)   sum_i (v_i x v_{i+1}) / 2,
                                                       a x b = a_1 b_2 - a_2 b_1                (1)
    volume spanned by a, b, c (right-handed)           (a x b) . c                              (2)
    A linear map J takes a set of volume V to one of volume |det J| V; sign det J says whether it
    keeps (+) or flips (-) the orientation.                                                     (3)
    A map phi that is not linear does so up close, with its Jacobian at the point: the image of a
    small triangle at x has |det J(x)| times its area, up to a factor 1 + O(size).              (4)
    Summed over all small pieces
        int_{phi(Omega)} g(y) dy = int_Omega g(phi(x)) |det J(x)| dx,    phi one to one         (5)

For one variable (5) is dt = phi'(u) du, the substitution of school.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Map = Callable[[Float[Array, "2"]], Float[Array, "2"]]


def polygon_area(vertices: Float[Array, "k 2"]) -> Float[Array, ""]:
    """Area with a sign (1): positive if the vertices run counter-clockwise."""
    following = jnp.roll(vertices, -1, axis=0)
    return jnp.sum(vertices[:, 0] * following[:, 1] - vertices[:, 1] * following[:, 0]) / 2


def parallelepiped_volume(edges: Float[Array, "3 3"]) -> Float[Array, ""]:
    """Volume with a sign (2), by the scalar triple product of the columns of `edges`."""
    return jnp.cross(edges[:, 0], edges[:, 1]) @ edges[:, 2]


def volume_factor(J: Float[Array, "n n"]) -> Float[Array, ""]:
    """|det J| (3): by how much areas (n = 2) or volumes (n = 3) grow."""
    return jnp.abs(jnp.linalg.det(J))


def orientation(J: Float[Array, "n n"]) -> Float[Array, ""]:
    """The sign of det J (3): 1 keeps the orientation, -1 flips it, 0 flattens the set."""
    return jnp.linalg.slogdet(J).sign


def image_of_triangle(phi: Map, x: Float[Array, "2"], eps: float) -> Float[Array, "3 2"]:
    """The images of x, x + eps e_1 and x + eps e_2: the corners of (4); its area is eps^2 / 2."""
    corners = jnp.array([[0, 0], [1, 0], [0, 1]], x.dtype)
    return jnp.stack([phi(x + eps * corner) for corner in corners])


def integral_by_substitution(
    g: Callable[[Float[Array, "2"]], Float[Array, ""]],
    phi: Map,
    jacobian: Callable[[Float[Array, "2"]], Float[Array, "2 2"]],
    low: Float[Array, "2"],
    high: Float[Array, "2"],
    cells: int = 32,
) -> Float[Array, ""]:
    """The right-hand side of (5) over the rectangle Omega from `low` to `high`.

    Midpoint rule on cells x cells pieces: the error falls as 1 / cells^2.
    """
    side = (high - low) / cells
    steps = jnp.arange(cells, dtype=low.dtype) + 0.5
    midpoints = jnp.stack(jnp.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    x = low[None, :] + midpoints * side[None, :]
    integrand = jax.vmap(lambda x: g(phi(x)) * volume_factor(jacobian(x)))(x)
    return jnp.sum(integrand) * jnp.prod(side)

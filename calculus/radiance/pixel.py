r"""From weights to a pixel: colour over a background, opacity and depth.

Symbols      one ray with N samples and a background
    w_i      weight of sample i                                        1
    T        transmittance left behind the last sample                 1
    c_i      colour of sample i                                        RGB in [0, 1]
    t_i      distance of sample i from the camera                      scene units
    b        colour of the background                                  RGB in [0, 1]

Value
    C = sum_i w_i c_i + T b                    colour                           (1)
    A = sum_i w_i                              opacity: how much was hit at all (2)
    D = sum_i w_i t_i                          depth, of what was hit:          (3)
                                               the mean distance is D / A

Jacobian     all three are linear in w, and (1) in T, c and b as well
    dC/dw_i = c_i,    dA/dw_i = 1,    dD/dw_i = t_i                             (4)
    dC_a/dc_ib = w_i [a = b],    dD/dt_i = w_i                                  (5)
    dC/dT = b,    dC_a/db_b = T [a = b]                                         (6)

Cotangent    contract (4), (5), (6)
    w_bar_i = c_i . C_bar + A_bar + t_i D_bar                                   (7)
    T_bar = b . C_bar,    b_bar = T C_bar                                       (8)
    c_bar_i = w_i C_bar,    t_bar_i = w_i D_bar                                 (9)

One scalar a sample, (7), is all that the colours, the opacity and the depth have to say to the
weights: whatever else is rendered adds a term there and nothing anywhere else.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def accumulate(
    w: Float[Array, "*batch N"],
    T: Float[Array, "*batch"],
    colours: Float[Array, "*batch N 3"],
    t: Float[Array, "*batch N"],
    background: Float[Array, "*batch 3"],
) -> tuple[Float[Array, "*batch 3"], Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Colour (1), opacity (2), and depth times opacity (3) in scene units, of a ray."""
    return accumulate_fwd(w, T, colours, t, background)[0]


def accumulate_fwd(w, T, colours, t, background):
    colour = jnp.einsum("...n,...na->...a", w, colours) + T[..., None] * background  # (1)
    opacity = jnp.sum(w, axis=-1)  # (2)
    depth = jnp.sum(w * t, axis=-1)  # (3)
    return (colour, opacity, depth), (w, T, colours, t, background)


def accumulate_bwd(residuals, cotangents):
    w, T, colours, t, background = residuals
    colour_bar, opacity_bar, depth_bar = cotangents
    w_bar = (
        jnp.einsum("...na,...a->...n", colours, colour_bar)
        + opacity_bar[..., None]
        + t * depth_bar[..., None]
    )  # (7)
    T_bar = jnp.sum(background * colour_bar, axis=-1)
    background_bar = T[..., None] * colour_bar  # (8)
    colours_bar = w[..., None] * colour_bar[..., None, :]
    t_bar = w * depth_bar[..., None]  # (9)
    return w_bar, T_bar, colours_bar, t_bar, background_bar


accumulate.defvjp(accumulate_fwd, accumulate_bwd)


def accumulate_jacobian(
    w: Float[Array, " N"],
    T: Float[Array, ""],
    colours: Float[Array, "N 3"],
    t: Float[Array, " N"],
    background: Float[Array, "3"],
) -> tuple[tuple[Array, ...], tuple[Array, ...], tuple[Array, ...]]:
    """d(colour, opacity, depth)/d(w, T, colours, t, background), as (4)-(6) read."""
    identity, zero, zeros = jnp.eye(3), jnp.zeros_like(T), jnp.zeros_like(w)
    dC = (
        colours.T,
        background,
        jnp.einsum("i,ab->aib", w, identity),
        jnp.zeros((3, w.size)),
        T * identity,
    )
    dA = (jnp.ones_like(w), zero, jnp.zeros_like(colours), zeros, jnp.zeros(3))
    dD = (t, zero, jnp.zeros_like(colours), w, jnp.zeros(3))
    return dC, dA, dD

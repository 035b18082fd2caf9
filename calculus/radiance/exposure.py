r"""What a camera's exposure and white balance make of a colour.

Symbols      one ray; channels a = 1..3
    C_a      the pixel that volume rendering gives                    1, in [0, 1]
    e_pa     parameter of picture p                                   1
    g_a      logarithm of the gain of the picture that the ray is of  1
    y_a      the pixel as that picture shows it                       1

Value        a camera that opens longer multiplies the light; so does one that balances white.
    Colours here are sRGB: but for the darkest, k times the light is about k^(1/2.2) times
    the number, a factor again. That photographs end at 1 is left out of it:
    y_a = C_a exp(g_a)                                                          (1)
    g_a = e_pa - 1/P sum_q e_qa = sum_q ([q = p] - 1/P) e_qa                    (2)

    Twice as bright a scene under half the gain gives the same photographs, whatever they
    are: without (2) no loss would know the two apart. With it the gains of all P pictures
    multiply to one, and a view without a gain is seen as the geometric mean of the cameras
    saw it. (2) is linear in e: a row of [q = p] - 1/P through `dense`.

Jacobian     channel by channel, so diagonal
    dy_a/dC_a = exp(g_a),    dy_a/dg_a = y_a                                    (3)

Cotangent    contract (3)
    C_bar_a = exp(g_a) y_bar_a,    g_bar_a = y_a y_bar_a                        (4)
    and by (2) e_bar_q = sum over the rays of picture q of g_bar, less the mean over pictures
    of these sums: what all pictures want together is left to the scene.

    What (4) needs is made again from C and g: one exponential, two products.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def expose(
    colours: Float[Array, "*batch a"], log_gain: Float[Array, "*batch a"]
) -> Float[Array, "*batch a"]:
    """Colours under the gains of their pictures (1): `log_gain` 0 leaves them as they are."""
    return expose_fwd(colours, log_gain)[0]


def expose_fwd(colours, log_gain):
    return colours * jnp.exp(log_gain), (colours, log_gain)  # (1)


def expose_bwd(residuals, y_bar):
    colours, log_gain = residuals
    colours_bar = jnp.exp(log_gain) * y_bar
    return colours_bar, colours * colours_bar  # (4)


expose.defvjp(expose_fwd, expose_bwd)


def expose_jacobian(
    colours: Float[Array, " a"], log_gain: Float[Array, " a"]
) -> tuple[Float[Array, "a a"], Float[Array, "a a"]]:
    """dy/dC and dy/dg, as (3) reads."""
    gain = jnp.exp(log_gain)
    return jnp.diag(gain), jnp.diag(colours * gain)

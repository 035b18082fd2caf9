"""A batch cut into blocks that a way back can take one after another."""

import jax.numpy as jnp


def in_blocks(rows, most: int):
    """Rows [S, n] as few blocks of at most `most` rows, all of one size: [blocks, size, n].

    Rows of zeros fill up the last: cut them off what comes of it, or see that they have no effect.
    """
    blocks = max(1, -(-rows.shape[0] // most))
    missing = -rows.shape[0] % blocks
    return jnp.pad(rows, ((0, missing), (0, 0))).reshape(blocks, -1, rows.shape[1])

"""The samples of many rays, one behind another in one array of fixed length, and sums over rays.

Rays differ in how many samples they need; a program has one shape. So the samples of a batch stand
in one row, ray by ray, and what is left of the row at its end is padding.

Every sum here is made within a ray, by a tree of partial sums each of which knows its ray, and
never as the difference of two sums over the whole row: in float32 such a difference has lost, of
a thin ray behind thousands of opaque ones, every digit. Nothing is scattered either: additions in
the order of their arrival would make a gradient on a GPU differ from run to run.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class Stream(NamedTuple):
    """Which of M samples belongs to which of R rays."""

    ray: Int[Array, " M"]
    """The ray of each sample, never falling; R for the padding at the end."""
    first: Int[Array, " R+1"]
    """Ray r has the samples first[r] .. first[r+1] - 1, maybe none; from first[R] on is padding."""

    @classmethod
    def of(cls, lengths: Int[Array, " R"], size: int) -> "Stream":
        """Rays of so many samples each, in a row of `size`; what does not fit is cut off."""
        ends = jnp.minimum(jnp.cumsum(lengths), size).astype(jnp.int32)
        first = jnp.concatenate([jnp.zeros(1, jnp.int32), ends])
        ended = jnp.zeros(size, jnp.int32).at[ends].add(1, mode="drop")
        return cls(jnp.cumsum(ended, dtype=jnp.int32), first)

    @property
    def rays(self) -> int:
        """R, how many rays there are."""
        return self.first.shape[0] - 1

    def owned(self, v: Float[Array, " M *channels"]) -> Float[Array, " M *channels"]:
        """The numbers of samples, 0 at padding whatever stands there."""
        return jnp.where(_beside(self.ray < self.rays, v), v, 0)

    def sums_through(self, v: Float[Array, " M *channels"]) -> Float[Array, " M *channels"]:
        """For each sample, the sum from its ray's first sample through itself."""
        return _scan(v, self.ray, reverse=False)

    def sums_behind(self, v: Float[Array, " M *channels"]) -> Float[Array, " M *channels"]:
        """For each sample, the sum of those of its ray that lie behind it, from the far end."""
        from_end = _scan(v, self.ray, reverse=True)
        next_one = jnp.concatenate([from_end[1:], jnp.zeros_like(v[:1])])
        inner = jnp.concatenate([self.ray[1:] == self.ray[:-1], jnp.zeros(1, bool)])
        return jnp.where(_beside(inner, v), next_one, 0)

    def totals(self, v: Float[Array, " M *channels"]) -> Float[Array, " R *channels"]:
        """For each ray, the sum of its samples; 0 without samples."""
        return self.last(self.sums_through(v), without=0.0)

    def previous(self, v: Float[Array, " M"], at_first: float) -> Float[Array, " M"]:
        """For each sample, what the one before it on its ray has; `at_first` for a ray's first."""
        moved = jnp.concatenate([jnp.zeros_like(v[:1]), v[:-1]])
        inner = jnp.concatenate([jnp.zeros(1, bool), self.ray[1:] == self.ray[:-1]])
        return jnp.where(inner, moved, at_first)

    def last(self, v: Float[Array, " M *channels"], without: float) -> Float[Array, " R *channels"]:
        """For each ray, what its last sample has; `without` for a ray that has no samples."""
        some = self.first[1:] > self.first[:-1]
        return jnp.where(_beside(some, v), v[jnp.maximum(self.first[1:] - 1, 0)], without)

    def spread(self, x: Float[Array, " R *channels"]) -> Float[Array, " M *channels"]:
        """For each sample, the number of its ray; 0 at padding."""
        return self.owned(x[jnp.minimum(self.ray, self.rays - 1)])


@partial(jax.jit, static_argnames="reverse")
def _scan(v, ray, reverse):
    """Sums of v through each sample, within its ray: by a tree over log M levels."""

    def joined(a, b):  # associative, since the samples of a ray stand together
        (ray_a, sum_a), (ray_b, sum_b) = a, b
        return ray_b, sum_b + jnp.where(ray_a == ray_b, sum_a, 0)

    rays = jnp.broadcast_to(_beside(ray, v), v.shape)
    return jax.lax.associative_scan(joined, (rays, v), reverse=reverse)[1]


def _beside(row, v):
    """One entry for each sample or ray, with axes for the channels of v."""
    return row.reshape(row.shape + (1,) * (v.ndim - 1))

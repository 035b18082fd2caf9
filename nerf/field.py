"""The radiance fields: position and direction -> density and colour.

`flax.nnx` holds the parameters and their first values. It is split once, in `Model.create`; from
there on parameters are a pytree of arrays and everything is a pure function of them.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

import calculus.by_jax
import calculus.radiance
from nerf.config import Config, FieldConfig

Params = Any
"""A pytree of arrays."""


BACKDROP_WIDTH = 32
"""Neurons in the hidden layer of what lies behind everything."""


class Affine(nnx.Module):
    """Weights and biases of one layer."""

    def __init__(self, inputs: int, outputs: int, key: jax.Array):
        bound = (6 / inputs) ** 0.5  # He et al. 2015: keeps the variance through a ReLU
        self.W = nnx.Param(jax.random.uniform(key, (inputs, outputs), minval=-bound, maxval=bound))
        self.b = nnx.Param(jnp.zeros(outputs))


class Field(nnx.Module):
    """An encoding of the position, a trunk that gives the density, a head that sees the view.

    NeRF's own field and that of a hash grid differ in the encoding and in sizes, all in the config.
    """

    def __init__(self, config: FieldConfig, key: jax.Array):
        self.config = config
        grid_key, trunk_key, head_key = jax.random.split(key, 3)
        self.tables: nnx.List = nnx.List()
        if config.encoding == "hash":
            for k, n in enumerate(vertices(config)):
                drawn = jax.random.uniform(
                    jax.random.fold_in(grid_key, k),
                    (rows(n, config), config.level_features),
                    minval=-1e-4,
                    maxval=1e-4,
                )
                self.tables.append(nnx.Param(drawn))
        self.trunk = _network(
            position_features(config),
            [config.trunk_width] * config.trunk_layers + [1 + config.features],
            config.trunk_skip,
            trunk_key,
        )
        last = self.trunk[-1]
        last.b = nnx.Param(last.b[...].at[0].set(config.density_bias))
        self.head = _network(
            config.features + direction_features(config),
            [config.head_width] * config.head_layers + [3],
            0,
            head_key,
        )

        self.backdrop: nnx.List = nnx.List()
        if config.backdrop:
            key = jax.random.fold_in(key, 3)
            sizes = [BACKDROP_WIDTH, 3]
            self.backdrop = _network(direction_features(config), sizes, 0, key)

    def density(
        self, x: Float[Array, "*batch 3"], stages: ModuleType
    ) -> tuple[Float[Array, "*batch"], Float[Array, "*batch F"]]:
        """Density (1 / scene unit) at positions x, and what the head needs of them."""
        if self.config.encoding == "hash":
            tables = tuple(table[...] for table in self.tables)
            encoded = stages.hash_encode(tables, x, vertices(self.config))
        else:
            encoded = stages.encode(x, self.config.position_frequencies)
            if self.config.include_input:
                encoded = jnp.concatenate([encoded, x], axis=-1)
        out = stages.mlp(_layers(self.trunk), encoded, self.config.trunk_skip)
        activation = {
            "exp": stages.bounded_exp,
            "softplus": stages.softplus,
            "relu": stages.relu,
        }[self.config.density]
        return activation(out[..., 0]), out[..., 1:]

    def view(
        self, direction: Float[Array, "*batch 3"], stages: ModuleType
    ) -> Float[Array, "*batch V"]:
        """What the head is given of a view direction."""
        if self.config.view == "harmonics":
            return stages.spherical_harmonics(direction, self.config.harmonics)
        seen = [direction] if self.config.include_input else []
        if self.config.direction_frequencies:
            seen.append(stages.encode(direction, self.config.direction_frequencies))
        return jnp.concatenate(seen, axis=-1)

    def behind(
        self,
        view: Float[Array, "rays V"],
        background: Float[Array, "rays 3"],
        stages: ModuleType,
    ) -> Float[Array, "rays 3"]:
        """The colour behind everything: as learnt, or the background that is given."""
        if not self.config.backdrop:
            return background
        return stages.sigmoid(stages.mlp(_layers(self.backdrop), view, 0))

    def __call__(
        self, x: Float[Array, "*batch 3"], view: Float[Array, "*batch V"], stages: ModuleType
    ) -> tuple[Float[Array, "*batch"], Float[Array, "*batch 3"]]:
        """Density (1 / scene unit) and colour (RGB in [0, 1]) at x, as `view` has them seen."""
        sigma, features = self.density(x, stages)
        raw = stages.mlp(_layers(self.head), jnp.concatenate([features, view], axis=-1), 0)
        return sigma, stages.sigmoid(raw)


@dataclass(frozen=True)
class Model:
    """The fields of a run without their parameters, and who differentiates them."""

    config: Config
    graph: nnx.GraphDef
    """The same for the coarse and the fine field."""
    stages: ModuleType

    @staticmethod
    def create(config: Config) -> tuple["Model", Params]:
        """The model that the config describes, and its parameters as the seed draws them."""
        stages = calculus.by_jax if config.derivatives == "auto" else calculus.radiance
        pictures = config.data.pictures if config.training.exposure else None
        hierarchical = config.sampling.strategy == "hierarchical"
        first_values, graph = _first_values(config.field, hierarchical, pictures)
        return Model(config, graph, stages), first_values(jax.random.key(config.seed))

    @property
    def compiled(self) -> "Model":
        """The model of all runs that share their compiled programs."""
        return replace(self, config=self.config.compiled)

    def field(self, params: Params, name: str = "fine") -> Field:
        """One of the fields, with its parameters in place."""
        return nnx.merge(self.graph, params[name])


@lru_cache(maxsize=16)
def _first_values(
    config: FieldConfig, hierarchical: bool, pictures: int | None
) -> tuple[Any, nnx.GraphDef]:
    """Compiled: key -> the parameters before the first step; and what they are parameters of.

    `pictures` is the number of those that have gains of their own.
    """
    names = ("coarse", "fine") if hierarchical else ("fine",)

    def first_values(key: jax.Array) -> Params:
        params: dict[str, Any] = {}
        for k, name in enumerate(names):
            field = Field(config, jax.random.fold_in(key, k))
            params[name] = nnx.to_pure_dict(nnx.state(field))
        if pictures is not None:
            params["exposure"] = jnp.zeros((pictures, 3))
        return params

    graph = nnx.graphdef(nnx.eval_shape(lambda: Field(config, jax.random.key(0))))
    # one program: a dozen small ones, each compiled by itself, take seconds
    return jax.jit(first_values), graph


def vertices(config: FieldConfig) -> tuple[int, ...]:
    """Vertices along an axis of each grid: from the coarsest to the finest by even factors."""
    last = max(config.levels - 1, 1)
    growth = config.finest / config.coarsest
    return tuple(round(config.coarsest * growth ** (k / last)) for k in range(config.levels))


def rows(n: int, config: FieldConfig) -> int:
    """Rows of the table of a grid with n vertices along an axis: one each, or hashed."""
    return n**3 if n**3 <= 2**config.log2_rows else 2**config.log2_rows + n


def position_features(config: FieldConfig) -> int:
    """How many numbers the trunk is given."""
    if config.encoding == "hash":
        return config.levels * config.level_features
    return 6 * config.position_frequencies + (3 if config.include_input else 0)


def direction_features(config: FieldConfig) -> int:
    """How many numbers the head is given of the view direction."""
    if config.view == "harmonics":
        return config.harmonics**2
    return 6 * config.direction_frequencies + (3 if config.include_input else 0)


def _network(inputs: int, sizes: list[int], skip: int, key: jax.Array) -> nnx.List:
    layers: nnx.List = nnx.List()
    given = inputs
    for number, size in enumerate(sizes, start=1):
        if number == skip:
            given += inputs
        layers.append(Affine(given, size, jax.random.fold_in(key, number)))
        given = size
    return layers


def _layers(network: nnx.List) -> tuple:
    return tuple((layer.W[...], layer.b[...]) for layer in network)

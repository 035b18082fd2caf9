"""The state of a training: what a step changes, and what it is before the first one."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from nerf import occupancy
from nerf.config import Config
from nerf.field import Model, Params
from nerf.occupancy import Occupancy


class TrainState(NamedTuple):
    """All that a step changes, and what it draws by."""

    step: Array
    seed: Array
    """An argument of the programs, so that one that is compiled serves every seed."""
    params: Params
    moments: optax.OptState
    grid: Occupancy | None
    average: Params | None = None
    """The parameters, averaged over the steps; None where the config asks for no average."""

    @property
    def shown(self) -> Params:
        """The parameters that pictures are made with: the averaged ones, if there are any."""
        return self.params if self.average is None else self.average


def optimiser(config: Config) -> optax.GradientTransformation:
    """Adam; its learning rate is set at each step. Networks' weights decay, tables do not."""
    training = config.training

    def networks(params: Params) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: not {"tables", "exposure"} & set(name_of(path).split()), params
        )

    def chain(learning_rate):
        return optax.chain(
            optax.add_decayed_weights(training.weight_decay, mask=networks),
            optax.adam(learning_rate, training.beta1, training.beta2, training.eps),
        )

    return optax.inject_hyperparams(chain)(learning_rate=training.learning_rate)


def start(config: Config) -> tuple[Model, TrainState]:
    """The model, and the state before the first step."""
    model, params = Model.create(config)
    grid = occupancy.full(config.occupancy) if config.sampling.strategy == "occupied" else None
    moments = _first_moments(params)
    # every state carries the rate of its own step
    rate = jnp.asarray(config.training.learning_rate, moments.hyperparams["learning_rate"].dtype)
    moments = moments._replace(hyperparams={"learning_rate": rate})
    average = jax.tree.map(jnp.copy, params) if config.training.average else None
    seed = jnp.uint32(config.seed)
    return model, TrainState(jnp.int32(0), seed, params, moments, grid, average)


_first_moments = jax.jit(optimiser(Config()).init)
"""Compiled: parameters -> what Adam keeps before the first step, but for its learning rate."""


def name_of(path: tuple) -> str:
    """A parameter array in words, `fine trunk 0 W` say."""
    return " ".join(str(getattr(key, "key", key)) for key in path)

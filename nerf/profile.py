"""Where the time of a training step goes, stage by stage, and what each must cost at least."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nerf.field import Field, vertices
from nerf.loss import loss_of_rays
from nerf.rays import backgrounds, packed, rays_of
from nerf.state import TrainState
from nerf.step import Step

TRAINED_FIRST = 300


def bandwidth(seconds_of: Callable) -> float:
    """Bytes a second that a large array is read and written with."""
    array = jnp.ones(2**25)
    add = jax.jit(lambda v: v + 1)
    return 2 * array.nbytes / seconds_of(lambda: add(array))


def profile(
    step: Step, state: TrainState, peak: float, seconds_of: Callable[..., float]
) -> dict[str, float]:
    """Milliseconds of each stage of a step, alone, on what the step gives it; and its floor.

    `peak` is in operations a second. A floor is the larger of operations / peak and bytes /
    bandwidth, each array read or written once; of the tables, each row that is looked up.
    """
    config, model = step.config, step.model
    for done in range(1, TRAINED_FIRST + 1):
        state, _ = step.run(state, np.float32(config.training.learning_rate))
        if done % config.occupancy.update_every == 0:
            state = step.look_around(state, everywhere=done <= config.occupancy.warm_up)
    stages, params, photographs = model.stages, state.params, step.photographs
    key, grid = jax.random.key(0), state.grid
    assert grid is not None
    rate = bandwidth(seconds_of)
    found: dict[str, float] = {"bandwidth_GB_s": rate / 1e9}

    def field(params) -> Field:
        return model.field(params)

    def note(name: str, f: Callable, *given: Any, flops: int = 0, numbers: int = 0) -> Any:
        run = jax.jit(f)
        found[f"profile_{name}_ms"] = 1e3 * seconds_of(lambda: run(*given))
        found[f"profile_{name}_floor_ms"] = 1e3 * max(flops / peak, 4 * numbers / rate)
        return run(*given)

    def pullback(f: Callable) -> Callable:
        return lambda given, bar: jax.vjp(f, given)[1](bar)

    M, rays = config.training.samples, config.training.rays
    batch = step.batch(state)
    drawn = note(
        "draw",
        lambda: rays_of(batch, photographs, config, backgrounds(config, key, rays)),
        numbers=20 * rays,
    )
    density = step._density(params)
    chosen, asked = note(
        "march",
        lambda: packed(drawn, grid, density, config, jax.random.uniform(key, (rays,))),
        numbers=20 * rays,
    )
    ray = jnp.minimum(asked.stream.ray, rays - 1)
    x = stages.points(chosen.origin[ray], chosen.direction[ray], asked.t[:, None])[:, 0]
    view = field(params).view(chosen.view, stages)[ray]
    tables = tuple(table[...] for table in field(params).tables)
    levels, width = len(tables), tables[0].shape[1]
    looked_up = 8 * levels * width * M

    def encode(tables):
        return stages.hash_encode(tables, x, vertices(config.field))

    features = note("encode", encode, tables, numbers=looked_up + (3 + levels * width) * M)
    size = sum(table.size for table in tables)
    numbers = looked_up + levels * width * M + size
    note("encode_back", pullback(encode), tables, features, numbers=numbers)
    given = features

    def network_of(at):
        return stages.mlp(*at, 0)

    for name in ("trunk", "head"):
        network = getattr(field(params), name)
        layers = tuple((layer.W[...], layer.b[...]) for layer in network)
        once = 2 * M * sum(W.size for W, _ in layers)
        moved = (given.shape[1] + layers[-1][1].size) * M
        out = note(name, network_of, (layers, given), flops=once, numbers=moved)
        note(
            f"{name}_back",
            pullback(network_of),
            (layers, given),
            out,
            flops=2 * once,
            numbers=2 * moved,
        )
        if name == "trunk":
            sigma = stages.bounded_exp(out[:, 0])
            given = jnp.concatenate([out[:, 1:], view], axis=-1)
    colours = stages.sigmoid(out)

    def shown(at):
        return stages.volume_render_packed(
            at[0], asked.length, at[1], asked.t, chosen.background, asked.stream
        )

    pixels = note("composite", shown, (sigma, colours), numbers=6 * M)
    note("composite_back", pullback(shown), (sigma, colours), pixels, numbers=10 * M)
    slope = jax.grad(lambda params: loss_of_rays(params, model, chosen, asked)[0])
    gradient = note("forward_and_back", slope, params)

    def optimise(params, moments):
        updates, moments = step._adam.update(gradient, moments, params)
        return optax.apply_updates(params, updates), moments

    leaves = sum(leaf.size for leaf in jax.tree.leaves(params))
    note("optimiser", optimise, params, state.moments, numbers=7 * leaves)
    return found

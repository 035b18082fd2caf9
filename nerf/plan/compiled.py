"""What the compiler says that the programs of a run take: the truth that the plan is held against.

Programs are compiled for arrays that nobody makes: shapes are enough.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nerf.cameras import Cameras
from nerf.config import Config
from nerf.field import Model
from nerf.rays import Photographs
from nerf.render import Renderer
from nerf.state import TrainState, start
from nerf.step import Step

QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
"""For the compiler: what comes after memory is dealt out is left out; it takes most of the time."""


class Taken(NamedTuple):
    """Bytes of one program."""

    arguments: int
    """What it is given: state, pictures."""
    output: int
    """What it gives back; of a step in the place of the state that it was given."""
    temporary: int
    """What it keeps while it runs."""


def programs(
    config: Config, pictures: int = 1, height: int = 1, width: int = 1
) -> Iterator[tuple[str, Any]]:
    """The programs of a run by name, lowered: call `.compile()`. Nothing is allocated."""
    # a model's parts are no arrays: caught on their way out of a function that is only traced
    caught: list[Model] = []

    def made() -> TrainState:
        model, state = start(config)
        caught.append(model)
        return state

    state = jax.eval_shape(made)
    model = caught[0]
    photographs = Photographs(
        of(pictures, height, width, 4, dtype=jnp.uint8),
        Cameras(of(pictures, 4), of(pictures, 3, 4)),
    )
    step, renderer = Step(model, photographs), Renderer(model)
    yield "step", step.program.lower(state, photographs, np.float32(0))
    camera = Cameras(of(1, 4), of(1, 3, 4))
    if state.grid is None:
        yield "rendering", renderer._whole.lower(state.params, of(renderer.rays, 2), camera)
        return
    yield "occupancy, all cells", step.look_around.lower(state, everywhere=True)
    yield "occupancy, half of them", step.look_around.lower(state, everywhere=False)
    looking = of(renderer.rays_that_look, 2)
    yield "looking", renderer._find.lower(state.params, state.grid, looking, camera)
    rays = renderer.rays
    asked = state.params, state.grid, of(rays, 2), camera
    *found, _ = jax.eval_shape(renderer._find, *asked)
    so_far = of(rays, 5), of(rays, dtype=jnp.int32)
    yield (
        "rendering",
        renderer._advance.lower(state.params, of(rays, 2), *found, *so_far, camera),
    )


def taken(program: Any) -> Taken:
    """What a lowered program takes, once it is compiled."""
    told = program.compile(QUICKLY).memory_analysis()
    return Taken(told.argument_size_in_bytes, told.output_size_in_bytes, told.temp_size_in_bytes)


def of(*shape: int, dtype: Any = jnp.float32) -> Any:
    """A shape, in the place of an array that is never made."""
    return jax.ShapeDtypeStruct(shape, dtype)

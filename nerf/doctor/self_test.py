"""The self-test: gradients by hand against JAX's on this device, and how long a step takes."""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from data.load import load
from data.scene import Split
from nerf.check.run import Parameter, check_gradients
from nerf.config import Config
from nerf.doctor.finding import Finding
from nerf.rays import Photographs
from nerf.state import start
from nerf.step import Step

RAYS = 8
"""Whose gradient is compared."""
SECONDS, LEAST = 1.5, 3
"""Steps are timed so long, and so many at least."""
TRAINED = 60.0
"""Seconds that the demo trains."""
PICTURES, STEPS_A_PICTURE = 82, 3.5
"""Pictures that it renders, of the orbit and held out; what one takes, in steps."""
REFERENCE = 0.0593
"""Seconds of a step on the machine of docs/benchmarks.md, whose picture the README shows."""


def small() -> Config:
    """A field of the defaults' kind, few numbers in each part: one table of three is hashed."""
    config = Config()
    field = replace(
        config.field,
        levels=3,
        coarsest=4,
        finest=16,
        log2_rows=9,
        trunk_width=16,
        head_width=16,
    )
    return replace(
        config,
        field=field,
        sampling=replace(config.sampling, steps=64),
        occupancy=replace(config.occupancy, cells=16),
    )


def of_gradients(parameters: Sequence[Parameter]) -> Finding:
    """All arrays of parameters of one batch."""
    wrong = [each for each in parameters if not each.ok]
    if wrong:
        worst = max(wrong, key=lambda each: np.nan_to_num(each.error_32, nan=np.inf))
        said = (
            f"WRONG in {len(wrong)} of {len(parameters)} arrays of parameters; {worst.name}: off "
            f"by {worst.error_64:.1e} of JAX's in float64, {worst.error_32:.1e} in float32"
        )
        return Finding("gradients", said, "nerf check names the rule; report it", broken=True)
    wide, narrow = (
        max(v) for v in zip(*((p.error_64, p.error_32) for p in parameters), strict=True)
    )
    return Finding(
        "gradients",
        f"by hand as by JAX: {len(parameters)} arrays of parameters differ by {wide:.0e} of their "
        f"length in float64, {narrow:.0e} in float32, at most",
    )


def of_steps(seconds: float, rays: float, samples: int) -> Finding:
    """A step of the defaults: its seconds, and what is in it."""
    return Finding("step", f"{1000 * seconds:.0f} ms for {samples:,} samples of {rays:,.0f} rays")


def of_demo(seconds: float) -> Finding:
    """What `nerf demo` will take, from the seconds of a step."""
    whole = TRAINED + PICTURES * STEPS_A_PICTURE * seconds
    steps = TRAINED / seconds
    said = (
        f"about {whole:.0f} s: {TRAINED:.0f} s of training, {steps:,.0f} steps, and {PICTURES} "
        f"pictures of {STEPS_A_PICTURE:g} steps' time"
    )
    longer = TRAINED * seconds / REFERENCE
    if longer > 3 * TRAINED:
        said += "; its picture will be coarse"
        return Finding("demo", said, f"nerf demo --max-seconds {longer:.0f}")
    return Finding("demo", said)


def timed(split: Split) -> tuple[float, float, int]:
    """Median seconds of a step of the defaults once compiled; its rays and samples."""
    config = replace(Config(), data=replace(Config().data, pictures=len(split)))
    model, state = start(config)
    step = Step(model, Photographs.of(split))
    rate = np.float32(config.training.learning_rate)
    state, told = jax.block_until_ready(step.run(state, rate))
    taken: list[float] = []
    while len(taken) < LEAST or sum(taken) < SECONDS:
        began = time.perf_counter()
        state, told = jax.block_until_ready(step.run(state, rate))
        taken.append(time.perf_counter() - began)
    return statistics.median(taken), float(told.rays), int(told.samples)


def found(scene: Path) -> Iterator[Finding]:
    """A line each, on a bundled scene: gradients, step, demo."""
    split = load(scene, 4, None, ("train",)).splits["train"]
    config = small()
    began = time.perf_counter()
    yield of_gradients(check_gradients(config, start(config)[1], split, RAYS))
    seconds, rays, samples = timed(split)
    yield of_steps(seconds, rays, samples)
    yield of_demo(seconds)
    yield Finding("self-test", f"took {time.perf_counter() - began:.1f} s, compilation included")

"""Fixtures. Settings of JAX that hold for a whole process are changed here and nowhere else."""

import os
from pathlib import Path

import jax
import pytest


@pytest.fixture
def strict_float64():
    """Float64, and no silent promotion of dtypes or ranks."""
    with (
        jax.enable_x64(True),
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
    ):
        yield


@pytest.fixture
def float64():
    """Float64, with JAX's usual promotion: for code that is not `calculus`."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scenes named by NERF_DATA; a test that asks for it skips without."""
    folder = os.environ.get("NERF_DATA")
    if not folder:
        pytest.skip("NERF_DATA is not set: no real scenes to test on")
    path = Path(folder)
    assert path.is_dir(), f"NERF_DATA names {path}, which is no folder"
    return path

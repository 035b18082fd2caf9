"""What a run asks of the machine: freed memory is kept, and so are compiled programs."""

import platform
from pathlib import Path

import jax
import pytest

from nerf import machine

SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


@pytest.fixture
def jax_as_it_was():
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_the_c_library_is_told_to_keep_memory():
    assert machine.keep_memory()


def test_where_nothing_can_be_told_nothing_breaks(monkeypatch):
    def no_library(name):
        raise OSError

    monkeypatch.setattr(machine.ctypes, "CDLL", no_library)
    assert machine.keep_memory() is False


@pytest.mark.usefixtures("jax_as_it_was")
@pytest.mark.parametrize(("cache", "folder"), [("/there", "/there"), (None, "/home/me/.cache")])
def test_programs_are_kept_in_the_users_cache(monkeypatch, cache, folder):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    if cache is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", cache)
    machine.prepare()
    assert jax.config.jax_compilation_cache_dir == f"{folder}/nabla-nerf"


@pytest.mark.usefixtures("jax_as_it_was")
def test_a_folder_that_the_user_names_is_left_alone(monkeypatch):
    jax.config.update("jax_compilation_cache_dir", "/mine")  # as JAX itself reads the variable
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/mine")
    machine.prepare()
    assert jax.config.jax_compilation_cache_dir == "/mine"

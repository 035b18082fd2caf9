"""The doctor: each warning comes when its cause is there, and names what mends it."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from nerf.check.run import Parameter
from nerf.doctor import device, limits, programs, self_test, versions
from nerf.doctor.finding import Finding, code
from tests.nerf.commands import mistake, nerf
from tests.nerf.conftest import ROOT, small_grid

GIB = 2**30
HERE = Path("runs")
WARNINGS = {
    "an old JAX": (versions.one("jax", "0.9.2"), "older than 0.10.0", 'pip install "jax>=0.10.0'),
    "a new JAX": (versions.one("jax", "0.11.0"), "newer than 0.10.2", "if anything fails"),
    "a new Python": (versions.one("python", "3.14.1"), "newer than 3.11", "make setup PYTHON="),
    "an unused GPU": (
        device.of_device("CPU, 2 cores", "cpu", "RTX 4090", "550.54", ""),
        "RTX 4090 is there and not used",
        'pip install "jax[cuda12]"',
    ),
    "a GPU that is told off": (
        device.of_device("CPU, 2 cores", "cpu", "RTX 4090", "550.54", "cpu"),
        "for JAX_PLATFORMS=cpu",
        "unset JAX_PLATFORMS",
    ),
    "a GPU without a driver": (
        device.of_device("CPU, 2 cores", "cpu", "an NVIDIA GPU", "", ""),
        "it has no driver",
        "install NVIDIA's",
    ),
    "no driver": (device.of_driver("cpu", "an NVIDIA GPU", ""), "none for", "install NVIDIA's"),
    "an old driver": (device.of_driver("gpu", "A100", "470.82.01"), "too old", "525 or newer"),
    "float64": (device.of_settings(True, False)[0], "twice as long", "unset JAX_ENABLE_X64"),
    "NaN hunted": (device.of_settings(False, True)[1], "JAX_DEBUG_NANS", "unset JAX_DEBUG_NANS"),
    "no cache": (device.of_cache(None), "not kept", "unset JAX_COMPILATION_CACHE_DIR"),
    "little memory": (limits.of_memory(8 * GIB, GIB, None), "1.0 GiB free: little", "lower"),
    "a container's memory": (limits.of_memory(8 * GIB, GIB, 2 * GIB), "2.0 GiB in", "--memory 8g"),
    "a container's cores": (limits.of_cores(8, 8, 1.5), "1.5 in this container", "--cpus 8"),
    "some cores": (limits.of_cores(8, 2, None), "2 of the machine's 8", "taskset"),
    "one core": (limits.of_cores(1, 1, None), "1: training waits", "machine with more"),
    "little disk": (limits.of_disk(GIB // 2, HERE), "512 MiB free", "remove old runs"),
    "a slow disk": (programs.of_speed(HERE, 2.0**20), "1 MiB/s", "--run FOLDER"),
    "no folder": (programs.of_speed(HERE, None, "Read-only"), "Read-only", "--run FOLDER"),
    "no browser": (programs.of_browser(False), "none here", "ssh -L 8080"),
    "no chromium": (programs.of_chromium(None), "tests", "apt-get install chromium"),
    "no ffmpeg": (programs.of_codec("H.264", ".mp4", "no ffmpeg"), "no ffmpeg", "imageio-ffmpeg"),
    "no WebP": (programs.of_codec("WebP", ".webp", "unknown"), "unknown", "pillow"),
    "a slow machine": (self_test.of_demo(2.0), "coarse", "nerf demo --max-seconds"),
}
WELL = [
    versions.one("jax", "0.10.1"),
    versions.one("python", "3.11.7"),
    device.of_device("NVIDIA H100", "gpu", "H100", "550.54", ""),
    device.of_device("CPU, 2 cores", "cpu", "", "", "cpu"),
    device.of_driver("cpu", "", ""),
    device.of_driver("gpu", "H100", "550.54"),
    *device.of_settings(False, False),
    limits.of_memory(16 * GIB, 9 * GIB, None),
    limits.of_memory(16 * GIB, 9 * GIB, 32 * GIB),
    limits.of_cores(2, 2, None),
    limits.of_cores(2, 2, 2.0),
    limits.of_disk(50 * GIB, HERE),
    programs.of_speed(HERE, 200.0 * 2**20),
    programs.of_browser(True),
    programs.of_chromium("/usr/bin/chromium"),
    programs.of_codec("H.264", ".mp4", ""),
    self_test.of_demo(self_test.REFERENCE),
]


@pytest.mark.parametrize("name", WARNINGS)
def test_a_warning_says_what_is_wrong_and_its_cure(name):
    found, wrong, cure = WARNINGS[name]
    assert found.line.startswith("warning  ") and "\n" not in found.line
    assert wrong in found.said and cure in found.cure
    assert code([found]) == 0


@pytest.mark.parametrize("found", WELL, ids=lambda found: found.said)
def test_what_is_well_is_ok(found):
    assert found.line.startswith("ok  ") and not found.cure


def test_wrong_gradients_are_no_warning():
    right, wrong = Parameter("fine trunk 0 W", 1e-15, 1e-6), Parameter("tables 0", 1e-15, np.nan)
    assert self_test.of_gradients([right]).line.startswith("ok")
    found = self_test.of_gradients([right, wrong])
    assert found.line.startswith("BROKEN") and "1 of 2" in found.said and "tables 0" in found.said
    assert code([Finding("device", "CPU"), found]) == 1
    assert code([versions.one("flax", None)]) == 1


def test_versions_are_those_of_the_constraints():
    newest, oldest = (
        dict(
            line.split("==")
            for line in (ROOT / name).read_text().lower().splitlines()
            if "==" in line
        )
        for name in ("constraints.txt", "constraints-oldest.txt")
    )
    for package, (low, high) in versions.TESTED.items():
        if package != "python":
            assert (oldest[package], newest[package]) == (low, high)


def written(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_gpu_is_found_by_its_device_or_its_vendor(tmp_path):
    assert device.gpu(tmp_path) == ("", "")
    card = tmp_path / "sys/class/drm/card0/device/vendor"
    written(card, "0x8086\n")
    assert device.gpu(tmp_path) == ("", "")
    written(card, "0x10de\n")
    assert device.gpu(tmp_path) == ("an NVIDIA GPU", "")
    written(tmp_path / "dev/nvidia0", "")
    told = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12\n"
    written(tmp_path / "proc/driver/nvidia/version", told)
    name, driver = device.gpu(tmp_path)
    assert "/dev/nvidia0" in name and driver == "535.183.01"


def test_a_containers_limits_are_the_narrowest_of_its_groups(tmp_path):
    root, own = tmp_path / "cgroup", tmp_path / "own"
    written(own, "0::/job/task\n")
    assert limits.limits(root, own) == limits.Limits()
    written(root / "job/memory.max", "4294967296\n")
    written(root / "job/cpu.max", "150000 100000\n")
    written(root / "job/task/memory.max", "max\n")
    written(root / "job/task/cpu.max", "max 100000\n")
    assert limits.limits(root, own) == limits.Limits(4 * GIB, 1.5)


def test_the_first_version_of_groups_is_read_too(tmp_path):
    root, own = tmp_path / "cgroup", tmp_path / "own"
    written(own, "4:memory:/box\n1:cpu,cpuacct:/box\n0::/\n")
    written(root / "memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert limits.limits(root, own) == limits.Limits()
    written(root / "memory/box/memory.limit_in_bytes", "2147483648\n")
    written(root / "cpu/box/cpu.cfs_quota_us", "50000\n")
    written(root / "cpu/box/cpu.cfs_period_us", "100000\n")
    assert limits.limits(root, own) == limits.Limits(2 * GIB, 0.5)


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    assert device.of_cache(str(tmp_path / "new")).line.startswith("ok")
    written(tmp_path / "file", "")
    found = device.of_cache(str(tmp_path / "file" / "in it"))
    assert "can't be kept" in found.said and "export JAX_COMPILATION_CACHE_DIR" in found.cure


def test_a_codec_that_fails_says_why(monkeypatch):
    assert programs.encoded(".webp") == ""

    def fails(*arguments):
        raise OSError("no encoder")

    monkeypatch.setattr(programs, "save", fails)
    assert programs.encoded(".mp4") == "no encoder"
    monkeypatch.setattr(programs, "save", lambda frames, film, fps: film.write_bytes(b"no film"))
    assert programs.encoded(".webp") != ""


def test_the_command_looks_the_machine_over(tmp_path, capsys):
    folder = tmp_path / "not" / "yet"
    small = self_test.small()
    small = replace(small, field=replace(small.field, levels=1))
    few = {"SECONDS": 0.0, "LEAST": 1, "Config": small_grid, "small": lambda: small}
    with patch.multiple(self_test, **few), patch("shutil.which", lambda name: None):
        assert nerf("doctor", "--run", folder) == 0
    said = capsys.readouterr().out
    for what in (
        "Python", "jax", "jaxlib", "flax", "optax", "device", "driver", "precision", "programs",
        "memory", "cores", "disk", "run folder", "browser", "H.264", "WebP", "gradients", "step",
        "demo",
    ):  # fmt: skip
        assert any(line[9:].startswith(f"{what} ") for line in said.splitlines()), what
    assert "by hand as by JAX" in said and "warning  chromium" in said
    assert not folder.exists(), "a look changes nothing"


def test_a_mistake_in_a_flag_is_one(capsys):
    assert "unknown option" in mistake(capsys, "doctor", "--folder", "runs")

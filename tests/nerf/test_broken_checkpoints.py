"""Checkpoints that are broken, and files that would run something.

docs/runs.md states each outcome.
"""

import random
import shutil
from pathlib import Path

import pytest

from data.errors import InputError
from nerf import digest, receipt
from nerf.checkpoint import named
from nerf.config import read
from nerf.opened import open_run
from tests.nerf.commands import nerf, one_line
from tests.nerf.conftest import ROOT


def spoilt(run: Path, step: int, how: str, rng: random.Random) -> None:
    """Does something to the arrays of a checkpoint, where most of its bytes are."""
    files = [p for p in (run / "checkpoints" / str(step) / "state").rglob("*") if p.is_file()]
    data = max(files, key=lambda p: p.stat().st_size * ("d" in p.parts))
    content = bytearray(data.read_bytes())
    if how == "flipped":
        at = rng.randrange(len(content) // 4, 3 * len(content) // 4)
        content[at] ^= 1 << rng.randrange(8)
    elif how == "truncated":
        content = content[: len(content) // 2]
    elif how == "gone":
        data.unlink()
        return
    data.write_bytes(bytes(content))


@pytest.mark.parametrize("how", ["flipped", "truncated", "gone"])
def test_a_broken_checkpoint_gives_way_to_the_one_before(saved_twice, tmp_path, how, capsys):
    copy = shutil.copytree(saved_twice, tmp_path / "copy")
    spoilt(copy, 40, how, random.Random(0))
    opened = open_run(copy)
    said = capsys.readouterr().out
    assert "warning  checkpoint 40: broken: " in said and "the one of step 20 is used" in said
    assert int(opened.state.step) == 20


def test_a_run_goes_on_from_the_checkpoint_before_and_comes_to_the_same(
    saved_twice, tmp_path, capsys
):
    copy = shutil.copytree(saved_twice, tmp_path / "copy")
    spoilt(copy, 40, "truncated", random.Random(0))
    assert nerf("train", "--resume", copy) == 0
    assert "the one of step 20 is used" in capsys.readouterr().out
    assert receipt.read(copy)["state"] == receipt.read(saved_twice)["state"]


def test_two_broken_checkpoints_are_one_line(saved_twice, tmp_path, capsys):
    copy = shutil.copytree(saved_twice, tmp_path / "copy")
    for step in (20, 40):
        spoilt(copy, step, "truncated", random.Random(step))
    assert nerf("eval", copy) == 2
    said = one_line(capsys.readouterr().err)
    assert "checkpoint 40: broken" in said and "checkpoint 20: broken" in said


def test_every_flipped_byte_is_found(saved_twice, tmp_path):
    """Wherever it is in the arrays' files: read as it was, or not at all."""
    whole = receipt.read(saved_twice)["state"]
    rng, found = random.Random(1), 0
    for trial in range(12):
        copy = shutil.copytree(saved_twice, tmp_path / str(trial))
        shutil.rmtree(copy / "checkpoints" / "20")
        files = [p for p in (copy / "checkpoints" / "40" / "state").rglob("*") if p.is_file()]
        file = rng.choices(files, [p.stat().st_size for p in files])[0]
        content = bytearray(file.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        file.write_bytes(bytes(content))
        try:
            state = open_run(copy).state
        except InputError as error:
            found += "broken" in str(error)
            continue
        found += 1
        assert digest.of_arrays(named(state))[0] == whole
    assert found == 12


def test_a_checkpoint_that_leads_elsewhere_is_not_followed(saved_twice, tmp_path, capsys):
    copy = shutil.copytree(saved_twice, tmp_path / "copy")
    aside = tmp_path / "aside"
    (copy / "checkpoints" / "40").rename(aside)
    (copy / "checkpoints" / "40").symlink_to(aside)
    assert int(open_run(copy).state.step) == 20
    assert "has links, which could lead out of the run's folder" in capsys.readouterr().out


def test_what_a_run_is_read_from_runs_nothing(saved_twice, tmp_path, monkeypatch):
    """No pickle: neither config nor checkpoint may name a function to call."""
    import pickle

    def never(*arguments, **named):
        raise AssertionError("pickle was asked")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, never)
    assert int(open_run(saved_twice).state.step) == 40
    evil = shutil.copytree(saved_twice, tmp_path / "evil")
    text = (evil / "config.toml").read_text()
    for bad in ("steps = \"__import__('os')\"", "steps = {py = 1}", 'scene = ["a"]'):
        name = bad.split(" =")[0]
        lines = [line for line in text.splitlines() if not line.startswith(f"{name} ")]
        (evil / "config.toml").write_text("\n".join([bad, *lines]))
        with pytest.raises(InputError, match=r"must be|is a section"):
            read(evil / "config.toml")


def test_no_source_reads_what_could_run():
    """pickle, np.load with allow_pickle, eval, yaml.load: none in what a user imports."""
    bad = ("import pickle", "allow_pickle=True", "yaml.load", "marshal", "shelve")
    for room in ("data", "nerf", "calculus"):
        for file in (ROOT / room).rglob("*.py"):
            text = file.read_text()
            assert not any(word in text for word in bad), file

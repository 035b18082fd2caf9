"""Checkpoints that are broken, and files that would run something.

docs/runs.md states each outcome.
"""

import asyncio
import errno
import os
import random
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import orbax.checkpoint as ocp
import pytest

from data.errors import InputError
from nerf import checkpoint_folder, digest, memo, receipt
from nerf.checkpoint import Checkpoints, named
from nerf.checkpoint_folder import BrokenError
from nerf.config import read
from nerf.opened import open_run
from tests.nerf.commands import mistake, nerf, one_line
from tests.nerf.conftest import ROOT
from tests.nerf.test_faults import no_rights


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


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ('"slower": 1.0', '"slower": 0.5'),
        ('"seconds": ', '"seconds": 9'),
        ('"seeds": [0]', '"seeds": [1]'),
        ('"rollbacks": 0', '"rollbacks": 4'),
        ('"changes": []', '"changes": ["none"]'),
        ('"digest": "', '"digets": "'),
    ],
)
def test_what_lies_beside_the_arrays_is_verified(saved_twice, tmp_path, was, now, capsys):
    """What a byte of it would change, the learning rate say, no array shows."""
    copy = shutil.copytree(saved_twice, tmp_path / "copy")
    file = copy / "checkpoints" / "40" / "memo" / memo.FILE
    assert was in file.read_text()
    file.write_text(file.read_text().replace(was, now))
    assert nerf("train", "--resume", copy, "--evaluate", 0) == 0
    said = capsys.readouterr().out
    assert "warning  checkpoint 40: broken: what lies beside the arrays is not what was" in said
    assert receipt.read(copy)["state"] == receipt.read(saved_twice)["state"]


def test_no_flipped_bit_beside_the_arrays_is_read(saved_twice, tmp_path):
    whole = (saved_twice / "checkpoints" / "40" / "memo" / memo.FILE).read_bytes()
    expected, rng = memo.read(saved_twice / "checkpoints" / "40" / "memo", 40), random.Random(2)
    broken = 0
    for at in rng.sample(range(len(whole)), 400):
        content = bytearray(whole)
        content[at] ^= 1 << rng.randrange(8)
        (tmp_path / memo.FILE).write_bytes(content)
        try:
            assert memo.read(tmp_path, 40) == expected  # 1e-05 and 1E-05
        except BrokenError:
            broken += 1
    assert broken > 390


def test_no_flipped_byte_of_any_file_is_taken_for_what_is_whole(saved_twice, tmp_path):
    """Files that describe the arrays count too: as it was or broken, and nothing else."""
    whole = receipt.read(saved_twice)["state"]
    rng = random.Random(3)
    copy = shutil.copytree(saved_twice, tmp_path / "copy")
    shutil.rmtree(copy / "checkpoints" / "20")
    files = [p for p in (copy / "checkpoints" / "40").rglob("*") if p.is_file()]
    for file in files:
        content = bytearray(before := file.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        file.write_bytes(content)
        try:
            found = digest.of_arrays(named(open_run(copy).state))[0]
        except InputError as error:
            found = str(error)
        assert found == whole or "checkpoint 40: broken: " in found, (file, found)
        file.write_bytes(before)


def test_what_orbax_leaves_running_is_not_told(tmp_path):
    """Of a save that failed, reads and writes end late, each with a traceback: by the thousand."""
    told = []
    with patch.object(sys, "unraisablehook", told.append):
        Checkpoints(tmp_path)
        for number, (value, of) in enumerate(
            [
                (RuntimeError("Event loop is closed"), None),
                (AttributeError("_ssock"), asyncio.BaseEventLoop.__del__),
                (ValueError("of somebody else"), None),
            ]
        ):
            sys.unraisablehook(SimpleNamespace(exc_value=value, object=of, number=number))
    assert [each.number for each in told] == [2]


CANT = [
    (OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error"),
    (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "Too many open files"),
    (PermissionError(errno.EACCES, "Permission denied"), "Permission denied"),
    (MemoryError(), "out of memory"),
    (RuntimeError("can't start new thread"), "can't start new thread"),
    (ValueError("INTERNAL: Error reading x [OS error 5: EIO Input/output error]"), "Input/output"),
    (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while reading"), "RESOURCE_EXHAUSTED"),
]


@pytest.mark.parametrize(("error", "why"), CANT, ids=[why for _, why in CANT])
@pytest.mark.parametrize("does", ["item_metadata", "restore"])
def test_what_can_t_be_read_is_not_broken(saved_twice, tmp_path, error, why, does, capsys):
    """It may be whole: nothing is skipped or removed, and the system's reason is said."""
    copy = shutil.copytree(saved_twice, tmp_path / "copy")
    for told in (["train", "--resume", copy, "--steps", 50], ["eval", copy, "--views", 1]):
        with patch.object(ocp.CheckpointManager, does, side_effect=error):
            said = mistake(capsys, *told)
        assert f"checkpoints/40: can't be read: {why}" in said and "train again" not in said
        assert "nothing was changed" in said
    assert Checkpoints(copy).steps == [20, 40]
    assert int(open_run(copy).state.step) == 40


@pytest.mark.parametrize("which", ["", "memo", "memo/metadata", "state/d", "state/_METADATA"])
def test_a_checkpoint_without_permission_stays(saved_twice, tmp_path, which, capsys):
    copy = shutil.copytree(saved_twice, tmp_path / "copy")
    at = copy / "checkpoints" / "40" / which
    mode = at.stat().st_mode
    at.chmod(0)
    try:
        with no_rights():
            for told in (["train", "--resume", copy, "--steps", 50], ["eval", copy]):
                said = mistake(capsys, *told)
                assert "can't be read: Permission denied" in said and str(at) in said
    finally:
        at.chmod(mode)
    assert int(open_run(copy).state.step) == 40


@pytest.mark.parametrize(
    ("file", "command"),
    [("frame.json", "eval"), ("run.json", "reproduce"), ("config.toml", "eval")],
)
def test_a_run_s_file_without_permission_is_not_taken_for_gone(
    saved_twice, tmp_path, file, command, capsys
):
    copy = shutil.copytree(saved_twice, tmp_path / "copy")
    (copy / file).chmod(0)
    with no_rights():
        said = mistake(capsys, command, copy)
    assert f"{copy / file}: can't be read: Permission denied" in said and "train" not in said


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        ValueError("DATA_LOSS: checksum does not match"),
        ValueError("NOT_FOUND: Error opening: [OS error 2: ENOENT No such file or directory]"),
        KeyError("digests"),
    ],
)
def test_what_is_gone_or_has_another_form_is_broken(error):
    assert checkpoint_folder.of_system(error) == ""
    with pytest.raises(BrokenError), checkpoint_folder.reading(Path("40")):
        raise error


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

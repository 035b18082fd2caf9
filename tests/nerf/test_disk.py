"""Files that take another's place, disks that are full, and two processes at one evaluation."""

import fcntl
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputError
from nerf import lock, log
from nerf.config import replace_text
from nerf.film.write import assemble, save_png
from nerf.whole import whole
from tests.nerf.commands import MARBLES, TINY, mistake, nerf
from tests.nerf.test_faults import fill, small_disk

GREY = np.full((4, 4, 3), 99, np.uint8)
WRITERS = {
    "text": lambda file: replace_text(file, "new"),
    "frame": lambda file: save_png(GREY, file),
    "whole": lambda file: whole(file, lambda part: part.write_bytes(b"new")),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_file_is_on_disk_before_it_gets_its_name(tmp_path, monkeypatch, write):
    told, flush, rename = [], os.fsync, Path.replace

    def fsync(descriptor):
        told.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        flush(descriptor)

    def replace(self, target):
        told.append("named")
        assert told[-2] == self.resolve(), "it was flushed before"
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write(tmp_path / "file.png")
    assert told[1:] == ["named", tmp_path.resolve()]
    assert [file.name for file in tmp_path.iterdir()] == ["file.png"]


def left_by_a_full_disk(disk: Path, file: Path, *command) -> list[str]:
    """The names of what a command leaves on a disk that is full, whose one line is held to it."""
    capsys, *rest = command
    fill(disk, 0)
    said = mistake(capsys, *rest)
    named = re.escape(str(file))
    assert re.match(rf"nerf: {named}: .*o space left on device \([\d.]+ MB free of \d+ MB\)", said)
    return sorted(str(at.relative_to(disk)) for at in disk.rglob("*") if at.name != "ballast")


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("a.json", ["microscope", "RUN", "--pixel", "3,3", "--json", "OUT"]),
        ("a.npz", ["export", "RUN", "--grid", "OUT", "--resolution", 16]),
        ("a.png", ["inspect", MARBLES, "--downscale", 4, "--plot", "OUT"]),
    ],
)
def test_a_full_disk_names_the_file_and_what_is_free(saved_twice, tmp_path, name, rest, capsys):
    with small_disk(tmp_path / "disk", "1m") as disk:
        given = [{"RUN": saved_twice, "OUT": disk / name}.get(each, each) for each in rest]
        assert left_by_a_full_disk(disk, disk / name, capsys, *given) == []


def test_a_full_disk_leaves_no_half_of_a_run_or_an_evaluation(saved_twice, tmp_path, capsys):
    with small_disk(tmp_path / "disk", "2m") as disk:
        run, config = disk / "run", disk / "new" / "config.toml"
        shutil.copytree(saved_twice, run)
        before = left_by_a_full_disk(disk, config, capsys, "train", *TINY, "--run", disk / "new")
        assert [name for name in before if name.startswith("new/")] == ["new/lock"]
        (disk / "ballast").unlink()
        panel = run / "eval" / ".views.new" / "test_r_0.png"
        after = left_by_a_full_disk(disk, panel, capsys, "eval", run, "--views", 1)
        assert [name for name in after if "views" in name] == []


def test_a_film_of_which_the_disk_takes_a_part_is_none(tmp_path):
    """ffmpeg's muxer fails when all frames are encoded: what was there stays."""
    rng = np.random.default_rng(0)
    with small_disk(tmp_path / "disk", "2m") as disk:
        files = [disk / "frames" / f"{k:04d}.png" for k in range(4)]
        files[0].parent.mkdir()
        for file in files:
            save_png(rng.integers(0, 255, (256, 256, 3), dtype=np.uint8), file)
        out = disk / "film.mp4"
        out.write_bytes(b"an older film")
        fill(disk, 20_000)
        with pytest.raises(InputError, match=r"film.mp4: could not be written: .*MB free of 2 MB"):
            assemble(files, out, 4, overwrite=True)
        assert out.read_bytes() == b"an older film"
        assert sorted(files[0].parent.iterdir()) == files


def test_a_line_that_the_disk_takes_a_part_of_is_taken_back(tmp_path):
    """The next would be added to it, and neither could be read."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        file = disk / "metrics.jsonl"
        file.write_text("x" * 3999 + "\n")  # 96 bytes are left in its last block
        fill(disk, 0)
        with pytest.raises(OSError, match="o space left on device"):
            log._add(file, "y" * 200 + "\n")
        log._add(file, "z" * 50 + "\n")
        assert file.read_text() == "x" * 3999 + "\n" + "z" * 50 + "\n"


def test_two_evaluations_of_one_run_take_turns(saved_twice, tmp_path, capsys, monkeypatch):
    run, flock = shutil.copytree(saved_twice, tmp_path / "run"), fcntl.flock
    (run / "eval").mkdir()
    other = (run / "eval" / lock.FILE).open("a")
    flock(other, fcntl.LOCK_EX)

    def waits(file, how):
        if not how & fcntl.LOCK_NB:
            assert f"another process is evaluating {run}" in capsys.readouterr().out
            other.close()  # it is done
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", waits)
    assert nerf("eval", run, "--views", 1) == 0
    assert (
        other.closed and len(json.loads((run / "eval" / "metrics.json").read_text())["views"]) == 1
    )

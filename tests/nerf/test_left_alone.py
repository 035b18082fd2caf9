"""What is others' is never removed, replaced or followed: docs/runs.md states each outcome."""

import json
import shutil
from pathlib import Path
from unittest.mock import patch

import jax.numpy as jnp
import pytest
from PIL import Image

from data.errors import InputError
from nerf import checkpoint_folder, log, ours
from nerf.checkpoint import Checkpoints, Memo
from nerf.config import replace_text
from nerf.film import reel
from nerf.opened import open_run
from nerf.processes import life
from nerf.state import start
from tests.nerf.commands import TINY, mistake, nerf
from tests.nerf.conftest import tiny


def names(folder: Path) -> dict[str, bytes]:
    """All files below a folder, and what is in them."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def others(folder: Path) -> dict[str, bytes]:
    """Checkpoints as other programs leave them: by names of their own, and by numbers."""
    before = names(folder) if folder.exists() else {}
    for name in ("best", "7", "0040", "999999", "epoch_3", "40.orbax-checkpoint-tmp", "8.before"):
        (folder / name).mkdir(parents=True)
        (folder / name / "weights.pt").write_bytes(b"years of work")
    (folder / "1000" / "default").mkdir(parents=True)  # orbax's own, of another program
    (folder / "1000" / "default" / "d").write_bytes(b"x")
    told = {"item_handlers": {"default": "orbax...StandardCheckpointHandler"}, "metrics": {}}
    (folder / "1000" / "_CHECKPOINT_METADATA").write_text(json.dumps(told))
    (folder / "checkpoint").write_text("latest: 1000")
    return {name: content for name, content in names(folder).items() if name not in before}


@pytest.fixture
def run(saved_twice, tmp_path) -> Path:
    return shutil.copytree(saved_twice, tmp_path / "copy")


def test_a_run_goes_on_beside_what_is_others(run, capsys):
    theirs = others(run / "checkpoints")
    assert nerf("train", "--resume", run, "--steps", 60, "--evaluate", 0) == 0
    said = capsys.readouterr().out
    assert "checkpoints: left alone, as it is none of this run's: 0040, 1000, 40.orbax" in said
    assert "and 6 more" in said
    assert theirs.items() <= names(run / "checkpoints").items()
    assert checkpoint_folder.steps(run / "checkpoints") == [40, 60]
    assert int(open_run(run).state.step) == 60


def test_what_is_in_the_way_of_a_checkpoint_stays_and_is_named(run, capsys):
    (run / "checkpoints" / "60").mkdir()
    (run / "checkpoints" / "60" / "weights.pt").write_bytes(b"x")
    said = mistake(capsys, "train", "--resume", run, "--steps", 60)
    assert f"{run}/checkpoints/60 is none of this run's checkpoints: move it elsewhere" in said
    assert not (run / "checkpoints" / "40.before").exists()
    config = ["--steps", 61, "--training.checkpoint-seconds", 0.01, "--evaluate", 0]
    assert nerf("train", "--resume", run, *config) == 0
    assert "step 60: not saved: " in capsys.readouterr().out, "training goes on all the same"
    assert (run / "checkpoints" / "60" / "weights.pt").exists()
    shutil.rmtree(run / "checkpoints" / "60")
    assert nerf("train", "--resume", run, "--steps", 62, "--evaluate", 0) == 0


@pytest.mark.parametrize("what", ["train", "eval", "render"])
def test_checkpoints_that_are_a_link_are_refused(run, tmp_path, what, capsys):
    elsewhere = tmp_path / "elsewhere"
    (run / "checkpoints").rename(elsewhere)
    theirs = others(elsewhere)
    (run / "checkpoints").symlink_to(elsewhere)
    told = {"train": ["train", "--resume", run, "--steps", 44], "eval": ["eval", run]}
    told["render"] = ["render", run, "--out", tmp_path / "a.gif", "--frames", 2]
    said = mistake(capsys, *told[what])
    assert f"{run}/checkpoints: is a link, and what it leads to may be others'" in said
    assert theirs.items() <= names(elsewhere).items() and (elsewhere / "40" / "memo").is_dir()


@pytest.mark.parametrize("name", ["eval", "tensorboard", "metrics.jsonl", "truth"])
def test_no_link_leads_out_of_a_run(run, tmp_path, name, capsys):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "views").mkdir(parents=True)
    shutil.rmtree(run / name, ignore_errors=True)
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(elsewhere)
    for told in (["eval", run, "--views", 1], ["train", "--resume", run, "--steps", 44]):
        assert f"{run / name}: is a link" in mistake(capsys, *told)
    assert (elsewhere / "views").is_dir()


def test_a_new_run_takes_no_folder_that_holds_something(tmp_path, capsys):
    theirs = others(tmp_path / "mine" / "checkpoints")
    said = mistake(capsys, "train", *TINY, "--run", tmp_path / "mine", "--steps", 2)
    assert "is no run, and holds something already (checkpoints); name a new or empty" in said
    assert names(tmp_path / "mine" / "checkpoints") == theirs
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["checkpoints"]
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    said = mistake(capsys, "train", *TINY, "--run", tmp_path / "nowhere", "--steps", 2)
    assert "is a link to nowhere" in said and not (tmp_path / "gone").exists()


@pytest.mark.parametrize("inside", ["checkpoints/new", "eval/views/new", "deep/er/new"])
def test_a_run_within_a_run_is_refused(run, inside, capsys):
    said = mistake(capsys, "train", *TINY, "--run", run / inside, "--steps", 2)
    assert f"lies in another run, {run}; name a --run outside of it" in said
    assert not (run / inside).exists()


def test_a_run_that_was_killed_before_its_config_can_begin_again(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").touch()
    assert nerf("train", *TINY, "--run", tmp_path / "run", "--steps", 2, "--evaluate", 0) == 0


def test_the_newest_save_is_never_pruned(tmp_path):
    """Not even where others have greater numbers: a start anew, after 20 and 40."""
    config = tiny()
    _, state = start(config)
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (20, 40):
        later = state._replace(step=jnp.int32(step))
        assert checkpoints.save(later, Memo({})) == ""
    assert checkpoints.replace(state, Memo({})) == ""
    assert checkpoints.steps == [0]
    checkpoints.close()
    assert Checkpoints(tmp_path).steps == [0]
    assert not (tmp_path / checkpoint_folder.SAVING).exists()


def full(*_, **__):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("again", [True, False])
def test_a_checkpoint_is_replaced_whole_or_not_at_all(tmp_path, again, monkeypatch):
    """A second one of the same step: killed while it was written, or with a disk that is full."""
    _, state = start(tiny())
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.save(state, Memo({}, seconds=1.0)) == ""
    assert checkpoints.finish() == ""

    monkeypatch.setattr(checkpoints._manager, "save", full)
    if again:
        checkpoint_folder.make_room(checkpoints.folder, 0)
        (checkpoints.folder / "0.orbax-checkpoint-tmp").mkdir()
        Checkpoints(tmp_path).clear()
    else:
        assert checkpoints.save(state, Memo({}, seconds=2.0)) == "No space left on device"
    checkpoints = Checkpoints(tmp_path)
    assert sorted(p.name for p in checkpoints.folder.iterdir()) == ["0"]
    assert checkpoints.memo().seconds == 1.0


@pytest.mark.parametrize("again", [True, False])
def test_what_orbax_writes_after_a_save_has_failed_is_known(tmp_path, again, monkeypatch):
    """Its threads end later: of two saves, to a full disk, halves appear that nobody cleared."""
    _, state = start(tiny())
    checkpoints = Checkpoints(tmp_path)
    for step in (20, 30):
        with monkeypatch.context() as disk:
            disk.setattr(checkpoints._manager, "save", full)
            assert checkpoints.save(state._replace(step=jnp.int32(step)), Memo({})) != ""
    for step in (20, 30):
        (checkpoints.folder / f"{step}.orbax-checkpoint-tmp").mkdir()
    if again:
        checkpoints = Checkpoints(tmp_path)
        checkpoints.clear()
        assert list(checkpoints.folder.iterdir()) == []
    else:
        later = state._replace(step=jnp.int32(30))
        assert checkpoints.save(later, Memo({})) == checkpoints.finish() == ""
        assert [p.name for p in checkpoints.folder.iterdir()] == ["30"]
        assert not (tmp_path / checkpoint_folder.SAVING).exists()
    checkpoints.close()


def test_a_broken_checkpoint_goes_when_the_next_is_whole_and_not_before(run):
    (run / "checkpoints" / "40" / "memo" / "metadata").write_text("{")
    checkpoints = Checkpoints(run)
    _, state = start(tiny())
    state, memo = checkpoints.restore(state)
    checkpoints.set_aside(20)
    assert checkpoints.steps == [20] and (run / "checkpoints" / "40").is_dir()
    assert checkpoints.save(state._replace(step=jnp.int32(30)), memo) == checkpoints.finish() == ""
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["20", "30"]
    checkpoints.close()


def test_tensorboard_keeps_the_files_of_others(tmp_path):
    folder = tmp_path / log.BOARD
    (folder / "mine").mkdir(parents=True)
    (folder / "events.out.tfevents.1700000000.host").write_bytes(b"another program's")
    board = log.Board(folder)
    board.add(1, {"loss": 1.0})
    board.close()
    assert len(list(folder.iterdir())) == 3
    log.begin_again(tmp_path)
    left = sorted(p.name for p in folder.iterdir())
    assert left == ["events.out.tfevents.1700000000.host", "mine"]


def test_signs_of_life_alone_are_cleared_away(tmp_path):
    (tmp_path / "12-34").mkdir()
    (tmp_path / "12-34" / "0.json").write_text("{}")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "0.json").write_text("{}")
    life._clear(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis"]


@pytest.mark.parametrize("folder", ["views", ".views.new"])
def test_an_evaluation_keeps_what_it_did_not_write(run, folder, capsys):
    assert nerf("eval", run, "--views", 1) == 0
    (run / "eval" / folder).mkdir(exist_ok=True)
    mine = run / "eval" / folder / "notes.txt"
    mine.write_text("kept")
    said = mistake(capsys, "eval", run, "--views", 1)
    assert f"{mine.parent}: holds notes.txt, which nerf did not write; move it elsewhere" in said
    assert mine.read_text() == "kept"
    mine.unlink()
    assert nerf("eval", run, "--views", 1) == 0


def test_an_evaluation_of_an_older_version_is_replaced(run):
    """Its panels do not name the program, and lie beside their parts."""
    assert nerf("eval", run, "--views", 1) == 0
    (panel,) = (run / "eval" / "views").glob("*.png")
    Image.open(panel).save(panel)
    assert not ours.wrote(panel)
    assert nerf("eval", run, "--views", 1) == 0


def test_films_replace_no_pictures_of_others(saved_twice, tmp_path, capsys):
    out = tmp_path / "frames"
    out.mkdir()
    Image.new("RGB", (8, 8)).save(out / "0001.png")
    film = ["render", saved_twice, "--out", out, "--frames", 2, "--resolution", "8x8"]
    assert "holds more than a film's pictures" in mistake(capsys, *film, "--overwrite")
    assert (out / "0001.png").exists()


@pytest.mark.parametrize("what", ["link", "folder"])
def test_nothing_is_written_through_a_link(tmp_path, what):
    """The name under which a file is written before it has its own."""
    theirs, part = tmp_path / "theirs", tmp_path / ".run.json.new"
    theirs.write_text("years of work")
    part.symlink_to(theirs) if what == "link" else part.mkdir()
    with pytest.raises(InputError, match=r"\.run\.json\.new: is in the way of run\.json"):
        replace_text(tmp_path / "run.json", "{}")
    assert theirs.read_text() == "years of work" and not (tmp_path / "run.json").exists()


def test_a_spoilt_frame_does_not_bar_its_film(saved_twice, tmp_path):
    """Beside the receipt it is the film's own, whatever it has become."""
    film = ["render", saved_twice, "--out", tmp_path / "a.gif", "--frames", 3]
    film += ["--resolution", "8x8"]
    with patch.object(reel.Reel, "finish", side_effect=KeyboardInterrupt):
        assert nerf(*film) == 130
    (tmp_path / ".a.gif.frames" / "0001.png").write_bytes(b"\x89PNG")
    assert nerf(*film) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]


def test_frames_are_kept_in_no_folder_of_others(saved_twice, tmp_path, capsys):
    kept = tmp_path / ".a.gif.frames"
    kept.mkdir()
    (kept / "0001.png").write_bytes(b"no picture of ours")
    film = ["render", saved_twice, "--out", tmp_path / "a.gif", "--frames", 2]
    film += ["--resolution", "8x8"]
    assert f"{kept}: holds 0001.png, which nerf did not write" in mistake(capsys, *film)
    assert (kept / "0001.png").exists()
    kept.rename(tmp_path / "elsewhere")
    kept.symlink_to(tmp_path / "elsewhere")
    assert f"{kept}: is a link" in mistake(capsys, *film)
    assert (tmp_path / "elsewhere" / "0001.png").exists()


def test_our_pictures_are_known_and_no_others(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "mine.png", **ours.png())
    Image.new("RGB", (2, 2)).save(tmp_path / "theirs.png")
    (tmp_path / "empty.png").touch()
    (tmp_path / "link.png").symlink_to(tmp_path / "mine.png")
    found = {file.stem for file in tmp_path.iterdir() if ours.wrote(file)}
    assert found == {"mine", "empty"}
    with pytest.raises(InputError, match=r"holds link\.png, which nerf did not write"):
        ours.remove(tmp_path)

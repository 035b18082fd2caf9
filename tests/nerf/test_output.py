"""A reader that goes away: what commands and runs of training do then, and what is still said."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from nerf import output, receipt
from nerf.checkpoint import Checkpoints
from nerf.film.reel import Reel
from tests.nerf.commands import CPU, TINY, command, nerf


@contextmanager
def unread():
    """Standard output that nobody reads any more: a pipe whose other end is closed."""
    reader, writer = os.pipe()
    os.close(reader)
    with (
        os.fdopen(writer, "w", buffering=1) as pipe,
        patch.object(sys, "stdout", output.guarded(pipe)),
    ):
        yield


def test_training_is_saved_and_standard_error_says_how_to_go_on(tmp_path, capsys):
    run = tmp_path / "run"
    with unread():
        assert nerf("train", *TINY, "--run", run, "--steps", 40) == 141
    on = f"nerf train --resume {run}"
    assert capsys.readouterr().err == f"stopped at step 1, saved; go on with: {on}\n"
    assert Checkpoints(run).steps == [0, 1]
    told = receipt.read(run)
    assert (told["ended"], told["go_on"], told["step"]) == ("output closed", on, 1)


@pytest.mark.parametrize("arguments", [["scenes"], ["scenes", "--help"], ["plan", *TINY]])
def test_other_commands_end_quietly(arguments, capsys):
    with unread():
        assert nerf(*arguments) == 141
    assert capsys.readouterr().err == ""


def test_a_pipe_of_a_shell(tmp_path):
    """To the end of the process: what Python still holds is not complained of."""
    line = " ".join([*command("scenes"), "| true; exit ${PIPESTATUS[0]}"])
    done = subprocess.run(["bash", "-c", line], capture_output=True, env=CPU, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("train", [False, True])
def test_output_into_a_file_on_a_full_disk(train, tmp_path, capsys):
    """/dev/full is one. A run goes on without its lines; another command has failed."""
    with open("/dev/full", "w") as full:
        run = tmp_path / "run"
        rest = ["train", *TINY, "--run", run, "--steps", 2, "--evaluate", 0]
        with patch.object(sys, "stdout", output.guarded(full)):
            assert nerf(*(rest if train else ["scenes"])) == (0 if train else 2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "o space left on device" in said


def test_a_closed_terminal_ends_a_film_and_its_frames_are_kept(saved_twice, tmp_path, capsys):
    """The shell sends SIGHUP once more; what is being written is cleared away meanwhile."""
    out, add = tmp_path / "a.gif", Reel.add

    def hang_up(self, frame, picture):
        add(self, frame, picture)
        try:
            os.kill(os.getpid(), signal.SIGHUP)
        finally:
            os.kill(os.getpid(), signal.SIGHUP)

    film = ["render", saved_twice, "--out", out, "--frames", 2, "--resolution", "8x8"]
    with patch.object(Reel, "add", hang_up):
        assert nerf(*film) == 129
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    assert nerf(*film) == 0
    assert "kept 1 of 2 frames" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ["a.gif"]

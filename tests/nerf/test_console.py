"""What a run says: metrics.jsonl when it goes on, and bars where no terminal is."""

import pytest

from nerf import console, log
from nerf.log import metrics_log
from nerf.train import Progress


@pytest.mark.parametrize("rest", ["", '{"step": 60, "seconds": 3}\n', '{"step": 6', "[]\n", "\n"])
def test_steps_taken_again_and_a_line_cut_short(tmp_path, rest):
    kept = '{"step": 20, "seconds": 1}\n{"step": 40, "seconds": 2}\n'
    (tmp_path / "metrics.jsonl").write_text(kept + rest)
    told = Progress(60, 4.0, 0.5, 0.1, 20.0, 100, 0, 1000, 0.5, "", "", 1e-2)
    with metrics_log(tmp_path, 40, 2.0) as write:
        write(told)
    lines = (tmp_path / "metrics.jsonl").read_text()
    assert lines.startswith(kept + '{"step": 60, "seconds": 4.0, "loss": 0.1')
    assert lines.count("\n") == 3


@pytest.mark.parametrize(("pixels", "said"), [(200, "25 %"), (None, "50 done")])
def test_without_a_terminal_a_bar_says_lines(pixels, said, capsys, monkeypatch):
    monkeypatch.setattr(console, "PLAIN_SECONDS", 0.0)
    with console.bar("render", pixels) as tick:
        tick(50)
    assert said in capsys.readouterr().out


def test_a_disk_that_takes_no_more_lines_is_said_once_and_tried_again(
    tmp_path, capsys, monkeypatch
):
    full = [True]
    honest = log.Board.add

    def add(self, step, scalars):
        if full[0]:
            raise OSError(28, "No space left on device")
        honest(self, step, scalars)

    monkeypatch.setattr(log.Board, "add", add)
    with metrics_log(tmp_path, 0, 0.0) as write:
        for step in (20, 40, 60):
            full[0] = step < 60
            write(Progress(step, 0.1 * step, 0.5, 0.1, 20.0, 100, 0, 1000, 0.5, "", "", 1e-2))
    said = capsys.readouterr().out
    assert said.count("lacks lines") == said.count("from step 20 on: ") == 1, said
    assert "No space left" in said
    assert any((tmp_path / log.BOARD).iterdir()), "it was tried again"

"""Runs for the tests of pages, evaluated without having been trained; and pages, read."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from data.scene import Split
from nerf.config import Config, write
from nerf.evaluate import evaluate
from nerf.render import Picture, Renderer
from nerf.report import evaluation

SIZE = 24


class Renders(Renderer):
    """Renders the same noise everywhere."""

    def __init__(self, seed: int):
        self.colour = np.random.default_rng(seed).random((SIZE, SIZE, 3), dtype=np.float32)

    def picture(self, params, grid, view, tick=lambda pixels: None):
        one = np.ones((SIZE, SIZE), np.float32)
        tick(SIZE * SIZE)
        return Picture(self.colour, one, one)


def split_of(names: tuple[str, ...], seed: int = 7) -> Split:
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (len(names), SIZE, SIZE, 4), dtype=np.uint8)
    lens = np.tile(np.float32([[20, 20, SIZE / 2, SIZE / 2]]), (len(names), 1))
    return Split(names, pictures, lens, np.tile(np.eye(3, 4, dtype=np.float32), (len(names), 1, 1)))


def row(step: int, **changes) -> str:
    told = {
        "step": step, "seconds": step / 10, "loss": 1 / step, "psnr": 10 + step / 100,
        "learning_rate": 1e-2, "rays_per_second": 1000, "samples_per_second": 1,
        "rays_dropped": 0, "opacity": 0.5,
    }  # fmt: skip
    return json.dumps(told | changes)


def evaluated(
    run: Path,
    names: tuple[str, ...] = ("test/r_0", "test/r_1", "test/r_2"),
    lines: int = 6,
    seed: int = 0,
    photographs: int = 7,
    exposure: bool = False,
    **settings,
) -> Path:
    """A run with its evaluation and its page."""
    run.mkdir(parents=True)
    config = replace(Config(), scene=Path("/some/where/marbles"), run=run)
    write(replace(config, **settings), run / "config.toml")
    text = "".join(f"{row(20 * (k + 1))}\n" for k in range(lines))
    (run / "metrics.jsonl").write_text(text)
    split = split_of(names, photographs)
    params = {"fine": {"W": np.zeros((3, 4))}, "exposure": np.zeros(5)}
    evaluate(
        Renders(seed), params, None, split, "test", list(range(len(names))), 2.0 * lines,
        run / "eval", exposure=exposure, steps=20 * lines,
    )  # fmt: skip
    evaluation.write(run)
    return run


VOID = {"meta", "img", "input", "br", "hr", "link"}


class Page(HTMLParser):
    """A page, read: its elements in order, its text; AssertionError where tags do not match."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open and self._open.pop() == tag, f"</{tag}> within {self._open}"

    def handle_data(self, data):
        if not self._open or self._open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str, **attributes) -> list[dict]:
        found = [a for t, a in self.elements if t == tag]
        return [a for a in found if all(a.get(k) == v for k, v in attributes.items())]


def page_of(file: Path) -> Page:
    return Page(file.read_text(encoding="utf-8"))

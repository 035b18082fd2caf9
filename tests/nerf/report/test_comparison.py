"""Runs side by side, and never silently where they were not measured alike."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from nerf.config import Config
from nerf.report import compared as report
from nerf.report.comparison import compare, labels
from tests.nerf.commands import mistake, nerf
from tests.nerf.report.runs import evaluated, page_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    other = replace(Config().field, levels=4)
    return (
        evaluated(folder / "a" / "marbles", lines=6),
        evaluated(folder / "b" / "marbles", lines=4, seed=1, field=other, steps=99),
    )


def changed(run: Path, to: Path, **protocol) -> Path:
    """A copy of a run that was evaluated otherwise."""
    shutil.copytree(run, to)
    file = to / "eval" / "metrics.json"
    told = json.loads(file.read_text())
    told["protocol"] |= protocol
    file.write_text(json.dumps(told))
    return to


def test_the_table(runs, capsys):
    assert nerf("compare", *runs) == 0
    said = capsys.readouterr().out
    assert "warning" not in said and "a/marbles" in said and "b/marbles" in said
    rows = {}
    for line in said.splitlines():
        cells = [cell.strip() for cell in re.split("[│┃]", line.strip("│┃"))]
        if len(cells) == 3:
            rows[cells[0]] = cells[1:]
    told = [json.loads((run / "eval/metrics.json").read_text()) for run in runs]
    assert rows["PSNR, dB"] == [f"{t['psnr']:.2f}" for t in told]
    assert rows["SSIM"] == [f"{t['ssim']:.4f}" for t in told]
    assert rows["steps trained"] == ["120", "80"] and rows["seconds trained"] == ["12.0", "8.0"]
    assert rows["rays/s, mean"] == ["1,000", "1,000"] and rows["parameters"] == ["17", "17"]
    assert rows["field.levels"] == ["8", "4"] and rows["steps"] == ["20000", "99"]
    assert len(rows) == 9, "the heading, six figures, two settings"


@pytest.mark.parametrize("out", ["page.html", "folder"])
def test_the_page(runs, tmp_path, out, capsys):
    place = tmp_path / "deep" / out
    assert nerf("compare", *runs, "--out", place, "--views", 2) == 0
    moved = tmp_path / "moved"
    shutil.move(tmp_path / "deep", moved)
    file = moved / out if place.suffix else moved / out / "index.html"
    text, read = file.read_text(), page_of(file)
    assert not re.search(r"https?:|[\"'(]//", text)
    assert [a["data-title"] for a in read.all("article")] == ["test/r_0", "test/r_1"]
    pictures = [a for a in read.all("a") if "data-name" in a]
    assert [a["data-name"].split(",")[0] for a in pictures] == 2 * [
        "photograph", "a/marbles", "b/marbles",
    ]  # fmt: skip
    for picture in pictures:
        inside = picture["href"].startswith("data:image/webp;base64,")
        assert inside if place.suffix else (moved / out / picture["href"]).is_file()
    for kind, count in (("s0", 6), ("s1", 4)):
        paths = re.findall(rf'class="line faint {kind} d0" d="M([^"]*)"', text)
        assert [len(path.split()) for path in paths] == [2 * count] * 4
    told = [json.loads((run / "eval/metrics.json").read_text())["views"] for run in runs]
    values = [float(a["data-value"]) for a in read.all("td") if "data-value" in a]
    assert values[-6:] == [view["psnr"] for both in zip(*told, strict=True) for view in both]
    assert "Not comparable" not in read.text and "The best is in bold" in read.text


@pytest.mark.parametrize(
    ("protocol", "named"),
    [
        ({"size": [8, 8]}, "protocols, size: a/marbles: 24x24; c: 8x8"),
        ({"split": "train"}, "protocols, split"),
        ({"background": "black"}, "protocols, background"),
        ({"views": "3 of 9"}, "protocols, views"),
        ({"exposure": "fitted"}, "protocols, exposure"),
    ],
)
def test_other_protocols_are_marked(runs, tmp_path, capsys, protocol, named):
    other = changed(runs[1], tmp_path / "c", **protocol)
    assert nerf("compare", runs[0], other, "--out", tmp_path / "page.html") == 0
    said = capsys.readouterr().out
    named = named.replace("a/marbles", "marbles")
    assert f"warning  not comparable as it stands: different {named}" in said
    read = page_of(tmp_path / "page.html")
    assert "Not comparable as it stands: different protocols" in read.text
    assert "best is in bold" not in read.text and len(read.all("tr", **{"class": "differs"})) == 1
    assert not read.all("td", **{"class": "number best"})


def test_other_scenes_are_marked(runs, tmp_path):
    other = evaluated(tmp_path / "x", photographs=8, scene=Path("/elsewhere/<i>bricks</i>"))
    found = compare([runs[0], other])
    assert any("different scenes" in line for line in found.warnings)
    file = report.write(found, tmp_path / "page.html", 1)
    assert not page_of(file).all("i") and "/elsewhere/<i>bricks</i>" in page_of(file).text


def test_a_scene_that_moved_is_the_same_by_its_photographs(runs, tmp_path):
    assert not compare([runs[0], evaluated(tmp_path / "x", scene=Path("/moved/m2"))]).warnings
    other = evaluated(tmp_path / "y", photographs=8)
    assert "different photographs" in compare([runs[0], other]).warnings[0]


def test_views_that_not_all_share(runs, tmp_path):
    other = evaluated(tmp_path / "x", names=("test/r_1", "test/r_9", "test/r_7"))
    found = compare([runs[0], other])
    assert "different views" in found.warnings[0]
    assert [[view.name for view in views] for views in found.shared] == [["test/r_1"] * 2]
    alone = evaluated(tmp_path / "y", names=("p", "q", "r"))
    text = page_of(report.write(compare([runs[0], alone]), tmp_path / "p.html", 3)).text
    assert "No view is shared by all" in text


def test_an_evaluation_of_an_older_version(runs, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(runs[1], old)
    (old / "eval/receipt.json").unlink()
    shutil.rmtree(old / "eval/views")
    (old / "metrics.jsonl").write_text("")
    told = {"psnr": 20.0, "views": [{"name": "test/r_0", "psnr": 20.0}]}
    (old / "eval/metrics.json").write_text(json.dumps(told))
    found = compare([runs[0], old])
    assert any("size: marbles: 24x24; old: unknown" in line for line in found.warnings)
    assert any("no learning curve" in line for line in found.notes)
    assert any("pictures are missing" in line for line in found.notes)
    assert found.figures[-1].values[1] > 1000, "parameters are counted by the config"
    assert "—" in page_of(report.write(found, tmp_path / "page.html", 3)).text


def test_trained_on_since(runs, tmp_path):
    run = tmp_path / "on"
    shutil.copytree(runs[0], run)
    file = run / "metrics.jsonl"
    last = json.loads(file.read_text().splitlines()[-1])
    file.write_text(file.read_text() + json.dumps(last | {"step": 500, "seconds": 50}) + "\n")
    found = compare([runs[1], run])
    assert any("evaluated at step 120 and has trained to step 500" in line for line in found.notes)


def test_labels_tell_runs_apart():
    paths = [Path("/r/a/x"), Path("/r/b/x"), Path("/q/b/x")]
    assert labels(paths) == ["r/a/x", "r/b/x", "q/b/x"]
    assert labels(paths[:2]) == ["a/x", "b/x"]
    assert labels([Path("/r/y"), Path("/r/z")]) == ["y", "z"]


def test_mistakes_are_one_line(runs, tmp_path, capsys):
    assert "two runs or more" in mistake(capsys, "compare")
    assert "two runs or more" in mistake(capsys, "compare", runs[0])
    assert "is named twice" in mistake(capsys, "compare", runs[0], runs[0].parent / "." / "marbles")
    assert "no such folder" in mistake(capsys, "compare", runs[0], tmp_path / "nothing")
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(runs[0] / "config.toml", bare)
    assert f"nerf eval {bare}" in mistake(capsys, "compare", runs[0], bare)
    assert "--views 0" in mistake(capsys, "compare", *runs, "--views", 0)
    assert "ends in .html" in mistake(capsys, "compare", *runs, "--out", tmp_path / "page.pdf")


def test_nothing_is_overwritten_unasked(runs, tmp_path, capsys):
    for place in (tmp_path / "page.html", tmp_path / "folder"):
        assert nerf("compare", *runs, "--out", place) == 0
        assert "--overwrite" in mistake(capsys, "compare", *runs, "--out", place)
        if place.is_dir():
            (place / "pictures" / "mine.webp").write_text("mine")
            (place / "pictures" / "notes").mkdir()
        assert nerf("compare", *runs, "--out", place, "--overwrite", "--views", 1) == 0
    left = {file.name for file in (tmp_path / "folder" / "pictures").iterdir()}
    assert len(left) == 5 and {"mine.webp", "notes"} < left
    shown = (tmp_path / "folder" / "index.html").read_text()
    assert all(f"pictures/{name}" in shown for name in left - {"mine.webp", "notes"})
    assert len(list((tmp_path / "folder").iterdir())) == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    said = mistake(capsys, "compare", *runs, "--out", tmp_path / "mine", "--overwrite")
    assert "holds something else" in said
    said = mistake(capsys, "compare", *runs, "--out", runs[0] / "eval", "--overwrite")
    assert "holds something else" in said, "the page of an evaluation is no comparison"
    (tmp_path / "file").write_text("")
    assert "is a file" in mistake(capsys, "compare", *runs, "--out", tmp_path / "file")
    assert "file" in mistake(capsys, "compare", *runs, "--out", tmp_path / "file" / "page.html")


def test_names_of_runs_are_text(tmp_path, capsys):
    names = ("<script>alert(1)</script>", "[bold]x[/bold]", 'q"uote')
    found = [evaluated(tmp_path / name.replace("/", "|")) for name in names]
    assert nerf("compare", *found, "--out", tmp_path / "page.html") == 0
    said = capsys.readouterr().out
    assert all(run.name in said for run in found)
    read = page_of(tmp_path / "page.html")
    assert len(read.all("script")) == 1 and all(run.name in read.text for run in found)

"""The page of a run says what its files say, holds all that it needs, and trusts no name."""

import json
import re
import shutil
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from nerf.evaluate import evaluate
from nerf.report import evaluation, record
from nerf.report.comparison import compare
from tests.nerf.report.runs import SIZE, Renders, evaluated, page_of, row, split_of

BAD = ("<script>alert(1)</script>", 'a"b&c', "x#y?z%20", "a/b", "a_b", "[red]é")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return evaluated(tmp_path_factory.mktemp("runs") / "one", seed=3, steps=777)


def page(run):
    return page_of(run / "eval" / "index.html")


def test_figures_are_those_of_the_evaluation(run):
    told = json.loads((run / "eval" / "metrics.json").read_text())
    assert set(told) == {"psnr", "ssim", "protocol", "seconds", "views"}
    text = page(run).text
    assert f"PSNR, dB {told['psnr']:.2f} SSIM {told['ssim']:.4f} steps 120 trained, s 12.0" in text
    assert "parameters 17" in text and "rays/s, mean 1,000" in text
    for view in told["views"]:
        assert f"{view['name']} {view['psnr']:.2f} {view['ssim']:.4f}" in text
        assert f"{view['psnr']:.2f} dB PSNR, {view['ssim']:.4f} SSIM" in text
    values = [float(a["data-value"]) for a in page(run).all("td") if "data-value" in a]
    assert values == [view[key] for view in told["views"] for key in ("psnr", "ssim")]
    for name, value in told["protocol"].items():
        assert f"{name} {'x'.join(map(str, value)) if name == 'size' else value}" in text


def test_it_needs_nothing_but_what_lies_beside_it(run, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    text = (moved / "eval" / "index.html").read_text()
    assert not re.search(r"https?:|[\"'(]//", text), "an outer address"
    assert str(run.parent) not in text.replace(str(run), "")
    read, linked = page(moved), 0
    places = {a["id"] for _, a in read.elements if "id" in a}
    for tag, attributes in read.elements:
        for key in ("src", "href"):
            address = attributes.get(key)
            if tag == "a" and key == "href" and address and address.startswith("#"):
                assert address[1:] in places
            elif address and address != "data:,":
                assert (moved / "eval" / unquote(address)).is_file(), address
                linked += 1
    assert linked >= 3 * (4 * 2 + 1)
    assert all(a.get("alt") is not None for a in read.all("img"))
    assert all(a.get("aria-label") for a in read.all("svg", role="img"))
    assert all(a.get("scope") in ("col", "row") for a in read.all("th"))


def test_pictures_are_lossless(run):
    split = split_of(("test/r_0", "test/r_1", "test/r_2"))
    straight = split.pictures[1].astype(np.float64) / 255
    over_white = straight[..., :3] * straight[..., 3:] + 1 - straight[..., 3:]
    with Image.open(run / "eval/views/test_r_1.photograph.webp") as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.round(255 * over_white))
    a, b = (
        np.asarray(Image.open(run / f"eval/views/test_r_1.{part}.webp")) / 255
        for part in ("photograph", "rendering")
    )
    psnr = -10 * np.log10(np.mean((a - b) ** 2))
    told = json.loads((run / "eval" / "metrics.json").read_text())["views"][1]["psnr"]
    np.testing.assert_allclose(psnr, told, rtol=1e-9)


def test_errors_of_pixels_are_counted(run):
    counts = np.zeros(256, int)
    for k in range(3):
        a, b = (
            np.asarray(Image.open(run / f"eval/views/test_r_{k}.{part}.webp")).astype(int)
            for part in ("photograph", "rendering")
        )
        np.add.at(counts, np.round(np.abs(a - b).mean(-1)).astype(int).ravel(), 1)
    told = json.loads((run / "eval" / "receipt.json").read_text())
    assert told["errors"] == counts.tolist() and counts.sum() == 3 * SIZE**2
    assert told["versions"]["jax"] in page(run).text and told["device"] in page(run).text


def test_only_what_is_measured_is_counted(tmp_path):
    run = evaluated(tmp_path / "gains", exposure=True)
    told = json.loads((run / "eval" / "receipt.json").read_text())
    assert sum(told["errors"]) == 3 * SIZE**2 // 2
    assert "fitted to left halves" in page(run).text


def test_curves_have_a_point_for_each_line(run):
    text = (run / "eval" / "index.html").read_text()
    paths = re.findall(r'class="line faint s0 d0" d="M([^"]*)"', text)
    assert [len(path.split()) for path in paths] == [12] * 5, "two of PSNR, two of loss, rays/s"
    assert "6 lines of metrics.jsonl" in page(run).text


def test_settings_that_differ_come_first(run):
    text = page(run).text
    changed = text.split("setting this run default ")[1].split(" all settings")[0]
    assert "steps 777 20000" in changed and "field.levels" not in changed
    assert "field.levels 8" in text.split(" all settings")[1]


def test_names_of_pictures_are_text(tmp_path):
    run = evaluated(tmp_path / "<b>run", names=BAD)
    read = page(run)
    assert len(read.all("script")) == 1 and not read.all("b")
    assert [a["data-title"] for a in read.all("article")] == list(BAD)
    for name in BAD:
        assert name in read.text
    addresses = [a.get("href", "") for a in read.all("a")]
    names = {unquote(address) for address in addresses if address.startswith("views/")}
    assert len(names) == 5 * len(BAD), "no two views share a file"
    assert all((run / "eval" / name).is_file() for name in names)
    assert {p.stem for p in (run / "eval/views").glob("*.png")} >= {"a_b", "a_b-2"}


def test_an_evaluation_replaces_the_one_before(tmp_path):
    run = evaluated(tmp_path / "again")
    (run / "eval/.views.new").mkdir()  # as a killed evaluation leaves it
    (run / "eval/.views.new/half.png").write_bytes(b"")
    evaluate(Renders(0), {}, None, split_of(("new",)), "test", [0], 1.0, run / "eval")
    evaluation.write(run)
    assert {p.name for p in (run / "eval/views").iterdir()} == {
        "new.png", "new.photograph.webp", "new.rendering.webp", "new.error.webp", "new.depth.webp",
    }  # fmt: skip
    assert not (run / "eval/.views.new").exists()
    assert len(page(run).all("article")) == 1


@pytest.mark.parametrize("text", [None, "", '{"step": 20, "sec', "[1]\nnonsense\n\x00\n"])
def test_a_run_without_a_learning_curve(run, tmp_path, text):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    file = copy / "metrics.jsonl"
    file.unlink() if text is None else file.write_text(text)
    evaluation.write(copy)
    assert "there is no learning curve" in page(copy).text
    assert not [a for a in page(copy).all("svg") if "against" in a["aria-label"]]


def test_half_a_line_and_numbers_that_are_none(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    lines = [row(20), row(40, psnr=None), row(60, loss=float("nan")), row(80), row(100)[:30]]
    (copy / "metrics.jsonl").write_text("\n".join(lines))
    evaluation.write(copy)
    assert "1 lines of metrics.jsonl can't be read" in page(copy).text
    curve = record.read(copy).curve
    assert len(curve) == 4 and curve.unread == 1
    np.testing.assert_array_equal(np.isnan(curve.values["psnr"]), [False, True, False, False])


def test_an_evaluation_of_an_older_version(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "eval" / "receipt.json").unlink()
    for file in (copy / "eval/views").glob("*.webp"):
        file.unlink()
    told = {"psnr": 20.0, "views": [{"name": "test/r_0", "psnr": 20.0}, {"psnr": None}, 3]}
    (copy / "eval" / "metrics.json").write_text(json.dumps(told))
    evaluation.write(copy)
    text = page(copy).text
    assert "receipt.json is missing" in text and "Some pictures are missing" in text
    assert "PSNR, dB 20.00 SSIM —" in text


@pytest.mark.parametrize(
    "told", ["[]", "{", '{"errors": [1, "a"], "versions": 3, "steps": "x", "photographs": [1]}']
)
def test_a_receipt_that_is_none(run, tmp_path, told):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "eval" / "receipt.json").write_text(told)
    evaluation.write(copy)
    assert "steps 120" in page(copy).text and "parameters —" in page(copy).text
    found = compare([run, copy])
    assert not found.warnings and found.figures[2].values == (120.0, 120.0)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"views": 3}', "\xff"])
def test_metrics_that_are_none(run, tmp_path, text):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "eval" / "metrics.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"metrics\.json: can't be read; nerf eval"):
        evaluation.write(copy)

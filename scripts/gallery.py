"""Trains on the real captures and the bundled scenes, each alone, and says how good each became.

`python -m scripts.gallery OUT --data FOLDER [--seconds 600] [--bundled-seconds 120] [--only ..]`

FOLDER holds the captures `fern`, `fox`, `can` and `lego400`. Every run is `nerf train --scene X
--max-seconds S` as a user types it, fox with `--data.downscale 2` besides, bundled scenes with the
demo's threshold; then `nerf eval`. OUT gets the runs, `gallery.json`, `gallery.md` with the table,
and in `captures.jpg` and `bundled.jpg` a held-out photograph of each beside its rendering. Nothing
else should run on the machine.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

CAPTURES = {"fern": [], "fox": ["--data.downscale", "2"], "can": [], "lego400": []}
BUNDLED = ("bricks", "glaze", "smoke", "terrace", "marbles")
LIKE_THE_DEMO = ["--occupancy.threshold", "0.002"]
HEIGHT = 320
"""Of a scene's row in the pictures, pixels."""


def trained(scene: Path, run: Path, seconds: float, flags: list[str]) -> dict:
    """Trains and evaluates one scene through the command line; returns its metrics."""
    nerf = [sys.executable, "-m", "nerf.cli"]
    asked = ["train", "--scene", scene, "--max-seconds", seconds, "--run", run, *flags]
    subprocess.run([*nerf, *map(str, asked)], check=True)
    subprocess.run([*nerf, "eval", str(run)], check=True)
    metrics = json.loads((run / "eval/metrics.json").read_text(encoding="utf-8"))
    last = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    return metrics | {"steps": json.loads(last)["step"]}


def beside(run: Path, metrics: dict) -> Image.Image:
    """Photograph and rendering of the view whose PSNR is the median one."""
    rows = sorted(metrics["views"], key=lambda row: row["psnr"])
    name = rows[len(rows) // 2]["name"].replace("/", "_")
    with Image.open(run / "eval/views" / f"{name}.png") as panel:
        half = panel.convert("RGB").crop((0, 0, panel.width // 2, panel.height))
    return half.resize((round(half.width * HEIGHT / half.height), HEIGHT), Image.Resampling.LANCZOS)


def sheet(pictures: list[Image.Image], file: Path) -> None:
    """The pictures in two columns."""
    rows = [pictures[k : k + 2] for k in range(0, len(pictures), 2)]
    width = max(sum(picture.width for picture in row) + 8 * (len(row) - 1) for row in rows)
    page = np.full((len(rows) * (HEIGHT + 8) - 8, width, 3), 255, np.uint8)
    for number, row in enumerate(rows):
        x, y = 0, number * (HEIGHT + 8)
        for picture in row:
            page[y : y + HEIGHT, x : x + picture.width] = np.asarray(picture)
            x += picture.width + 8
    Image.fromarray(page).save(file, quality=88)


def line(name: str, metrics: dict, asked: float) -> str:
    """One row of the table."""
    width, height = metrics["protocol"]["size"]
    return (
        f"| {name} | {width}x{height} | {metrics['protocol']['views'].split()[-1]} | {asked:.0f} "
        f"| {metrics['steps']} | {metrics['psnr']:.2f} | {metrics['ssim']:.3f} |"
    )


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--bundled-seconds", type=float, default=120)
    every = [*CAPTURES, *BUNDLED]
    parser.add_argument("--only", nargs="+", default=every, choices=every, metavar="NAME")
    told = parser.parse_args()
    if told.data is None and set(told.only) & set(CAPTURES):
        parser.error("--data FOLDER: say where the captures are, or --only bundled ones")
    for name in told.only:
        if (told.out / name).exists():
            parser.error(f"{told.out / name}: is there already; remove it to train it again")
    told.out.mkdir(parents=True, exist_ok=True)
    scenes = Path(__file__).parents[1] / "data/scenes"
    file, rows = told.out / "gallery.json", {}
    if file.exists():
        rows = json.loads(file.read_text(encoding="utf-8"))
    for name in told.only:
        real = name in CAPTURES
        seconds = told.seconds if real else told.bundled_seconds
        scene = (told.data if real else scenes) / name
        metrics = trained(scene, told.out / name, seconds, CAPTURES.get(name, LIKE_THE_DEMO))
        rows[name] = metrics | {"asked": seconds}
        file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    head = "| scene | pixels | views | seconds | steps | PSNR, dB | SSIM |\n" + "| --- " * 7 + "|\n"
    ordered = [name for name in (*CAPTURES, *BUNDLED) if name in rows]
    table = head + "\n".join(line(name, rows[name], rows[name]["asked"]) for name in ordered)
    (told.out / "gallery.md").write_text(table + "\n", encoding="utf-8")
    print(table)
    for part, names in (("captures", CAPTURES), ("bundled", BUNDLED)):
        pictures = [beside(told.out / name, rows[name]) for name in names if name in rows]
        if pictures:
            sheet(pictures, told.out / f"{part}.jpg")


if __name__ == "__main__":
    main()

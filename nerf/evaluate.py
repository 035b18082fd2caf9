"""Held-out views: pictures, PSNR, SSIM, and one JSON that names the protocol."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import imageio.v2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter

from data.errors import InputError
from data.scene import Split
from nerf import ours, processes
from nerf.config import replace_text
from nerf.field import Params
from nerf.occupancy import Occupancy
from nerf.pictures import over, panel, parts, quantised, save
from nerf.reach import reached
from nerf.render import BACKGROUNDS, Renderer
from nerf.report import receipt
from nerf.report.record import PARTS, stems
from nerf.whole import naming, replacing

BACKGROUND = "white"
"""What the benchmarks of the field lay transparent pixels over."""
SHOWN = 3
"""Views in the overview picture."""
FRESH = ".views.new"
"""Folder of pictures until all of them are there."""


def evaluate(
    renderer: Renderer,
    params: Params,
    grid: Occupancy | None,
    split: Split,
    split_name: str,
    views: list[int],
    seconds: float,
    out: Path,
    tick: Callable[[int], Any] = lambda pixels: None,
    exposure: bool = False,
    steps: int | None = None,
) -> dict[str, Any]:
    """Renders views of a split; writes pictures, `receipt.json` and `metrics.json` into `out`.

    Processes take the views in turn, and the first gathers what they measure. Returns what
    metrics.json holds. `steps` are those of training, for the receipt. With `exposure`
    each view is shown under the gains that its left half asks for, and its right half alone is
    measured: half of the picture is not seen, then, by what is judged on it.
    """
    fresh = out / FRESH  # pictures of an evaluation before stay until these are whole

    def room() -> None:
        ours.check(out / "views", _is_own)
        ours.remove(fresh, _is_own)
        fresh.mkdir(parents=True)

    processes.by_first(room)
    files = stems([split.names[view] for view in views])
    errors, measurements, missed = np.zeros(receipt.LEVELS, np.int64), {}, 0.0
    for view, stem in processes.own(list(zip(views, files, strict=True))):
        photograph = _photograph(split, view)
        seen = reached(split.camera(view))
        pixels = renderer.picture(params, grid, split.camera(view), tick)
        measured_from = 0
        if exposure:
            measured_from = split.width // 2
            gain = best_gain(pixels.colour[:, :measured_from], photograph[:, :measured_from])
            pixels = pixels._replace(colour=pixels.colour * gain)
        if not seen.all():  # neither side shows anything there
            photograph = np.where(seen[..., None], photograph, 1)
            pixels = pixels._replace(colour=np.where(seen[..., None], pixels.colour, 1))
        row = measured(
            pixels.colour[:, measured_from:],
            photograph[:, measured_from:],
            seen[:, measured_from:],
        )
        missed += 1 - seen[:, measured_from:].mean()
        measurements[stem] = {"name": split.names[view], **row}
        pieces = parts(photograph, pixels)
        a, b = (pieces[name][:, measured_from:] for name in ("photograph", "rendering"))
        errors += receipt.errors(a[seen[:, measured_from:]], b[seen[:, measured_from:]])
        save(panel(pieces, f"{split.names[view]}, {row['psnr']:.2f} dB"), fresh / f"{stem}.png")
        for name, piece in pieces.items():
            _save_lossless(piece, fresh / f"{stem}.{name}.webp")
    told = processes.exchange(
        {"errors": errors.tolist(), "rows": measurements, "missed": float(missed)}
    )
    missed = sum(part["missed"] for part in told) / len(views)
    errors = np.sum([part["errors"] for part in told], axis=0)
    found = {stem: row for part in told for stem, row in part["rows"].items()}
    rows = [found[stem] for stem in files]
    metrics = {
        "psnr": float(np.mean([row["psnr"] for row in rows])),
        "ssim": float(np.mean([row["ssim"] for row in rows])),
        "protocol": {
            "background": BACKGROUND,
            "size": [split.width, split.height],
            "split": split_name,
            "views": f"{len(views)} of {len(split)}",
            "quantisation": "uint8, photograph and rendering",
            "exposure": "fitted to left halves, right halves measured"
            if exposure
            else "not fitted",
            **({"pixels": f"{1 - missed:.1%}, those that a ray reaches"} if missed else {}),
        },
        "seconds": seconds,
        "views": rows,
    }

    def finish() -> None:
        seen = hashlib.sha256()
        for view in views:
            seen.update(quantised(_photograph(split, view)).tobytes())
        some = files[:: max(1, len(views) // SHOWN)][:SHOWN]
        strips = [imageio.v2.imread(fresh / f"{stem}.png") for stem in some]
        with replacing(out / "overview.png", out / ".overview.png.new") as part:
            save(np.concatenate(strips), part)
        ours.remove(out / "views", _is_own)  # of an evaluation before, of other views perhaps
        fresh.replace(out / "views")
        receipt.write(
            out,
            steps=steps,
            parameters=receipt.parameters(params),
            errors=errors.tolist(),
            photographs=seen.hexdigest(),
        )
        text = json.dumps(metrics, indent=1, allow_nan=False) + "\n"
        replace_text(out / "metrics.json", text)

    processes.by_first(finish)
    return metrics


def discard(out: Path) -> None:
    """Removes the pictures of an evaluation that did not come to its end; nothing else."""
    with suppress(InputError):
        ours.remove(out / FRESH, _is_own)


def _is_own(file: Path) -> bool:
    """Whether an evaluation wrote a file: a panel, or a part of one by its name.

    Panels of older versions are known by their parts.
    """
    parts = tuple(f".{part}.webp" for part in PARTS)
    named = file.name.endswith(parts)
    named |= file.suffix == ".png" and file.with_suffix(parts[0]).is_file()
    return ours.wrote(file) or (named and file.is_file() and not file.is_symlink())


def _photograph(split: Split, view: int) -> Float[np.ndarray, "h w 3"]:
    return over(split.pictures[view], BACKGROUNDS[BACKGROUND])


def _save_lossless(picture: UInt8[np.ndarray, "h w 3"], file: Path) -> None:
    """As WebP: of all its ways the fastest, which still makes less of it than PNG."""
    with naming(file):
        Image.fromarray(picture).save(file, lossless=True, quality=0, method=0)


def best_gain(
    colour: Float[np.ndarray, "h w 3"], photograph: Float[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "3"]:
    """The gain g of each channel that makes the sum of (g C - Y)^2 least: sum C Y / sum C^2."""
    C, Y = (np.asarray(x, np.float64).reshape(-1, 3) for x in (colour, photograph))
    power = np.sum(C * C, axis=0)
    return np.where(power > 0, np.sum(C * Y, axis=0) / np.maximum(power, 1e-12), 1.0)


def measured(
    colour: Float[np.ndarray, "h w 3"],
    photograph: Float[np.ndarray, "h w 3"],
    seen: Bool[np.ndarray, "h w"] | None = None,
) -> dict[str, float]:
    """PSNR (dB) and SSIM of a rendering, both sides quantised to 8 bits first.

    Over the pixels `seen`, all by default; of the others both sides must be the same.
    """
    a, b = (quantised(np.asarray(x, np.float64)) / 255 for x in (colour, photograph))
    if seen is None:
        seen = np.ones(a.shape[:2], bool)
    error = np.mean((a[seen] - b[seen]) ** 2)
    # of equal pictures the error is below one step in one channel of one pixel: say that much
    least = 1 / (255**2 * a[seen].size)
    return {"psnr": float(-10 * np.log10(np.maximum(error, least))), "ssim": ssim(a, b, seen)}


def ssim(
    a: Float[np.ndarray, "h w 3"],
    b: Float[np.ndarray, "h w 3"],
    seen: Bool[np.ndarray, "h w"] | None = None,
) -> float:
    """Structural similarity of two pictures in [0, 1], mean over pixels and channels.

    Wang et al. 2004: Gaussian window of deviation 1.5 over 11 x 11 pixels, K = (0.01, 0.03), only
    where the window lies within the picture and its middle is a pixel `seen`.
    """
    radius = 5
    if min(a.shape[:2]) <= 2 * radius:
        raise InputError(
            f"pictures of {a.shape[1]}x{a.shape[0]}: SSIM needs at least 11x11; use less downscale"
        )

    def local_mean(x):
        smooth = gaussian_filter(x, 1.5, radius=radius, axes=(0, 1))
        return smooth[radius:-radius, radius:-radius]

    mean_a, mean_b = local_mean(a), local_mean(b)
    var_a = local_mean(a * a) - mean_a**2
    var_b = local_mean(b * b) - mean_b**2
    covariance = local_mean(a * b) - mean_a * mean_b
    C1, C2 = 0.01**2, 0.03**2
    top = (2 * mean_a * mean_b + C1) * (2 * covariance + C2)
    every = top / ((mean_a**2 + mean_b**2 + C1) * (var_a + var_b + C2))
    return float(np.mean(every if seen is None else every[seen[radius:-radius, radius:-radius]]))

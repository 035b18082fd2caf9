"""How many digits survive: ways to compute the pullback of compositing, by opacity.

`python scripts/accuracy.py [--rays N] [--json FILE] [--out PICTURE]` prints tables in Markdown.
Each way is given the same float32 rays; the truth is computed in float64 from the same numbers.
The letters are those of `calculus.radiance.compositing`, and (7) is its equation.
"""

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from calculus import by_jax
from calculus.radiance import compositing

SEED = 0
OPACITIES = (0.1, 0.5, 0.9, 0.99, 0.9999, 1 - 1e-6)
OPAQUE = 30.0
"""Optical depth of a wall of which float32 can't tell the opacity from 1."""
LEAK = 12.0
LENGTHS = (64, 256, 4096)
"""How many numbers are summed where only the order of the sum is looked at."""

Pullback = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


# the ways: (optical depths, cotangent of the weights, cotangent of T_N) -> tau_bar


def far_end(tau, w_bar, T_bar):
    """The project's: what lies behind is summed from the far end."""
    return jax.vjp(compositing.weights, tau)[1]((w_bar, T_bar))[0]


def automatic(tau, w_bar, T_bar):
    """The same forward, differentiated by JAX."""
    return jax.vjp(by_jax.weights, tau)[1]((w_bar, T_bar))[0]


def subtracted(tau, w_bar, T_bar):
    """What lies behind as the total minus what lies before."""
    _, (w, T) = compositing.weights_fwd(tau)
    worth = w * w_bar
    behind = jnp.sum(worth, axis=-1, keepdims=True) - jnp.cumsum(worth, axis=-1)
    return T[..., 1:] * w_bar - behind - T[..., -1:] * T_bar[..., None]


def divided(tau, w_bar, T_bar):
    """T as a product of 1 - alpha, and d/dalpha, which divides by 1 - alpha."""
    alpha = 1 - jnp.exp(-tau)
    T = jnp.cumprod(1 - alpha, axis=-1)
    T = jnp.concatenate([jnp.ones_like(tau[..., :1]), T], axis=-1)
    w = alpha * T[..., :-1]
    behind = _from_far_end(w * w_bar) + T[..., -1:] * T_bar[..., None]
    alpha_bar = T[..., :-1] * w_bar - behind / (1 - alpha)
    return alpha_bar * (1 - alpha)


def kept_short(tau, w_bar, T_bar):
    """The project's, with w and T kept in bfloat16 and everything computed in float32."""
    _, (w, T) = compositing.weights_fwd(tau)
    return compositing.weights_bwd((_short(w), _short(T)), (w_bar, T_bar))[0]


def kept_and_pulled_short(tau, w_bar, T_bar):
    """The same, and the cotangents come in bfloat16, too."""
    return kept_short(tau, _short(w_bar), _short(T_bar))


def short(tau, w_bar, T_bar):
    """The project's formulas with every single operation rounded to bfloat16."""
    tau, w_bar, T_bar = _short(tau), _short(w_bar), _short(T_bar)
    before = _short_sums(tau)
    T = _short(jnp.exp(-jnp.concatenate([jnp.zeros_like(tau[..., :1]), before], axis=-1)))
    w = _short(-T[..., :-1] * _short(jnp.expm1(-tau)))
    behind = _short_sums(_short(w * w_bar)[..., ::-1])[..., ::-1]
    behind = jnp.concatenate([behind[..., 1:], jnp.zeros_like(tau[..., :1])], axis=-1)
    hidden = _short(behind + _short(T[..., -1:] * T_bar[..., None]))
    return _short(_short(T[..., 1:] * w_bar) - hidden)


WAYS: dict[str, Pullback] = {
    "far end": far_end,
    "by JAX": automatic,
    "total - prefix": subtracted,
    "/ (1 - alpha)": divided,
    "w, T in bf16": kept_short,
    "and cotangents": kept_and_pulled_short,
    "all in bf16": short,
}

# the orders in which the sum behind can be added up


def one_by_one(v):
    """sum_{i>=k} v_i, each from the one behind it."""

    def add(total, v):
        return total + v, total + v

    _, sums = jax.lax.scan(add, jnp.zeros_like(v[..., 0]), jnp.moveaxis(v, -1, 0), reverse=True)
    return jnp.moveaxis(sums, 0, -1)


def as_compiled(v):
    """The project's: whatever the compiler makes of `cumsum`."""
    return jax.lax.cumsum(v, axis=v.ndim - 1, reverse=True)


def as_a_tree(v):
    """By pairs, pairs of pairs, and so on."""
    return jax.lax.associative_scan(jnp.add, v, axis=v.ndim - 1, reverse=True)


ORDERS = {
    "one by one": one_by_one,
    "`lax.cumsum`": as_compiled,
    "`associative_scan`": as_a_tree,
}


def _from_far_end(v):
    behind = jax.lax.cumsum(v, axis=v.ndim - 1, reverse=True)
    return jnp.concatenate([behind[..., 1:], jnp.zeros_like(v[..., :1])], axis=-1)


def _short(v):
    """Rounded to bfloat16 and held in float32, which no compiler can undo."""
    return jax.lax.reduce_precision(v, exponent_bits=8, mantissa_bits=7)


def _short_sums(v):
    """Running sums, one after the other, each rounded to bfloat16."""

    def add(total, v):
        total = _short(total + v)
        return total, total

    _, sums = jax.lax.scan(add, jnp.zeros_like(v[..., 0]), jnp.moveaxis(v, -1, 0))
    return jnp.moveaxis(sums, 0, -1)


# the rays


def haze(opacity: float, rays: int, samples: int) -> np.ndarray:
    """Optical depths of a haze over the whole ray, float32, that takes `opacity` in all."""
    uneven = np.random.default_rng(SEED).uniform(0.2, 1.8, (rays, samples))
    share = uneven / uneven.sum(axis=1, keepdims=True)
    return (share * -math.log1p(-opacity)).astype(np.float32)


def wall(tau: float, rays: int, samples: int, around: float = 0.1) -> np.ndarray:
    """A haze of optical depth `around` in all, with a wall of optical depth `tau` in the middle."""
    depths = haze(-math.expm1(-around), rays, samples)
    depths[:, samples // 2] = tau
    return depths


def scenes(rays: int, samples: int) -> dict[str, np.ndarray]:
    """Name -> optical depths [rays, samples], from thin to opaque."""
    every = {f"haze, {_opacity(a)}": haze(a, rays, samples) for a in OPACITIES}
    every |= {f"wall, {_opacity(a)}": wall(-math.log1p(-a), rays, samples) for a in OPACITIES}
    every[f"wall, tau = {OPAQUE:g}"] = wall(OPAQUE, rays, samples)
    every[f"leak, tau = {LEAK:g}"] = wall(LEAK, rays, samples, around=1e-6 * samples)
    return every


def _opacity(a):
    return f"{a:g}" if a < 0.99999 else "1 - 1e-6"


def cotangents(rays: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal numbers, float32: what a loss may ask of each weight, and of T_N."""
    draw = np.random.default_rng(SEED + 1)
    return (
        draw.normal(size=(rays, samples)).astype(np.float32),
        draw.normal(size=rays).astype(np.float32),
    )


# the measurement


def truth(tau, w_bar, T_bar) -> tuple[np.ndarray, np.ndarray]:
    """tau_bar (7) in float64 numpy, and the size of its terms before any of them cancel."""
    tau, w_bar, T_bar = (np.asarray(v, np.float64) for v in (tau, w_bar, T_bar))
    T = np.exp(-np.cumsum(np.pad(tau, ((0, 0), (1, 0))), axis=-1))  # (2), i = 0..N
    w = -T[:, :-1] * np.expm1(-tau)  # (3)

    def terms(w_bar, T_bar):
        behind = np.cumsum(np.pad((w * w_bar)[:, :0:-1], ((0, 0), (1, 0))), axis=-1)[:, ::-1]
        return T[:, 1:] * w_bar, behind + T[:, -1:] * T_bar[:, None]

    shown, hidden = terms(w_bar, T_bar)
    return shown - hidden, sum(terms(np.abs(w_bar), np.abs(T_bar)))


def measure(rays: int, samples: int, depths: dict[str, np.ndarray] | None = None) -> list[dict]:
    """One row for each scene and way: how wrong the entries tau_bar_k are.

    `before`, `at` and `behind` tell on which side of the middle, where the wall stands, k lies.
    `worst` is the largest error in units of the terms of its own entry,
    T_{k+1} |w_bar_k| + sum_{i>k} w_i |w_bar_i| + T_N |T_bar|, so that an entry that happens to
    cancel is held against nobody; `digits` is -log10 of it; `lost` the share of entries where it
    is above a tenth. `median` is that of the error over the entry itself. `of_largest` is the
    worst error over the largest entry of the ray: all that a norm shows. An entry that is not
    finite has an error without bound.
    """
    w_bar, T_bar = cotangents(rays, samples)
    middle = samples // 2
    sides = {
        "before": slice(None, middle),
        "at": slice(middle, middle + 1),
        "behind": slice(middle + 1, None),
    }
    rows = []
    for scene, tau in (depths or scenes(rays, samples)).items():
        right, terms = truth(tau, w_bar, T_bar)
        largest = np.max(np.abs(right), axis=-1, keepdims=True)
        for way, pullback in WAYS.items():
            got = np.asarray(jax.jit(pullback)(tau, w_bar, T_bar))
            assert got.dtype == np.float32, way
            finite = np.isfinite(got)
            error = np.where(finite, np.abs(np.where(finite, got, right) - right), np.inf)
            row: dict = {"scene": scene, "way": way, "samples": samples}
            for side, k in sides.items():
                worst = float(np.max((error / terms)[:, k]))
                row[f"worst_{side}"] = worst
                row[f"digits_{side}"] = max(0.0, -math.log10(worst))
                row[f"lost_{side}"] = float(np.mean((error / terms)[:, k] > 0.1))
                row[f"median_{side}"] = float(np.median((error / np.abs(right))[:, k]))
            row["of_largest"] = float(np.max(error / largest))
            row["not_finite"] = int(np.sum(~finite))
            rows.append(row)
    return rows


def measure_orders(rays: int, samples: int) -> list[dict]:
    """The sum behind alone, of positive float32 numbers, added up in three orders."""
    draw = np.random.default_rng(SEED + 2)
    worth = draw.uniform(0.0, 1.0, (rays, samples)).astype(np.float32)
    right = np.cumsum(worth.astype(np.float64)[:, ::-1], axis=-1)[:, ::-1]
    rows = []
    for order, sums in ORDERS.items():
        error = np.abs(np.asarray(jax.jit(sums)(worth)) - right) / right
        rows.append(
            {
                "order": order,
                "samples": samples,
                "worst": float(np.max(error)),
                "median": float(np.median(error)),
            }
        )
    return rows


# what is shown

TABLES = {
    "worst_behind": "worst error behind the middle, in units of the entry's own terms",
    "digits_behind": "correct digits there",
    "lost_behind": "share of the entries there without one correct digit",
    "median_behind": "median relative error there",
    "worst_at": "worst error at the middle entry, the wall itself",
    "worst_before": "worst error before the middle",
    "of_largest": "worst error of a ray over the largest entry of the ray",
}


def markdown(rows: list[dict], line: str, column: str, value: str) -> str:
    """A table of `value`, one line for each of `line` and one column for each of `column`."""
    columns = list(dict.fromkeys(row[column] for row in rows))
    text = [f"| | {' | '.join(str(c) for c in columns)} |", "| --- |" + " ---: |" * len(columns)]
    for name in dict.fromkeys(row[line] for row in rows):
        cells = {row[column]: _cell(row[value], value) for row in rows if row[line] == name}
        text.append(f"| {name} | {' | '.join(cells[c] for c in columns)} |")
    return "\n".join(text)


def _cell(value, measured):
    if measured.startswith("digits"):
        return f"{value:.1f}"
    if measured.startswith("lost"):
        return f"{value:.2f}"
    return f"{value:.1e}"


def _as_json(row):
    """JSON has no word for infinity: null."""
    return {name: None if value == math.inf else value for name, value in row.items()}


def draw(path: Path, rays: int, samples: int) -> None:
    """The worst error behind a wall, over what the wall lets through."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    through = np.logspace(-0.05, -13, 27)
    walls = {f"{T}": wall(-math.log(T), rays, samples) for T in through}
    rows = measure(rays, samples, walls)
    figure, axes = plt.subplots(figsize=(7, 4.4), layout="constrained")
    for way in ("total - prefix", "/ (1 - alpha)", "all in bf16", "w, T in bf16", "far end"):
        worst = [row["worst_behind"] for row in rows if row["way"] == way]
        axes.loglog(through, worst, label=way, lw=2.2 if way == "far end" else 1.4)
    axes.loglog(through, 2.0**-24 / through, "k:", lw=1, label="$2^{-24}/T$")
    axes.axhline(1, color="0.7", lw=0.8)
    axes.text(0.8, 1.4, "no correct digit above this line", color="0.4", fontsize=9)
    axes.invert_xaxis()
    axes.set(xlabel="light $T$ that the wall lets through", ylim=(1e-8, 1e9))
    axes.set_ylabel(r"worst error of $\bar\tau_k$ behind the wall")
    axes.legend(fontsize=9, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    """Measure, print tables, write JSON and the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rays", type=int, default=256, help="rays of each scene")
    parser.add_argument("--samples", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--out", type=Path, help="the picture, a PNG")
    told = parser.parse_args()
    about = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {jax.devices()[0].device_kind}",
        "versions": {"python": platform.python_version(), "jax": jax.__version__},
        "date": time.strftime("%Y-%m-%d"),
        "protocol": f"{told.rays} rays of each scene, seed {SEED}, truth in float64",
    }
    rows = [row for samples in told.samples for row in measure(told.rays, samples)]
    orders = [row for n in LENGTHS for row in measure_orders(told.rays, n)]
    print(f"{about['protocol']}; {about['machine']}, JAX {jax.__version__}, {about['date']}")
    for samples in told.samples:
        chosen = [row for row in rows if row["samples"] == samples]
        for name, title in TABLES.items():
            print(f"\nN = {samples}: {title}\n")
            print(markdown(chosen, "scene", "way", name))
        for row in chosen:
            if row["not_finite"]:
                print(f"\nnot finite: {row['not_finite']} entries, {row['scene']}, {row['way']}")
    print("\nthe sum behind alone, worst relative error, by N\n")
    print(markdown(orders, "order", "samples", "worst"))
    if told.json:
        measured = {"pullbacks": [_as_json(row) for row in rows], "sums": orders}
        told.json.write_text(json.dumps(about | measured, indent=1, allow_nan=False) + "\n")
    if told.out:
        draw(told.out, told.rays, told.samples[-1])


if __name__ == "__main__":
    main()

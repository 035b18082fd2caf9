"""nerf eval: held-out views, rendered and measured."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from nerf import devices, processes, receipt
from nerf.cli.join import join
from nerf.cli.parse import at_least_one, parse
from nerf.console import bar, console, in_turn
from nerf.evaluate import BACKGROUND, discard, evaluate
from nerf.opened import Opened, open_run
from nerf.plan.fit import rendering_explained
from nerf.processes import Joining, life
from nerf.render import Renderer
from nerf.report import evaluation as report


@dataclass(frozen=True)
class Arguments(Joining):
    """Render the held-out views of a run; write RUN/eval: metrics.json, pictures, a page."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    split: Literal["train", "val", "test"] = "test"
    """Which pictures to compare with."""
    views: int | None = None
    """How many of them, evenly chosen; all by default."""
    scene: Path | None = None
    """Folder of the scene, if it is no longer where it was."""
    exposure: bool = False
    """Show each view under the gains that its left half asks for, and measure its right half."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    told: Arguments = parse(Arguments, arguments, "eval")
    at_least_one(views=told.views)
    join(told)
    evaluate_run(told.run, told.split, told.views, told.scene, told.exposure)
    return 0


def evaluate_run(
    run: Path,
    split_name: str = "test",
    views: int | None = None,
    scene: Path | None = None,
    exposure: bool = False,
) -> dict:
    """Renders held-out views of a run and writes RUN/eval; `exposure` as `evaluate` has it."""
    opened = open_run(run, scene)
    life.begin(run, "start all again")
    return evaluate_opened(opened, split_name, views, exposure)


def evaluate_opened(
    opened: Opened, split_name: str = "test", views: int | None = None, exposure: bool = False
) -> dict:
    """The same of a run that is open."""
    run, state = opened.run, opened.state
    split = opened.scene(split_name).splits[split_name]
    count = len(split) if views is None else min(views, len(split))
    chosen = [k * len(split) // count for k in range(count)]
    pixels = len(processes.own(chosen)) * split.width * split.height
    with ExitStack() as stack:
        processes.by_first(lambda: stack.enter_context(in_turn(run / "eval", f"evaluating {run}")))
        if processes.is_first():
            stack.callback(discard, run / "eval")
        stack.enter_context(rendering_explained(opened.config))
        tick = stack.enter_context(bar("evaluate", pixels))
        metrics = evaluate(
            Renderer(opened.model, BACKGROUND, mesh=devices.mesh_here()),
            state.shown,
            state.grid,
            split,
            split_name,
            chosen,
            opened.seconds,
            run / "eval",
            tick,
            exposure,
            int(state.step),
        )
        if not processes.is_first():
            return metrics
        receipt.evaluated(run, int(state.step), metrics)
        page = report.write(run)
    console.print(
        f"held out {metrics['psnr']:.2f} dB PSNR, {metrics['ssim']:.4f} SSIM over {count} views "
        f"({split_name}, {split.width}x{split.height}, {BACKGROUND} background"
        f"{', right halves, exposure by the left ones' * exposure})\n"
        f"pictures {run / 'eval' / 'overview.png'}: photograph | rendering | error | depth\n"
        f"page     {page}: opens in a browser"
    )
    return metrics

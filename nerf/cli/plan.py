"""nerf plan: what a run would keep in memory."""

from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from data.errors import InputError
from data.pictures import headers_alone
from data.scene import Split
from nerf import space
from nerf.cli.parse import at_least_one, parse
from nerf.cli.train import as_config
from nerf.config import Config, check, read
from nerf.console import console, say_device
from nerf.opened import scene_of
from nerf.plan import fit, show
from nerf.plan.amount import size
from nerf.plan.process import plan


@dataclass(frozen=True)
class Arguments(Config):
    """Say what a run would keep in memory, stage by stage. Nothing is allocated for it."""

    config: tyro.conf.Positional[Path | None] = None
    """A TOML file of settings, configs/fast.toml say; flags go over it."""
    devices: int = 1
    """Devices that share the run; what is said is what one of them keeps."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    first: Arguments = parse(Arguments, arguments, "plan")
    default = Config() if first.config is None else read(first.config)
    told = parse(Arguments, arguments, "plan", as_config(Arguments, default))
    at_least_one(devices=told.devices)
    plan_run(as_config(Config, told), told.devices)
    return 0


def plan_run(config: Config, devices: int = 1) -> None:
    """Prints the plan, and what would be chosen under the config's memory; InputError: nothing."""
    config, split = _known(check(config))
    pictures = fit.pictures_of(split)
    planned = plan(config, pictures, devices)
    say_device()
    # where no terminal cuts lines nothing is folded
    width = console.width if console.is_terminal else 10_000
    for table in show.tables(planned):
        console.print(table, soft_wrap=False, width=width)
    for line in show.lines(planned):
        console.print(line, markup=False)
    limit = fit.limit_of(config)
    if not limit or fit.fits(planned, limit):
        if limit:
            console.print(f"limit    {size(limit)}: it fits as it is", markup=False)
        return
    chosen = fit.choice(config, pictures, devices, limit)
    if chosen is None:
        raise InputError(fit.too_large(planned, limit))
    console.print(f"chosen   {fit.chosen_in_words(config, chosen)}", markup=False)


def _known(config: Config) -> tuple[Config, Split | None]:
    """The config as its scene settles it, and the sizes of its pictures: their headers alone."""
    if config.scene is None:
        training = replace(
            config.training,
            spread=config.training.spread or 0.0,
            exposure=bool(config.training.exposure),
        )
        field = replace(config.field, backdrop=bool(config.field.backdrop))
        return replace(config, training=training, field=field), None
    with headers_alone():
        scene = scene_of(config, ("train",))
    return space.resolved(config, scene), scene.splits["train"]

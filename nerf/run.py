"""A run on disk: its folder, and the config in it.

config.toml     all settings          frame.json   where the files' points lie for it
data.json       digests of its data   run.json     the receipt, when it has ended
metrics.jsonl   what steps told       checkpoints/, tensorboard/, eval/
"""

from pathlib import Path

from data.errors import InputError
from nerf.config import Config, read, write

CONFIG = "config.toml"


def make(run: Path) -> None:
    """Makes a folder for a run; refuses one that holds a run already."""
    if (run / CONFIG).exists():
        raise InputError(
            f"{run}: holds a run already; go on with --resume {run}, or name another --run"
        )
    if run.exists() and not run.is_dir():
        raise InputError(f"{run}: is a file; --run names a folder")
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{run}: can't be written: {error.strerror}") from error


def create(run: Path, config: Config) -> None:
    """Makes a folder a run; refuses one that is a run already."""
    make(run)
    try:
        write(config, run / CONFIG)
    except OSError as error:
        raise InputError(f"{run}: can't be written: {error.strerror}") from error


def config_of(run: Path) -> Config:
    """The config of a run folder; refuses a folder that is none."""
    if not run.is_dir():
        raise InputError(
            f"{run}: no such folder; name the folder of a run, as `nerf train` printed it"
        )
    if not (run / CONFIG).is_file():
        raise InputError(f"{run}: not a run: it has no config.toml; `nerf train` makes one")
    return read(run / CONFIG)

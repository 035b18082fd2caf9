"""A run on disk: its folder, and the config in it.

config.toml     all settings          frame.json   where the files' points lie for it
data.json       digests of its data   run.json     the receipt, when it has ended
metrics.jsonl   what steps told       checkpoints/, tensorboard/, eval/
"""

from pathlib import Path

from data.errors import InputError
from nerf import changes, frame, lock
from nerf.config import Config, read, write
from nerf.whole import complaint

CONFIG, RECEIPT = "config.toml", "run.json"
BEFORE_CONFIG = {lock.FILE, ".processes", f".{CONFIG}.new"}
"""What a run that was killed while it began has in its folder, at most."""
WRITTEN_INTO = (
    "checkpoints", "tensorboard", "eval", "truth", "microscope", ".processes", "metrics.jsonl",
    lock.FILE,
)  # fmt: skip
"""Where a run's own files are added, replaced and removed: links there would lead to others'."""


def make(run: Path) -> None:
    """Makes a folder for a run; refuses one that holds anything, or that lies in another run."""
    if (run / CONFIG).exists():
        raise InputError(
            f"{run}: holds a run already; go on with --resume {run}, or name another --run"
        )
    if run.is_symlink() and not run.exists():
        raise InputError(f"{run}: is a link to nowhere; name another --run")
    if run.exists() and not run.is_dir():
        raise InputError(f"{run}: is a file; --run names a folder")
    for above in run.resolve().parents:
        if (above / CONFIG).is_file() and (above / frame.FILE).is_file():
            raise InputError(f"{run}: lies in another run, {above}; name a --run outside of it")
    try:
        run.mkdir(parents=True, exist_ok=True)
        others = sorted({at.name for at in run.iterdir()} - BEFORE_CONFIG)
    except OSError as error:
        raise InputError(f"{run}: can't be written: {error.strerror}") from error
    if others:
        raise InputError(
            f"{run}: is no run, and holds something already ({changes.in_words(others)}); name a "
            "new or empty folder with --run"
        )


def create(run: Path, config: Config) -> None:
    """Makes a folder a run; refuses one that is a run already."""
    make(run)
    try:
        write(config, run / CONFIG)
    except OSError as error:
        raise InputError(complaint(error)) from error


def config_of(run: Path) -> Config:
    """The config of a run folder; refuses a folder that is none, and one that links lead out of."""
    if not run.is_dir():
        raise InputError(
            f"{run}: no such folder; name the folder of a run, as `nerf train` printed it"
        )
    if not (run / CONFIG).is_file():
        raise InputError(f"{run}: not a run: it has no config.toml; `nerf train` makes one")
    for name in WRITTEN_INTO:
        if (run / name).is_symlink():
            raise InputError(
                f"{run / name}: is a link, and what it leads to may be others'; put that itself in "
                "its place"
            )
    return read(run / CONFIG)

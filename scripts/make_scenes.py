"""Make the bundled scenes: `python -m scripts.make_scenes NAME... [--out FOLDER] [--every N]`.

Writes data/scenes/NAME in the Blender format, 200 x 200 pixels. All but marbles and smoke are
rendered with Mitsuba 3 (`pip install -e ".[scenes]"`), some minutes each on two cores.
"""

import argparse
import importlib
from pathlib import Path

from scripts.scenes.files import write

NAMES = ("marbles", "bricks", "glaze", "smoke", "terrace")


def main() -> None:
    """Make the scenes that the command line names, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; default all")
    parser.add_argument("--out", type=Path, default=Path("data/scenes"))
    parser.add_argument("--every", type=int, default=1, help="only every N-th view, for a look")
    told = parser.parse_args()
    if unknown := set(told.names) - set(NAMES):
        parser.error(f"no scene {', '.join(unknown)}; there are {', '.join(NAMES)}")
    for name in told.names or NAMES:
        recipe = importlib.import_module(f"scripts.scenes.{name}").RECIPE
        write(recipe, told.out / name, told.every)


if __name__ == "__main__":
    main()

"""From the arguments to a command and its exit code."""

import importlib
import os
import sys

import jax

from data.errors import InputError, is_utf8
from nerf import output, processes
from nerf.cli.parse import MISTAKE, nearest
from nerf.machine import prepare
from nerf.processes import life
from nerf.whole import complaint

COMMANDS = {
    "train": "Fit a field to a scene's photographs.",
    "eval": "Render the held-out views of a run, and measure them.",
    "reproduce": "Make a run again, and say where it differs.",
    "compare": "Hold evaluated runs against one another.",
    "truth": "Compare a run with its scene's exact distances and density.",
    "render": "Render a run along a camera path.",
    "view": "Look at a run in the web browser.",
    "export": "A run as a mesh, points, a grid of numbers, or a page to look at.",
    "microscope": "Look at one pixel of a run: its ray, and the gradient of its loss.",
    "plan": "Say what a run would keep in memory, before anything is made.",
    "inspect": "Look a scene over before it is trained.",
    "photos": "Make a scene from photographs or a video.",
    "check": "Hold derivatives by hand against JAX's.",
    "doctor": "Look this machine over: is it ready, and what mends it.",
    "demo": "Train on a bundled scene, evaluate, render an orbit: everything once.",
    "scenes": "List the scenes that come with the project.",
}
"""What `nerf` alone says of each; the command is `run` in the file of its name."""


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and exits: 0 done, 2 a mistake that the user can mend, 130 interrupted, 141
    where nobody reads its output any more."""
    output.guard()
    line = ""
    try:
        with output.hangup():
            code = _run(sys.argv[1:] if arguments is None else arguments)
    except SystemExit as end:  # --help, or a terminal that is closed
        code = int(end.code or 0)
    except InputError as error:
        line = str(error)
        if processes.is_first():
            print(f"nerf: {line}", file=sys.stderr)
        elif not isinstance(error, processes.SharedError):
            print(f"nerf: process {jax.process_index()}: {line}", file=sys.stderr)
        code = MISTAKE
    except OSError as error:
        line = complaint(error)
        print(f"nerf: {line}", file=sys.stderr)
        code = MISTAKE
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            life.failed(error)
            raise
        print(
            "nerf: out of memory; lower rendering.memory, training.samples or field.log2_rows; "
            "nerf plan says what takes how much",
            file=sys.stderr,
        )
        code = MISTAKE
    except output.ReaderGoneError:
        code = output.GONE
    except KeyboardInterrupt:
        print("nerf: interrupted", file=sys.stderr)
        code = 130
    code = _flushed(code)
    life.end(code, line)
    sys.exit(code)


def _flushed(code: int) -> int:
    """The exit code, once what was said is out: a pipe or a file takes it in large pieces."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except output.ReaderGoneError:
        return code or output.GONE
    except OSError as error:
        print(f"nerf: {complaint(error)}", file=sys.stderr)
        return code or MISTAKE
    return code


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return 0
    for text in (*arguments, os.getcwd()):
        if not is_utf8(text):
            raise InputError(f"a name is not UTF-8: {text!a}; rename the file or folder")
        if "\0" in text:
            raise InputError(f"{text!a}: no file has such a name")
    name, *rest = arguments
    if name not in COMMANDS:
        raise InputError(f"unknown command {name}; {nearest(name, COMMANDS)}")
    prepare()
    return importlib.import_module(f"nerf.cli.{name}").run(rest)


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = ["usage: nerf COMMAND [OPTIONS]", ""]
    lines += [f"  {name:{width}} {said}" for name, said in COMMANDS.items()]
    lines += ["", "nerf COMMAND --help says what every option means, with units."]
    return "\n".join(lines)

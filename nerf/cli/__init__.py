"""The command line: `nerf COMMAND`. Each command is a file: its options, and what it does."""

from nerf.cli.command import main

__all__ = ["main"]

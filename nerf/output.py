"""Standard output and error, whose reader may go away: `| head -1`, a terminal that is closed.

What is written then is dropped. Most commands end by it as by Ctrl-C, quietly; a run of training is
asked to stop, as by SIGTERM, and is saved first. A closed terminal says so by a signal of its own,
SIGHUP: an error of writing there is no reason to stop, as whoever uses `nohup` or `disown` wants.
"""

import _thread
import errno
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

GONE = 128 + signal.SIGPIPE
"""Exit code of a command that nobody reads any more, as shells have it: 141."""


ONCE_MORE = 5.0
"""Seconds in which another SIGHUP is the same."""


class ReaderGoneError(KeyboardInterrupt):
    """Nobody reads what a command says: it ends as by Ctrl-C."""


class _State:
    training = False
    gone = False
    hung_up = float("-inf")
    """When SIGHUP came last."""


_state = _State()


def gone() -> bool:
    """Whether a run of training is asked to stop since its reader is gone."""
    return _state.gone


@contextmanager
def training() -> Iterator[None]:
    """While it lasts a reader that goes away ends nothing: `gone` tells of it."""
    _state.training, _state.gone = True, False
    if _state.hung_up > float("-inf"):  # Python drops what is raised within a callback
        raise SystemExit(128 + signal.SIGHUP)
    try:
        yield
    finally:
        _state.training = _state.gone = False


@contextmanager
def hangup() -> Iterator[None]:
    """Lets SIGHUP, of a terminal that is closed, end a command as an exception does: what it has
    begun to write is cleared away. Where the signal is ignored, as under `nohup`, it stays so."""
    if signal.getsignal(signal.SIGHUP) != signal.SIG_DFL:
        yield
        return

    def end(number, frame):
        before, _state.hung_up = _state.hung_up, time.monotonic()
        if _state.hung_up > before + ONCE_MORE:  # the shell sends it once more
            raise SystemExit(128 + number)

    signal.signal(signal.SIGHUP, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        _state.hung_up = float("-inf")


class _Raw(io.FileIO):
    """A descriptor that drops what can't be written."""

    wanted = True
    """Whether a command is given for its sake: standard output, and not standard error."""
    lost = warned = False

    def write(self, data: Any, /) -> int:
        if not self.lost:
            try:
                return super().write(data)
            except OSError as error:
                self._met(error)
        return memoryview(data).nbytes

    def _met(self, error: OSError) -> None:
        self.lost = error.errno in (errno.EPIPE, errno.EIO)
        if error.errno == errno.EIO or not (self.wanted or _state.training):
            return
        if error.errno != errno.EPIPE:  # a full disk, which may have room again
            self._full(error)
        elif not _state.training:
            if threading.current_thread() is threading.main_thread():
                raise ReaderGoneError from None
            _thread.interrupt_main()
        elif signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            _state.gone = True

    def _full(self, error: OSError) -> None:
        try:
            file = os.readlink(f"/proc/self/fd/{self.fileno()}")
        except OSError:
            file = "standard output"
        if not _state.training:
            self.lost = True
            raise OSError(error.errno, error.strerror, file) from None
        if self.wanted and not self.warned:
            self.warned = True
            print(f"warning  {file}: lacks lines: {error.strerror}", file=sys.stderr)


def guard() -> None:
    """Has both streams of this process drop what can't be written; those of a test stay."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, guarded(stream, wanted=name == "stdout"))


def guarded(stream: Any, wanted: bool = True) -> io.TextIOWrapper:
    """A stream to where another leads, which drops what can't be written."""
    raw = _Raw(stream.fileno(), "w", closefd=False)
    raw.wanted = wanted
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def say(line: str) -> None:
    """Says a line to whoever still listens: on standard error if nobody reads standard output."""
    print(line, flush=True)
    if _lost(sys.stdout):
        print(line, file=sys.stderr, flush=True)


def _lost(stream: Any) -> bool:
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return isinstance(raw, _Raw) and raw.lost

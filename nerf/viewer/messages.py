"""What clients send: read once before viser acts on it, and dropped if it can't be meant.

viser prints a traceback for a message that it can't read, ends the connection that sent it, and
hands on whatever numbers are in it. What passes here is of a known type, its numbers are finite.
"""

import asyncio
import logging
import math
import warnings
from typing import Any

import viser
from viser import _messages, infra

from nerf.viewer.complaints import Complaints

MALFORMED = "a client's message was malformed and dropped"
UPLOAD = 2**24
"""Bytes of a file that a client may upload: a camera path has some thousands."""
LOGGERS = ("websockets", "websockets.server", "asyncio")
"""Through these the server's libraries print tracebacks."""


def check(raw: Any) -> infra.Message:
    """The message of a client; ValueError for what is none."""
    if not isinstance(raw, bytes):
        raise ValueError("text, not bytes")
    try:
        message = _messages.Message.deserialize(raw)
    except Exception as error:  # decoders meet broken bytes with exceptions of every kind
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if isinstance(message, _messages.ViewerCameraMessage):
        for name, count in (("wxyz", 4), ("position", 3), ("look_at", 3), ("up_direction", 3)):
            numbers = getattr(message, name)
            if len(numbers) != count or not all(isinstance(x, float) for x in numbers):
                raise ValueError(f"{name} is not of {count} numbers")
        if not any(message.wxyz):
            raise ValueError("wxyz is zero")
    if isinstance(message, _messages.FileTransferStartUpload) and not (
        0 <= message.size_bytes <= UPLOAD
    ):
        raise ValueError(f"a file of {message.size_bytes} bytes; {UPLOAD} at most are taken")
    for name, value in vars(message).items():
        _finite(value, name)
    return message


def _finite(value: Any, name: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            _finite(each, name)


class Uploads:
    """What one client uploads: UPLOAD bytes at a time, and no more than it has announced."""

    def __init__(self) -> None:
        self._left: dict[str, int] = {}

    def take(self, message: infra.Message) -> None:
        """ValueError for a part that was not announced, and for too much at a time."""
        if isinstance(message, _messages.FileTransferStartUpload):
            if sum(self._left.values()) + message.size_bytes > UPLOAD or len(self._left) >= 16:
                self._left.clear()  # those before were given up
                raise ValueError("several files at a time")
            self._left[message.transfer_uuid] = message.size_bytes
        if isinstance(message, _messages.FileTransferPart):
            size = len(message.content)
            if not 0 < size <= self._left.get(message.transfer_uuid, 0):
                raise ValueError("a part of a file that was not announced")
            self._left[message.transfer_uuid] -= size
            if not self._left[message.transfer_uuid]:
                del self._left[message.transfer_uuid]


def filtered(connection: Any, complaints: Complaints) -> None:
    """Lets a connection hand on only messages that `check` takes."""
    receive = connection.recv
    uploads = Uploads()

    async def recv(*arguments: Any, **options: Any) -> Any:
        while True:
            raw = await receive(*arguments, **options)
            try:
                uploads.take(check(raw))
                return raw
            except ValueError as error:
                complaints.note(MALFORMED, str(error))

    connection.recv = recv


class _ToComplaints(logging.Handler):
    def __init__(self, complaints: Complaints):
        super().__init__(logging.WARNING)
        self._complaints = complaints

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        detail = f"{type(error).__name__}: {error}" if error else ""
        self._complaints.note(f"{record.name}: {record.getMessage()}"[:120], detail)


class Quiet:
    """Until it is closed, the server's libraries complain in lines, and print no traceback."""

    def __init__(self, server: viser.ViserServer, complaints: Complaints):
        # of tabs that are closed while something is on its way to them
        warnings.filterwarnings("ignore", "Queued a .* on a closed connection", UserWarning)
        # of a message whose values are of other types: it is dropped
        warnings.filterwarnings("error", r"\[viser\] .* does not match annotation", UserWarning)
        handler = _ToComplaints(complaints)
        self._kept = []
        for name in LOGGERS:
            logger = logging.getLogger(name)
            self._kept.append((logger, logger.handlers, logger.propagate))
            logger.handlers, logger.propagate = [handler], False

        def failed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            detail = f"{type(error).__name__}: {error}" if error else context.get("message", "")
            complaints.note("a client's message could not be served", detail)

        server.get_event_loop().call_soon_threadsafe(
            server.get_event_loop().set_exception_handler, failed
        )

    def close(self) -> None:
        """Gives the libraries their own ways back."""
        for logger, handlers, propagate in self._kept:
            logger.handlers, logger.propagate = handlers, propagate

"""A client of the viewer without a browser: it speaks viser's protocol over the websocket."""

import io
import time
from typing import Any

import msgspec
import numpy as np
import viser
import zstandard
from PIL import Image
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from nerf.viewer.poses import wxyz_of


class Client:
    """Sends a camera, and is sent pictures."""

    def __init__(self, url: str):
        self._socket = connect(
            url.replace("http", "ws", 1),
            subprotocols=[Subprotocol(f"viser-v{viser.__version__}")],
            max_size=None,
            close_timeout=1,  # for what is on its way to a client that has stopped reading
        )

    def close(self) -> None:
        """Leaves."""
        self._socket.close()

    def look(self, pose: np.ndarray, fov: float, width: int, height: int) -> None:
        """Says that the camera is at a pose [3, 4] of ours, `fov` radians high."""
        place, ahead = pose[:, 3], -pose[:, 2]
        message = {
            "type": "ViewerCameraMessage",
            "wxyz": wxyz_of(pose).tolist(),
            "position": place.tolist(),
            "fov": fov,
            "near": 0.01,
            "far": 1000.0,
            "image_height": height,
            "image_width": width,
            "look_at": (place + ahead).tolist(),
            "up_direction": pose[:, 1].tolist(),
        }
        self._socket.send(msgspec.msgpack.encode(message))

    def pictures(self, seconds: float, most: float = float("inf")) -> int:
        """How many pictures come within so many seconds, up to `most`: all that is sent is read."""
        count, end = 0, time.perf_counter() + seconds
        while count < most and (left := end - time.perf_counter()) > 0:
            try:
                messages = self._received(left)
            except TimeoutError:
                break
            count += sum(
                message["type"] == "BackgroundImageMessage" and bool(message["rgb_data"])
                for message in messages
            )
        return count

    def until_sharp(self, seconds: float = 120) -> list[tuple[float, np.ndarray]]:
        """The pictures that come, and when, up to the one that is done; TimeoutError."""
        found = []
        end = time.perf_counter() + seconds
        while True:
            for message in self._received(end - time.perf_counter()):
                if message["type"] == "BackgroundImageMessage" and message["rgb_data"]:
                    picture = Image.open(io.BytesIO(message["rgb_data"])).convert("RGB")
                    found.append((time.perf_counter(), np.asarray(picture)))
                elif found and "sharp after" in str(message):
                    return found

    def _received(self, seconds: float) -> list[dict[str, Any]]:
        """The messages of one window: two sizes, then msgpack that zstd has packed."""
        raw = self._socket.recv(timeout=seconds)
        assert isinstance(raw, bytes)
        size, packed = (int.from_bytes(raw[at : at + 8], "little") for at in (0, 8))
        text = zstandard.ZstdDecompressor().decompress(raw[16 : 16 + packed], size)
        return msgspec.msgpack.decode(text)["messages"]

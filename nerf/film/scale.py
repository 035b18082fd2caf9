"""A colour scale of distances, and the bar that says what its colours mean."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from nerf import pictures

WIDE = 4.0
"""Where the farthest is more than this many times as far as the nearest, the scale is even in the
logarithm."""
CAPTION = "distance, units of the scene's files"


class Scale(NamedTuple):
    """Distances from `low` (light) to `high` (dark), in the units of the scene's files."""

    low: float
    high: float

    @classmethod
    def of(cls, distances: Float[np.ndarray, " n"], farthest: float = 0.99) -> "Scale":
        """One on which nearly all of some distances lie: 1 % are nearer, few further."""
        distances = distances[np.isfinite(distances)]
        if not len(distances):
            return cls(0.0, 1.0)
        low, high = (float(v) for v in np.quantile(distances, [0.01, farthest]))
        return cls(low, high if high > low * (1 + 1e-3) else low + max(abs(low), 1e-6))

    @property
    def logarithmic(self) -> bool:
        """Even in the logarithm."""
        return self.low > 0 and self.high > WIDE * self.low

    def part(self, distance: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Where distances lie on it: 0 at `low`, 1 at `high`, in between outside."""
        if self.logarithmic:
            along = np.log(np.maximum(distance, 1e-30) / self.low) / math.log(self.high / self.low)
        else:
            along = (distance - self.low) / (self.high - self.low)
        return np.clip(along, 0, 1)

    def colours(
        self,
        distance: Float[np.ndarray, "h w"],
        opacity: Float[np.ndarray, "h w"],
        background: float = 1.0,
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Near is light; where little was hit, the picture fades to grey of the background."""
        near = pictures.scaled(1 - self.part(distance))
        opacity = np.clip(opacity, 0, 1)[..., None]
        return np.round(near * opacity + 255 * background * (1 - opacity)).astype(np.uint8)

    def ticks(self) -> list[float]:
        """Round distances on the scale: some, not many."""
        if self.logarithmic:
            first, last = (math.floor(math.log10(v)) for v in (self.low, self.high))
            round_ones = [m * 10.0**k for k in range(first, last + 1) for m in (1, 2, 5)]
        else:
            step = 10.0 ** math.floor(math.log10((self.high - self.low) / 2))
            step *= max(
                (m for m in (1, 2, 5) if (self.high - self.low) / (m * step) >= 3), default=1
            )
            start = math.ceil(self.low / step)
            round_ones = [k * step for k in range(start, start + 40)]
        slack = 1e-9 * abs(self.high)
        return [v for v in round_ones if self.low - slack <= v <= self.high + slack]

    def bar(self, width: int) -> UInt8[np.ndarray, "_ _ 3"]:
        """The scale drawn, `width` wide: its colours, round distances below, and their unit."""
        size = text_size(width)
        strip, edge = max(6, size * 3 // 4), size
        picture = Image.new("RGB", (width, bar_height(width)), "white")
        inner = width - 2 * edge
        values = np.linspace(1, 0, inner)[None].repeat(strip, axis=0)
        picture.paste(Image.fromarray(pictures.scaled(values)), (edge, 3))
        draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
        free = 0.0
        for value in self.ticks():
            x = edge + float(self.part(np.array([value]))[0]) * (inner - 1)
            label = f"{value:.6g}"
            half = draw.textlength(label, font=font) / 2
            draw.line([(x, 3), (x, 3 + strip + 2)], fill="black")
            if x - half >= free and x + half <= width:
                draw.text((x - half, strip + 5), label, fill="black", font=font)
                free = x + half + size / 2
        draw.text((edge, strip + 6 + size), CAPTION, fill="black", font=font)
        return np.asarray(picture)


def text_size(width: int) -> int:
    """Pixels of the letters beside a picture so wide."""
    return max(11, width // 48)


def bar_height(width: int) -> int:
    """Pixels that `Scale.bar` is high."""
    size = text_size(width)
    return max(6, size * 3 // 4) + 2 * size + 12

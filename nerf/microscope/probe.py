"""One pixel under the microscope: what its ray meets, and the gradient of its loss."""

from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from calculus import radiance
from data.errors import InputError
from data.scene import Camera, Split
from nerf.cameras import Cameras
from nerf.config import Config
from nerf.field import Model
from nerf.microscope.samples import Along, Samples, Seen
from nerf.microscope.sentence import say
from nerf.microscope.slopes import Judge, by_differences, by_hand, gap
from nerf.pictures import over
from nerf.render import BACKGROUNDS
from nerf.state import TrainState


@dataclass(frozen=True)
class Probe:
    """What is known of one ray of N samples. Lengths in scene units, in scenes that face forward
    (t, delta, sigma, depth) in those of normalised device coordinates."""

    column: float
    row: float
    """The pixel; its centre is half a pixel on."""
    t: Float[np.ndarray, " N"]
    """Distances, as rendering has them."""
    distance: Float[np.ndarray, " N"]
    """The same from the camera, always in scene units."""
    delta: Float[np.ndarray, " N"]
    """Lengths of the intervals that the samples stand for."""
    sigma: Float[np.ndarray, " N"]
    """Densities, 1 / length."""
    tau: Float[np.ndarray, " N"]
    """Optical depths sigma delta."""
    transmittance: Float[np.ndarray, " N"]
    """The part of the light that gets from each sample's front to the camera: T_k."""
    weights: Float[np.ndarray, " N"]
    """The share of the pixel that each sample shows."""
    colour: Float[np.ndarray, "N 3"]
    """RGB in [0, 1], as seen from here."""
    background: Float[np.ndarray, "3"]
    """What lies behind everything, given or learnt."""
    left: float
    """T_N: the share of the pixel that it shows."""
    pixel: Float[np.ndarray, "3"]
    """The rendered colour."""
    opacity: float
    depth: float
    """Distance times opacity, as `nerf.render.Pixels`."""
    shown: Float[np.ndarray, "3"]
    """The rendered colour under the gains that the run has learnt of the picture."""
    photograph: Float[np.ndarray, "3"] | None
    """What the pixel should show, over the background; None: nobody knows."""
    quantity: str
    """What is differentiated: `loss`, or `brightness` (mean of the channels) where there is no
    photograph."""
    loss: float
    """Its value; the loss is that of this pixel alone, of the fine samples."""
    slope_pixel: Float[np.ndarray, "3"]
    """d quantity / d pixel."""
    slope_sigma: Float[np.ndarray, " N"]
    """d quantity / d sigma_k, by hand: shows + hides."""
    shows: Float[np.ndarray, " N"]
    """The part of it that comes of showing more of sample k."""
    hides: Float[np.ndarray, " N"]
    """The part of it that comes of hiding more of what lies behind."""
    slope_colour: Float[np.ndarray, "N 3"]
    """d quantity / d colour_k, by hand."""
    differences: Float[np.ndarray, " N"]
    """`slope_sigma` by central differences."""
    differences_colour: Float[np.ndarray, "N 3"]
    """`slope_colour` by central differences."""
    gap: float
    """The worst of both, relative to the largest slope of its kind."""
    pose: Float[np.ndarray, "6 3"]
    """d pixel / d motion of the camera, by hand: along its x, y, z (per scene unit), then about
    them (per radian). Samples keep their t."""
    pose_differences: Float[np.ndarray, "6 3"]
    """The same by moving the camera."""
    pose_gap: float
    sentence: str
    """What the strongest sample wants, and why."""
    strongest: int | None
    """Which that is."""
    because: str
    """`shows` or `hides`, where there is one."""
    scale: float
    """Scene units per unit of the user's files."""

    def as_dict(self) -> dict[str, Any]:
        """Fit for JSON: lists, numbers, text, all finite."""
        told: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            told[f.name] = value.tolist() if isinstance(value, np.ndarray) else value
        return told

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> "Probe":
        """What `as_dict` gave; KeyError where something is missing."""
        given = {f.name: told[f.name] for f in fields(cls)}
        flat = {"colour", "slope_colour", "differences_colour"}
        for name, value in given.items():
            if isinstance(value, list):
                array = np.array(value, float)
                given[name] = array.reshape(-1, 3) if name in flat else array
        return cls(**given)


def own_background(config: Config) -> str:
    """What is behind a run's scene if nobody asks for something else: training's, or white."""
    own = config.data.background
    return own if own in BACKGROUNDS else "white"


class Microscope:
    """Looks at single pixels of a run; its programs are compiled once, at the first."""

    def __init__(
        self,
        model: Model,
        state: TrainState,
        split: Split | None = None,
        background: str | None = None,
        scale: float = 1.0,
        stages: ModuleType = radiance,
    ):
        """`background` is that of training if it has one, else white; `scale` the scene's."""
        self.background = background or own_background(model.config)
        self.state = state
        """May be set to a newer one of the same run."""
        self._model, self._split, self._scale = model, split, scale
        self._along = Along(model, BACKGROUNDS[self.background], stages)

    def view(self, view: int, pixel: tuple[float | int, float | int], learnt: bool) -> Probe:
        """A pixel of a picture of the split; `learnt` where training learns from that split.

        InputError where there is no such view or pixel.
        """
        assert self._split is not None
        if not 0 <= view < len(self._split):
            raise InputError(f"view {view}: there are {len(self._split)}, counted from 0")
        camera = self._split.camera(view)
        column, row = self._within(camera, pixel)
        rgba = self._split.pictures[view, int(row), int(column)]
        photograph = over(rgba[None, None], BACKGROUNDS[self.background])[0, 0]
        return self.probe(camera, pixel, photograph, view if learnt else None)

    def probe(
        self,
        camera: Camera,
        pixel: tuple[float | int, float | int],
        photograph: Float[np.ndarray, "3"] | None = None,
        picture: int | None = None,
    ) -> Probe:
        """The ray of a pixel (column, row) of a camera.

        `photograph` is the colour that it should have, over the background; `picture` the number of
        the training picture that it is of, if it is one. InputError outside the camera's picture.
        """
        column, row = self._within(camera, pixel)
        params = self.state.params
        at = np.array([column, row], np.float64) + 0.5
        seen = self._along(params, self.state.grid, Cameras.of(camera), at)
        training = self._model.config.training
        log_gain = np.zeros(3)
        if picture is not None and "exposure" in params:
            table = np.asarray(params["exposure"], np.float64)
            log_gain = table[picture] - table.mean(0)  # (2) of calculus.radiance.exposure
        threshold = training.huber_threshold if training.loss == "huber" else None
        given = None if photograph is None else np.asarray(photograph, np.float64)
        judge = Judge(given, log_gain, threshold)
        return _probe(seen, judge, (column, row), self._scale)

    def _within(
        self, camera: Camera, pixel: tuple[float | int, float | int]
    ) -> tuple[float, float]:
        column, row = map(float, pixel)
        if not (0 <= column < camera.width and 0 <= row < camera.height):
            raise InputError(
                f"pixel {column:g},{row:g}: outside the picture of {camera.width}x{camera.height}, "
                "whose first is 0,0"
            )
        return column, row


def _probe(seen: Seen, judge: Judge, pixel: tuple[float, float], scale: float) -> Probe:
    slopes = by_hand(seen.samples, judge)
    n = seen.held
    t, delta, sigma, colour = (v[:n] for v in seen.samples[:4])
    samples = Samples(t, delta, sigma, colour, seen.samples.background)
    slopes = slopes._replace(
        tau=slopes.tau[:n],
        transmittance=slopes.transmittance[:n],
        weights=slopes.weights[:n],
        sigma=slopes.sigma[:n],
        colour=slopes.colour[:n],
        shows=slopes.shows[:n],
        hides=slopes.hides[:n],
    )
    distance = seen.distance[:n]
    by_sigma, by_colour = by_differences(samples, judge)
    said = say(samples, slopes, judge, distance)
    return Probe(
        column=pixel[0],
        row=pixel[1],
        t=t,
        distance=distance,
        delta=delta,
        sigma=sigma,
        tau=slopes.tau,
        transmittance=slopes.transmittance,
        weights=slopes.weights,
        colour=colour,
        background=samples.background,
        left=float(slopes.left),
        pixel=slopes.pixel,
        opacity=float(slopes.opacity),
        depth=float(slopes.depth),
        shown=slopes.shown,
        photograph=judge.photograph,
        quantity="brightness" if judge.photograph is None else "loss",
        loss=float(slopes.loss),
        slope_pixel=slopes.pixel_bar,
        slope_sigma=slopes.sigma,
        shows=slopes.shows,
        hides=slopes.hides,
        slope_colour=slopes.colour,
        differences=by_sigma,
        differences_colour=by_colour,
        gap=max(gap(slopes.sigma, by_sigma), gap(slopes.colour, by_colour)),
        pose=seen.pose,
        pose_differences=seen.pose_differences,
        pose_gap=gap(seen.pose, seen.pose_differences),
        sentence=said.sentence,
        strongest=said.strongest,
        because=said.because,
        scale=scale,
    )

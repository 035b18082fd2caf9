"""The lens of a frame, as instant-ngp, nerfstudio and BlenderNeRF note it in a transforms file.

What a frame notes goes before what its file notes for all frames; within one of the two the field
of view in degrees (`x_fov`) goes before the focal length in pixels (`fl_x`), and that before the
angle in radians (`camera_angle_x`), as instant-ngp has it (nerf_loader.cu, read_focal_length). A
key that names a lens or a mask and is not understood is refused: ignored, it would bend every ray.
"""

import math
import re
from typing import Any, NamedTuple

from data import files, octic
from data.errors import InputError

PERSPECTIVE = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "FULL_OPENCV")
FISHEYE = (
    "OPENCV_FISHEYE",
    "SIMPLE_RADIAL_FISHEYE",
    "RADIAL_FISHEYE",
    "SIMPLE_FISHEYE",
    "FISHEYE",
)
ORDER = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
"""Of `Split.distortion`, of a perspective lens."""
FISHEYE_ORDER = ("k1", "k2", "k3", "k4")
KEYS = {
    *("camera_model", "is_fisheye", "fisheye_crop_radius", "w", "h", "cx", "cy", *ORDER),
    *("fl_x", "fl_y", "x_fov", "y_fov", "camera_angle_x", "camera_angle_y"),
}
"""What is read here."""
LENS = re.compile(
    r"fl($|_)|f_?[xy]$|focal|c_?[xy]$|pp_?[xy]$|principal|[kpsb]\d+$|tau|xi$|skew|.?_?fov"
    r"|ftheta|(is_)?fisheye|latlong|equirect|panoram|spheric|ortho|lens|dist_?coef|distort"
    r"|(\w*_)?intrin|k$|cam(era)?_?(angle|model|type|matrix|k$|params|fov)|projection"
    r"|rolling_?shutter|radial|tangential|dist$|coeffs|thin_?prism|omni|\w+_fov|field_of_view"
    r"|calib|sensor_(width|height|fit)|shift_[xy]$|pixel_?aspect|center_[xy]$|optical_cent"
    r"|is_(spherical|panorama)|crop_radius|rays?_path|angle_[xy]$",
    re.IGNORECASE,
)
"""How keys begin that name a lens, whoever wrote them."""
POSES = (
    "normal_mts_args", "from_mitsuba", "transform_matrix_start", "transform_matrix_end",
)  # fmt: skip
"""Keys of instant-ngp's by which poses are others than `transform_matrix`."""
STEEPEST = 1e3
"""Largest distortion coefficient that can be of a lens."""


class Lens(NamedTuple):
    """The lens of one picture, in pixels of `size`."""

    size: tuple[float, float]
    """Width and height of the pictures that the file speaks of."""
    intrinsics: tuple[float, float, float, float]
    """f_x, f_y, c_x, c_y."""
    distortion: tuple[float, ...]
    """In the order of `Split.distortion`."""
    fisheye: bool
    crop: float
    """Radius about the picture's middle beyond which nothing is learnt."""


def read(
    frame: dict[str, Any],
    meta: dict[str, Any],
    where: str,
    true_size: tuple[int, int],
    longer_side: bool = False,
) -> Lens:
    """The lens of a frame; InputError where it isn't noted, can't be, or isn't understood.

    `true_size` is width and height of its picture. With `longer_side` camera_angle_x is the angle
    of the picture's longer side and camera_angle_y is not read: BlenderNeRF writes Blender's own
    angles, of which one goes along the longer side and the other along the sensor's height.
    """

    def number(key: str, otherwise: float, low: float = -1e9, high: float = 1e9) -> float:
        holder = next((h for h in (frame, meta) if h.get(key) is not None), None)
        return otherwise if holder is None else files.number(holder, key, where, low, high)

    w, h = number("w", float(true_size[0])), number("h", float(true_size[1]))
    sides = (max(w, h), None) if longer_side else (w, h)
    for holder in (frame, meta):  # a frame's one focal length is that of both axes
        fx, fy = (
            _focal(axis, side, angled, holder, where)
            for axis, side, angled in zip("xy", (w, h), sides, strict=True)
        )
        fx = fy if fx is None else fx
        if fx is not None:
            break
    else:
        raise InputError(f"{where}: has neither fl_x nor camera_angle_x, nor has the file")
    fisheye, model = _kind(frame, meta, where)
    names = FISHEYE_ORDER if fisheye else ORDER
    found = {name: number(name, 0.0) for name in ORDER}
    if max(map(abs, found.values())) > STEEPEST:
        raise InputError(f"{where}: distortion {list(found.values())} can't be of a lens")
    _refuse_foreign(found, fisheye, model, where)
    focal = fx, fx if fy is None else fy
    centre = number("cx", w / 2), number("cy", h / 2)
    sound = min(focal) > max(w, h) / 100  # or else it is refused, as all lenses are
    if found["k4"] and sound and not fisheye and model != "FULL_OPENCV":
        radial = tuple(found[name] for name in ("k1", "k2", "k3", "k4"))
        found |= octic.as_rational(radial, octic.reach((w, h), focal, centre), max(focal), where)
    distortion = [found[name] for name in names]
    return Lens(
        size=(w, h),
        intrinsics=(*focal, *centre),
        distortion=(*distortion, *[0.0] * (len(ORDER) - len(distortion))),
        fisheye=fisheye,
        crop=number("fisheye_crop_radius", math.inf, low=1.0),
    )


def _focal(axis: str, side: float, angled: float | None, holder: dict, where: str) -> float | None:
    """Focal length along an axis; `angled` is the side that camera_angle belongs to, if any."""
    if holder.get(f"{axis}_fov") is not None:
        degrees = files.number(holder, f"{axis}_fov", where, 0.05, 179.95, "degrees")
        return side / 2 / math.tan(math.radians(degrees) / 2)
    if holder.get(f"fl_{axis}") is not None:
        return files.number(holder, f"fl_{axis}", where)
    if angled is not None and holder.get(f"camera_angle_{axis}") is not None:
        key = f"camera_angle_{axis}"
        angle = files.number(holder, key, where, 1e-3, math.pi - 1e-3, "radians")
        return angled / 2 / math.tan(angle / 2)
    return None


def _kind(frame: dict, meta: dict, where: str) -> tuple[bool, str]:
    """Whether the lens is a fisheye, and its camera_model, if it is noted."""
    for holder in (frame, meta):
        flag = holder.get("is_fisheye")
        if flag is not None:
            flag = files.value(holder, "is_fisheye", bool, where)
        if holder.get("camera_model") is None:
            if flag is not None:
                return flag, ""
            continue
        model = files.value(holder, "camera_model", str, where)
        if model not in PERSPECTIVE + FISHEYE:
            raise InputError(
                f"{where}: camera_model {model!r} is not supported; supported are "
                f"{', '.join(PERSPECTIVE + FISHEYE)}: undistort the pictures to one of them"
            )
        fisheye = model in FISHEYE
        if flag is not None and flag != fisheye:
            raise InputError(
                f"{where}: camera_model {model} and is_fisheye {str(flag).lower()} contradict each "
                "other; drop the wrong one"
            )
        return fisheye, model
    return False, ""


def _refuse_foreign(found: dict[str, float], fisheye: bool, model: str, where: str) -> None:
    """InputError for coefficients that the lens's model doesn't have: 0 is as good as none."""
    if fisheye:
        foreign = [name for name in ("p1", "p2", "k5", "k6") if found[name]]
        known = "a fisheye has k1, k2, k3 and k4"
    else:
        foreign = [name for name in ("k5", "k6") if found[name] and model != "FULL_OPENCV"]
        known = 'k5 and k6 belong to "camera_model": "FULL_OPENCV"'
    if foreign:
        raise InputError(
            f"{where}: {', '.join(foreign)} can't be applied: {known}; correct the model, or "
            "undistort the pictures"
        )


def refuse_unknown(holder: dict[str, Any], where: object) -> None:
    """InputError for a key that names a lens or a mask and is neither read nor empty."""
    for key, value in holder.items():
        masks = "mask" in key.lower() and key != "mask_path"
        masks |= key in ("alpha_path", "matte_path", "segmentation_path", "ignore_path")
        if key in POSES and not empty(value):
            raise InputError(
                f"{where}: {key} changes poses and is not understood; apply it to transform_matrix"
            )
        bends = LENS.match(key) is not None and key not in KEYS
        if (masks or bends) and not empty(value):
            known = "mask_path" if masks else ", ".join(sorted(KEYS)) + ", undistort the pictures"
            raise InputError(
                f"{where}: {key} names a {'mask' if masks else 'lens'} and is not understood; "
                f"express it by {known}, or drop it if no pixel depends on it"
            )


def empty(value: object) -> bool:
    """Whether a value notes nothing: null, false, 0, or nothing but such."""
    if isinstance(value, list | dict):
        return all(map(empty, value.values() if isinstance(value, dict) else value))
    return not value

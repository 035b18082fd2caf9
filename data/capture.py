"""What one camera, carried about, took of one place: a folder of pictures, parted into splits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from data import files, masks
from data.errors import InputError, is_utf8, one_line
from data.normalise import Similarity, every_eighth, moved
from data.pictures import is_picture, read_all, size_of, turned
from data.scene import Split
from data.share import ALL, Share

FACTORS = {"images": 1, "images_2": 2, "images_4": 4, "images_8": 8}
"""Folders of the same pictures, and what their width and height were divided by."""


class Folder(NamedTuple):
    """A folder of pictures, and what is left to divide their width and height by."""

    path: Path
    downscale: int
    warnings: tuple[str, ...] = ()


def folder(path: Path, downscale: int) -> Folder:
    """Of images, images_2, images_4, images_8 the one that is `images` at 1/downscale.

    Else one that can be shrunk to it; where all are smaller, the largest, as it is.
    """
    there = {factor: path / name for name, factor in FACTORS.items() if _holds(path / name)}
    if any((path / "images").rglob("dynamic_mask_*")):  # they lie beside pictures of full size
        there = {factor: at for factor, at in there.items() if factor == 1} or there
    if not there:
        raise InputError(
            f"{path}: has no pictures in any of its folders {', '.join(FACTORS)}"
            + next(filter(None, (files.lying(path / name) for name in FACTORS)), "")
        )
    return fitting(path, there, downscale)


def fitting(path: Path, there: Mapping[int, Path], downscale: int) -> Folder:
    """The same of folders by the factors they were divided by, at least one."""
    fitting = [factor for factor in there if downscale % factor == 0]
    if fitting:
        return Folder(there[max(fitting)], downscale // max(fitting))
    largest = min(there)
    if largest > downscale:
        said = f"the largest pictures are in {there[largest].name}: they are at 1/{largest} of "
        said += f"their size, not at 1/{downscale}"
        return Folder(there[largest], 1, (said,))
    raise InputError(
        f"{path}: downscale {downscale} can't be made from the pictures in "
        f"{', '.join(folder.name for folder in there.values())}; choose a multiple of {largest}"
    )


def folder_of(path: Path, names: Sequence[str], downscale: int) -> Folder:
    """The same of pictures by their names, images/.., of which a smaller folder must hold as many.

    `images` itself where they are named in another folder, or have masks, which are of their size.
    """
    there = {1: path / "images"}
    masked = any(masks.dynamic(files.picture(path, name, str(path))[0]) for name in names)
    if not masked and all(within("images_2", name) != name for name in names):
        stems = files.Stems()
        count = {
            factor: sum(stems.find(path, within(folder, name), str(path))[1] for name in names)
            for folder, factor in FACTORS.items()
            if (path / folder).is_dir()
        }
        most = max(count.values(), default=0)
        there = {f: path / name for name, f in FACTORS.items() if most and count.get(f) == most}
    return fitting(path, there or {1: path / "images"}, downscale)


def within(folder: str, name: str) -> str:
    """What a picture of `images` is called in another folder; other pictures keep their names."""
    named = PurePosixPath(name.replace("\\", "/"))
    return str(PurePosixPath(folder, *named.parts[1:])) if named.parts[:1] == ("images",) else name


def true_size(path: Path, folder: str, picture: Path) -> tuple[int, int]:
    """Width and height of the original of a picture in `folder`, if need be by what it became."""
    if folder == "images":
        return size_of(picture)
    name = Path("images", *picture.relative_to(path).parts[1:]).as_posix()
    original, exists = files.Stems().find(path, name, str(path))
    if exists:
        return size_of(original)
    width, height = size_of(picture)
    return FACTORS[folder] * width, FACTORS[folder] * height


@dataclass(frozen=True)
class Capture:
    """Pictures with their cameras, in the files' units, before they are parted and read."""

    path: Path
    """The scene's folder."""
    names: tuple[str, ...]
    files: tuple[Path, ...]
    poses: Float[np.ndarray, "n 3 4"]
    sizes: Float[np.ndarray, "n 2"]
    """Width and height of the pictures that the intrinsics belong to."""
    intrinsics: Float[np.ndarray, "n 4"]
    distortion: Float[np.ndarray, "n 8"] | None = None
    fisheye: bool = False
    masks: tuple[Path | None, ...] = ()
    """A mask for each picture, or none at all; dynamic ones beside pictures are found besides."""
    crops: Float[np.ndarray, " n"] | None = None
    """As `Split.crops`, in pixels of `sizes`."""
    parts: Mapping[str, Int[np.ndarray, " picked"]] | None = None
    """Indices of the pictures of each split; None: every eighth is for testing."""

    def check(self) -> None:
        """InputError for one picture alone, bad intrinsics, or pictures of another shape."""
        if len(self.names) < 2:
            raise InputError(f"{self.path}: has one picture only; a scene needs several views")
        for name in self.names:
            if not is_utf8(name):
                raise InputError(f"{self.path}: a picture's name is not UTF-8: {name!a}; rename it")
        self.check_cameras()

    def check_cameras(self) -> None:
        """InputError for bad intrinsics, or pictures of another shape."""
        width, height = size_of(self.files[0])
        for name, (w, h), lens in zip(self.names, self.sizes, self.intrinsics, strict=True):
            where = f"{self.path}, camera of {name!r}"
            if not (1 <= w < 1e6 and 1 <= h < 1e6):  # nor is NaN
                raise InputError(f"{where}: can't be of a picture of {w:g}x{h:g} pixels")
            side = max(w, h)
            sound = np.isfinite(lens).all() and (lens[:2] > side / 100).all()
            if not (sound and (lens[:2] < 1000 * side).all() and (abs(lens[2:]) < 10 * side).all()):
                raise InputError(
                    f"{where}: focal length {lens[0]:g}, {lens[1]:g} or principal point "
                    f"{lens[2]:g}, {lens[3]:g} can't be of a picture of {w:g}x{h:g} pixels"
                )
            if abs(width * h / w - height) > 1 + 0.02 * height:
                raise InputError(
                    f"{where}: is of a picture of {w:g}x{h:g} pixels, but the pictures are "
                    f"{width}x{height}: they were turned or cropped after poses were found"
                )

    def warnings(self, share: Share = ALL) -> tuple[str, ...]:
        """What is odd about the pictures, though they can be read; of a share of them."""
        said = []
        marked = turned(self.files[share.of(len(self.files))])
        if marked:
            first = ", ".join(file.name for file in marked[:3]) + (", ..." if marked[3:] else "")
            said.append(
                f"{len(marked)} of {len(self.files)} pictures are marked to be shown turned "
                f"(EXIF: {first}): they are taken as they are stored; if their poses are of the "
                "turned ones, turn the pixels and drop the mark"
            )
        if not any(self.masks) and (self.path / "masks").is_dir():
            said.append(
                f"{self.path / 'masks'} is not read: only transforms files name masks (mask_path), "
                "and those of this scene name none"
            )
        return tuple(map(one_line, said))

    def splits(
        self,
        similarity: Similarity,
        downscale: int,
        wanted: tuple[str, ...] | None,
        share: Share = ALL,
    ) -> dict[str, Split]:
        """The pictures, parted; intrinsics that follow their true size. Of each split a share."""
        indices = every_eighth(self.names) if self.parts is None else self.parts
        for name in wanted or ():
            if name not in indices:
                raise InputError(f"{self.path}: has no split {name!r}; it has {', '.join(indices)}")
        splits = {
            name: self._split(indices[name], similarity, downscale, share)
            for name in wanted or indices
        }
        sizes = {(split.width, split.height) for split in splits.values()}
        if len(sizes) > 1:
            raise InputError(f"{self.path}: the pictures differ in size: {sorted(sizes)}")
        return splits

    def _split(
        self, picked: np.ndarray, similarity: Similarity, downscale: int, share: Share
    ) -> Split:
        part = share.of(len(picked))
        pictures = read_all([self.files[k] for k in picked], downscale, part)
        _, height, width, _ = pictures.shape
        zoom = np.array([width, height]) / self.sizes[picked]
        return Split(
            names=tuple(self.names[k] for k in picked),
            pictures=pictures,
            intrinsics=(self.intrinsics[picked] * np.tile(zoom, 2)).astype(np.float32),
            poses=moved(similarity, self.poses[picked]).astype(np.float32),
            distortion=None
            if self.distortion is None
            else self.distortion[picked].astype(np.float32),
            fisheye=self.fisheye,
            crops=self._crops(picked, width),
            masks=self._masks(picked, part, (width, height), downscale),
            first=part.start,
        )

    def _crops(self, picked: np.ndarray, width: int) -> Float[np.ndarray, " picked"] | None:
        """Radii in pixels of pictures of that `width`; None where there are none."""
        if self.crops is None or not np.isfinite(self.crops[picked]).any():
            return None
        return np.asarray(self.crops[picked] * width / self.sizes[picked, 0])

    def _masks(
        self, picked: np.ndarray, part: slice, size: tuple[int, int], downscale: int
    ) -> Bool[np.ndarray, "held h w"] | None:
        """Pixels to learn from, of pictures of that `size`: those that masks and crops leave."""
        kept, (width, height) = None, size
        named = [self.masks[k] if self.masks else None for k in picked]
        marked = [masks.of(self.files[k], name) for k, name in zip(picked, named, strict=True)]
        if any(marked):
            kept = masks.read(marked[part], (width * downscale, height * downscale), downscale)
        return kept


def pictures_in(folder: Path) -> Iterator[Path]:
    """The pictures of a folder and of those in it; what is hidden is none of them."""
    for file in folder.rglob("*"):
        inside = file.relative_to(folder).parts
        if is_picture(file) and not any(part.startswith(".") for part in inside):
            yield file


def has_pictures(path: Path) -> bool:
    """Whether there are pictures in one of the folders where `folder` looks for them."""
    return any(_holds(path / name) for name in FACTORS)


def _holds(folder: Path) -> bool:
    return any(True for _ in pictures_in(folder))

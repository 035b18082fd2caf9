"""Files that an export writes: what they may be called, and what is in them."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float, Int, UInt8

from data.errors import InputError
from nerf.export import origin
from nerf.export.cloud import Cloud
from nerf.export.surface import Mesh
from nerf.whole import whole, writable

ENDINGS = {
    "mesh": (".ply", ".glb", ".obj"),
    "points": (".ply",),
    "grid": (".npz",),
    "html": (".html", ".htm"),
}


def check(wanted: dict[str, Path], overwrite: bool) -> None:
    """InputError where a file can't be written, is there already or has an unknown ending."""
    if not wanted:
        raise InputError("export: say what: --mesh, --points, --grid or --html, and a file")
    for what, file in wanted.items():
        known = ENDINGS[what]
        if file.suffix.lower() not in known:
            raise InputError(f"--{what} {file}: unknown ending; give {' or '.join(known)}")
        if file.is_dir():
            raise InputError(f"--{what} {file}: is a folder; name a file")
        if file.exists() and not overwrite:
            raise InputError(f"--{what} {file}: exists; add --overwrite to replace it")
        if sum(file.resolve() == other.resolve() for other in wanted.values()) > 1:
            raise InputError(f"--{what} {file}: named twice; each needs a file of its own")
        if file.suffix.lower() == ".glb":
            origin.check(file, overwrite)
    for what, file in wanted.items():
        writable(file, f"--{what} {file}")


def write_mesh(mesh: Mesh, file: Path) -> Path | None:
    """Writes .ply (binary), .glb or .obj, with normals and vertex colours, or nothing at all.

    Returns the file of the local origin that the coordinates of a .glb are from, if they are; see
    `nerf.export.origin`.
    """
    if file.suffix.lower() != ".glb":
        whole(file, lambda part: _save(mesh, part))
        return None
    start = origin.local(mesh.vertices)
    beside = origin.keep(start, file)
    near = mesh._replace(vertices=mesh.vertices - start)
    whole(file, lambda part: _save(near, part))
    return beside


def _save(mesh: Mesh, file: Path) -> None:
    kind = file.suffix.lower()[1:]
    if kind == "ply":
        _save_ply(file, mesh.vertices, mesh.normals, mesh.colours, mesh.faces)
        return
    made = trimesh.Trimesh(
        mesh.vertices,
        mesh.faces,
        vertex_normals=mesh.normals,
        vertex_colors=mesh.colours,
        process=False,
    )
    more = {"digits": _digits(mesh)} if kind == "obj" else {}
    said: Any = made.export(file_type=kind, include_normals=True, **more)  # type: ignore[arg-type]
    file.write_bytes(said if isinstance(said, bytes) else said.encode())


def _digits(mesh: Mesh) -> int:
    """Behind the point, for a millionth of the extent; eight at least, for normals."""
    extent = float(np.ptp(mesh.vertices, axis=0).max())
    return max(8, 6 - math.floor(math.log10(extent))) if extent > 0 else 8


def save_points(cloud: Cloud, file: Path) -> None:
    """Writes .ply (binary): x y z, nx ny nz, red green blue."""
    _save_ply(file, cloud.points, cloud.normals, cloud.colours)


def _save_ply(
    file: Path,
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    colours: UInt8[np.ndarray, "n 3"],
    faces: Int[np.ndarray, "f 3"] | None = None,
) -> None:
    """Coordinates in 64 bits where 32 are too few (`nerf.export.origin`)."""
    wide = "<f8" if origin.far(points) else "<f4"
    row = np.dtype(
        [(name, wide) for name in ("x", "y", "z")]
        + [(name, "<f4") for name in ("nx", "ny", "nz")]
        + [(name, "u1") for name in ("red", "green", "blue")]
    )
    rows = np.empty(len(points), row)
    columns = np.concatenate([points, normals, colours], axis=1)
    for name, column in zip(row.names or (), columns.T, strict=True):
        rows[name] = column
    kinds = {"<f8": "double", "<f4": "float", "|u1": "uchar"}
    said = [f"property {kinds[row[name].str]} {name}" for name in row.names or ()]
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}", *said]
    triangles = np.empty(0 if faces is None else len(faces), [("n", "u1"), ("v", "<i4", 3)])
    if faces is not None:
        triangles["n"], triangles["v"] = 3, faces
        head += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    text = "\n".join([*head, "end_header\n"]).encode("ascii")
    file.write_bytes(text + rows.tobytes() + triangles.tobytes())

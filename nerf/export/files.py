"""Files that an export writes: what they may be called, and what is in them."""

from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from data.errors import InputError
from nerf.export.cloud import Cloud
from nerf.export.surface import Mesh
from nerf.whole import writable

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
    for what, file in wanted.items():
        writable(file, f"--{what} {file}")


def save_mesh(mesh: Mesh, file: Path) -> None:
    """Writes .ply (binary), .glb or .obj, with normals and vertex colours."""
    made = trimesh.Trimesh(
        mesh.vertices,
        mesh.faces,
        vertex_normals=mesh.normals,
        vertex_colors=mesh.colours,
        process=False,
    )
    kind = file.suffix.lower()[1:]
    normals = "vertex_normal" if kind == "ply" else "include_normals"
    said: Any = made.export(file_type=kind, **{normals: True})  # type: ignore[arg-type]
    file.write_bytes(said if isinstance(said, bytes) else said.encode())


def save_points(cloud: Cloud, file: Path) -> None:
    """Writes .ply (binary): x y z, nx ny nz, red green blue."""
    row = np.dtype([(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")])
    row = np.dtype(row.descr + [(name, "u1") for name in ("red", "green", "blue")])
    rows = np.empty(len(cloud.points), row)
    columns = np.concatenate([cloud.points, cloud.normals, cloud.colours], axis=1)
    for name, column in zip(row.names or (), columns.T, strict=True):
        rows[name] = column
    kinds = {"f": "float", "u": "uchar"}
    said = [f"property {kinds[row[name].kind]} {name}" for name in row.names or ()]
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}", *said]
    file.write_bytes("\n".join([*head, "end_header\n"]).encode("ascii") + rows.tobytes())

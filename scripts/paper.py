"""How training would scale to 8 and 64 GPUs, on paper: the tables of docs/scaling.md.

    python -m scripts.paper

Nothing is run. Bytes are those of the program (nerf/devices.py), checked against what the compiler
says by scripts/scaling.py; links and memories are as their maker publishes them; the seconds of a
GPU's own work are an assumption, and said to be one.
"""

from dataclasses import replace

from nerf.config import FieldConfig
from nerf.field import rows, vertices

SAMPLES = 2**18
"""Of one GPU and step; a quarter as many rays."""
OWN_WORK = 15e-3
"""Seconds for them, there and back, marching included: assumed. NerfAcc's CUDA kernels train 20,000
such steps in 269 s, 13.5 ms each, by its authors' table."""
NVLINK = 0.8 * 450e9
"""Bytes a second that a GPU sends to others in its machine: H100, 900 GB/s both ways together; four
fifths of it, assumed."""
INFINIBAND = 0.7 * 50e9
"""And to other machines: one port of NDR, 400 Gbit/s, for each GPU; seven tenths of it, assumed."""
MEMORY = 3.35e12
"""Bytes a second of its own memory (H100 SXM, HBM3)."""
INTEGERS = 14e12
"""Whole-number operations a second (132 multiprocessors x 64 x 1.7 GHz)."""
AGREEING = 0.3e-3
"""Seconds in which processes agree on the clock and on signals, twice a step: assumed."""
PICTURES, WIDTH, HEIGHT = 10_000, 1920, 1080

FIELDS = {
    "default": FieldConfig(),
    "large": replace(FieldConfig(), levels=16, level_features=2, log2_rows=21, finest=4096),
    "vast": replace(FieldConfig(), levels=16, level_features=2, log2_rows=24, finest=16384),
}


def step(size: int, devices: int, sharded: bool, samples: int = SAMPLES) -> dict[str, float]:
    """Seconds of each part of a step; of tables of `size` bytes, `samples` on each device."""
    link = NVLINK if devices <= 8 else INFINIBAND
    others = (devices - 1) / devices
    rays = samples // 4 * devices
    words = rays * 8  # picture, column, row; three channels behind; jitter; padding
    return {
        "own work": OWN_WORK * samples / SAMPLES,
        "tables": 2 * others * size / link,  # summed and spread, or gathered and dealt out
        "Adam": 7 * size / MEMORY / (devices if sharded else 1),
        "draw": 60 * words / INTEGERS,  # Threefry, on every device
        "colours": 4 * rays * others / link,
        "agreeing": AGREEING if devices > 8 else 0.0,
    }


def held(size: int, devices: int, sharded: bool) -> float:
    """Bytes on each device: tables, gradient, Adam's two moments and what is renewed; pictures."""
    tables = 2 * size + 4 * size / devices if sharded else 5 * size
    return tables + 4 * PICTURES * WIDTH * HEIGHT / devices


def bytes_of_tables(field: FieldConfig) -> int:
    """Of the tables of one field, float32."""
    return 4 * field.level_features * sum(rows(n, field) for n in vertices(field))


def main() -> None:
    """Prints both tables."""
    for name, field in FIELDS.items():
        size = bytes_of_tables(field)
        for devices in (1, 8, 64):
            for sharded in (False, True) if devices > 1 else (False,):
                parts = step(size, devices, sharded)
                whole = sum(parts.values())
                cells = [f"{1e3 * value:.2f}" for value in parts.values()]
                print(
                    f"| {name}, {size / 1e6:.0f} MB | {devices} | "
                    f"{'dealt out' if sharded else 'on each'} | {' | '.join(cells)} | "
                    f"{1e3 * whole:.1f} | {100 * OWN_WORK / whole:.0f} % | "
                    f"{held(size, devices, sharded) / 1e9:.1f} |"
                )
    print()
    for name, field in FIELDS.items():
        size = bytes_of_tables(field)
        one = sum(step(size, 1, False).values())
        for devices in (8, 64):
            whole = sum(step(size, devices, True, SAMPLES // devices).values())
            print(f"| {name} | {devices} | {1e3 * whole:.2f} | {one / whole:.1f} |")


if __name__ == "__main__":
    main()

"""Pictures: what of a file is read, in how much memory, and how what is broken is refused."""

import shutil
import struct
import subprocess
import tempfile
import tracemalloc
import zlib
from pathlib import Path
from types import SimpleNamespace

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from data import pictures
from data.errors import InputError
from data.pictures import is_picture, read_all, shrink, size_of, turned

AVIF = ["avif"] if "AVIF" in pictures.FORMATS else []  # since Pillow 11.3


def noise(h, w, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (h, w, channels), np.uint8)


def write(file, pixels, **options):
    Image.fromarray(pixels).save(file, **options)
    return file


def write_exr(file, pixels, kind=np.float32, channels="RGBA"):
    """An EXR of scan lines that nothing was done to; pixels [h w channels], named in order."""
    h, w, count = pixels.shape
    in_order = list(channels)[:count]
    names = sorted(in_order)

    def attribute(name, type_name, content):
        return name + b"\0" + type_name + b"\0" + struct.pack("<i", len(content)) + content

    number = {np.float32: 2, np.float16: 1, np.uint32: 0}[kind]
    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<iiii", number, 0, 1, 1) for name in names
    )
    window = struct.pack("<4i", 0, 0, w - 1, h - 1)
    header = b"v/1\x01" + struct.pack("<i", 2)
    header += attribute(b"channels", b"chlist", listed + b"\0")
    header += attribute(b"compression", b"compression", b"\0")
    header += attribute(b"dataWindow", b"box2i", window)
    header += attribute(b"displayWindow", b"box2i", window)
    header += attribute(b"lineOrder", b"lineOrder", b"\0")
    header += attribute(b"pixelAspectRatio", b"float", struct.pack("<f", 1))
    header += attribute(b"screenWindowCenter", b"v2f", struct.pack("<2f", 0, 0))
    header += attribute(b"screenWindowWidth", b"float", struct.pack("<f", 1)) + b"\0"
    order = [in_order.index(name) for name in names]
    lines = [b"".join(pixels[y, :, k].astype(kind).tobytes() for k in order) for y in range(h)]
    start = len(header) + 8 * h
    length = 8 + len(lines[0])
    table = struct.pack(f"<{h}Q", *(start + y * length for y in range(h)))
    body = b"".join(struct.pack("<ii", y, len(line)) + line for y, line in enumerate(lines))
    file.write_bytes(header + table + body)
    return file


def refusal(do, *arguments):
    with pytest.raises(InputError) as error:
        do(*arguments)
    line = str(error.value)
    assert "\n" not in line
    return line


def test_many_pictures_in_order(tmp_path):
    wanted = [noise(6, 8, 4, seed) for seed in range(40)]
    files = [write(tmp_path / f"{k}.png", pixels) for k, pixels in enumerate(wanted)]
    np.testing.assert_array_equal(read_all(files), np.stack(wanted))
    np.testing.assert_array_equal(read_all(files, 2), [shrink(pixels, 2) for pixels in wanted])
    assert size_of(files[0]) == (8, 6)


def test_one_copy_at_the_peak(tmp_path):
    files = [write(tmp_path / f"{k}.png", noise(100, 100, 4, k)) for k in range(40)]
    read_all(files[:1])
    tracemalloc.start()
    found = read_all(files)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.3 * found.nbytes


@pytest.mark.parametrize("ending", ["png", "webp", "jpg", "JPEG"])
def test_formats(tmp_path, ending):
    smooth = np.tile(np.arange(16, dtype=np.uint8)[:, None, None] * 16, (1, 16, 3))
    options = {"lossless": True} if ending == "webp" else {}
    [found] = read_all([write(tmp_path / f"a.{ending}", smooth, **options)])
    np.testing.assert_allclose(found[..., :3].astype(int), smooth, atol=3)
    assert (found[..., 3] == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16"])
def test_modes_become_straight_rgba(tmp_path, mode):
    grey = np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8)
    file = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    wanted = np.stack([grey, grey, grey, np.full_like(grey, 255)], axis=-1)
    if mode == "1":
        wanted[..., :3] = np.where(grey > 127, 255, 0)[..., None]
        Image.fromarray(wanted[..., 0]).convert("1", dither=Image.Dither.NONE).save(file)
    elif mode == "LA":
        wanted[..., 3] = grey[::-1]
        Image.fromarray(np.stack([grey, grey[::-1]], axis=-1), "LA").save(file)
    elif mode == "P":  # the colour in place 7 is the transparent one
        palette = noise(1, 256, 3)[0]
        image = Image.fromarray(grey).convert("P")
        image.putpalette(palette.tobytes())
        image.putdata(grey.ravel().tolist())
        image.save(file, transparency=int(grey[0, 3]))
        wanted[..., :3] = palette[grey]
        wanted[..., 3] = np.where(grey == grey[0, 3], 0, 255)
    elif mode == "I;16":
        Image.fromarray(grey.astype(np.uint16) * 257).save(file)
    else:
        Image.fromarray(grey).convert(mode).save(
            file, **({"quality": 100} if mode == "CMYK" else {})
        )
    [found] = read_all([file])
    np.testing.assert_allclose(found.astype(int), wanted, atol=3 if mode == "CMYK" else 0)


def test_orientation_beside_the_pixels_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    pixels = noise(4, 8, 3)
    file = tmp_path / "a.png"
    Image.fromarray(pixels).save(file, exif=exif)
    with Image.open(file) as image:
        assert image.getexif()[0x0112] == 6
    assert size_of(file) == (8, 4) and turned([file]) == [file]
    np.testing.assert_array_equal(read_all([file])[0, ..., :3], pixels)


@pytest.mark.parametrize("ending", ["jpg", "webp", "png"])
def test_which_pictures_are_marked_as_turned(tmp_path, ending):
    files = [tmp_path / f"{k}.{ending}" for k in range(11)]
    for orientation, file in enumerate(files):
        exif = Image.Exif()
        if orientation < 10:
            exif[0x0112] = orientation
        Image.fromarray(noise(4, 8, 3)).save(file, exif=exif)
    assert turned(files) == files[2:9]
    broken = write(tmp_path / f"broken.{ending}", noise(4, 8, 3), exif=b"Exif\0\0MM\0*\xff\xff")
    (tmp_path / "nothing.png").write_bytes(b"")
    assert turned([broken, tmp_path / "nothing.png", tmp_path / "nowhere.exr"]) == []


@pytest.mark.parametrize("ending", ["tif", "tiff", "bmp", "tga", "ppm", "jp2", "JPG", *AVIF])
def test_formats_that_pillow_reads(tmp_path, ending):
    pixels = np.tile(np.arange(0, 240, 30, dtype=np.uint8)[:, None, None], (1, 8, 3))
    file = tmp_path / f"a.{ending}"
    Image.fromarray(pixels).save(file)
    assert is_picture(file) and size_of(file) == (8, 8)
    np.testing.assert_allclose(read_all([file])[0, ..., :3].astype(int), pixels, atol=4)


def test_a_tiff_of_floats_is_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "a.tif")
    assert "holds floats" in refusal(read_all, [tmp_path / "a.tif"])


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_exr_is_bent_to_srgb(tmp_path, kind):
    linear = np.linspace(0, 1.5, 5 * 7 * 3).reshape(5, 7, 3)
    [found] = read_all([write_exr(tmp_path / "a: b %03d é.exr", linear, kind)])
    bent = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(found[..., :3] / 255, np.minimum(bent, 1), atol=0.51 / 255)
    assert (found[..., 3] == 255).all()


def srgb(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("channels", ["RGBA", "RGB", "Y"])
def test_numbers_of_an_exr_are_taken_as_they_are(tmp_path, kind, channels):
    """All halves in [0, 1]: through integers of 16 bits some are a step of 1/255 off."""
    halves = np.arange(15361, dtype=np.uint16).view(np.float16)[7::15].astype(float)
    light = halves.reshape(32, 32, 1).repeat(len(channels), -1)
    if "A" in channels:
        light[..., -1] = 1
    [found] = read_all([write_exr(tmp_path / "a.exr", light, kind, channels)])
    wanted = np.round(255 * srgb(halves)).reshape(32, 32)
    np.testing.assert_array_equal(found, np.stack([*[wanted] * 3, np.full((32, 32), 255)], -1))


@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("channels", ["RGBA", "RGB", "Y"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_exr_of_what_is_no_number(tmp_path, kind, channels, value):
    light = np.ones((6, 5, len(channels)))
    light[2, 3, 0] = value
    assert "no numbers" in refusal(read_all, [write_exr(tmp_path / "a.exr", light, kind, channels)])


@pytest.mark.parametrize(
    ("channels", "kind", "said"),
    [
        (["Y", "RY", "BY"], np.float16, "has the channels BY, RY, Y, not R, G and B nor Y alone"),
        (["a.R", "a.G", "a.B"], np.float16, "has the channels A.B, A.G, A.R, not R, G and B"),
        ("YA", np.float16, "has the channels A, Y, not R, G and B nor Y alone"),
        ("RG", np.float16, "has the channels G, R, not R, G and B"),
        ("Z", np.float32, "has the channels Z, not R, G and B"),
        ("RGB", np.uint32, "holds integers"),
    ],
)
def test_an_exr_of_other_channels(tmp_path, channels, kind, said):
    file = write_exr(tmp_path / "a.exr", np.ones((6, 5, len(channels))), kind, channels)
    assert said in refusal(read_all, [file])


@pytest.mark.parametrize("compression", ["rle", "zip1", "zip16"])
def test_exr_compressed(tmp_path, compression):
    pixels = np.tile(np.linspace(0, 1, 40)[:, None, None], (1, 9, 3))
    plain, packed = write_exr(tmp_path / "a.exr", pixels), tmp_path / "b.exr"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", plain, "-c:v", "exr"]
    subprocess.run([*command, "-compression", compression, packed], check=True)
    wanted, found = read_all([plain, packed])
    np.testing.assert_array_equal(found, wanted)
    whole = packed.read_bytes()
    packed.write_bytes(whole[:-1])
    assert "cut off" in refusal(read_all, [packed])
    if compression != "rle":  # which has no sum to check
        packed.write_bytes(whole[:-20] + b"\x80" * 20)
        assert "can't be decoded as a picture: " in refusal(read_all, [packed])


def test_exr_alpha_is_divided_out(tmp_path):
    alpha = np.array([[0, 0.25, 1]])[..., None]
    light = np.concatenate([0.5 * alpha, 0.2 * alpha, 0 * alpha, alpha], axis=-1)
    [found] = read_all([write_exr(tmp_path / "a.exr", light)])
    np.testing.assert_array_equal(found[0, :, 3], [0, 64, 255])
    np.testing.assert_array_equal(found[0, 1:, :3], [[188, 124, 0]] * 2)


def test_exr_broken(tmp_path):
    file = write_exr(tmp_path / "a.exr", np.ones((6, 5, 4)))
    whole = file.read_bytes()
    for cut in (1, 40, 200, 500):
        file.write_bytes(whole[:-cut])
        assert "cut off" in refusal(read_all, [file])
    file.write_bytes(whole[:5] + b"\x10" + whole[6:])
    assert "several parts" in refusal(read_all, [file])
    name = b"compression\0compression\0\1\0\0\0"
    file.write_bytes(whole.replace(name + b"\0", name + b"\x63"))
    assert "cut off or broken" in refusal(read_all, [file])
    window = struct.pack("<4i", 0, 0, 4, 5)
    turned = whole.replace(window, struct.pack("<4i", 4, 0, 0, 5))
    misnamed = whole.replace(b"displayWindow", b"displayWindoe")
    for broken in (b"", b"v/1\x01", whole[:60], misnamed, turned):
        file.write_bytes(broken)
        assert "not the header of an EXR" in refusal(size_of, file)


def bomb(file, width, height):
    """The header of a picture of that size, and no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = b""
    for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        chunks += struct.pack(">I", len(content)) + name + content
        chunks += struct.pack(">I", zlib.crc32(name + content))
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return file


@pytest.mark.parametrize("side", [8200, 10_000, 20_000, 2**30])
def test_a_bomb_is_refused_by_its_header(tmp_path, side):
    file = bomb(tmp_path / "a.png", side, side)
    for do in (size_of, lambda f: read_all([f])):
        line = refusal(do, file)
        assert "a.png" in line and "pixels that a picture may have" in line


def test_an_exr_bomb(tmp_path):
    file = write_exr(tmp_path / "a.exr", np.ones((2, 2, 3)))
    window, large = (struct.pack("<4i", 0, 0, side, side) for side in (1, 100_000))
    file.write_bytes(file.read_bytes().replace(window, large))
    assert "pixels that a picture may have" in refusal(read_all, [file])


@pytest.mark.parametrize("ending", ["png", "webp", "jpg"])
@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.9])
def test_cut_off(tmp_path, ending, kept):
    file = write(tmp_path / f"a.{ending}", noise(50, 50, 3))
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content)) if kept < 1 else kept])
    assert f"a.{ending}" in refusal(read_all, [file])


def test_only_pictures_are_taken_for_pictures(tmp_path):
    """Pillow would run a program for what claims to be PostScript."""
    file = tmp_path / "a.png"
    file.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n")
    assert "a.png" in refusal(read_all, [file])
    Image.fromarray(noise(4, 4, 3)).save(file, "PCX")
    assert "a.png" in refusal(read_all, [file])
    assert "is a folder" in refusal(read_all, [tmp_path])
    assert "can't be decoded" in refusal(read_all, [tmp_path / "nowhere.png"])


def test_refused_in_one_line(tmp_path):
    a, b = (write(tmp_path / f"{k}\n.png", noise(4, 4 + 2 * k, 3)) for k in range(2))
    assert "is 6x4" in refusal(read_all, [a, b]) and "\\n.png" in refusal(read_all, [a, b])
    assert "downscale 3" in refusal(read_all, [a], 3)
    assert "no pictures" in refusal(read_all, [])


def anonymous_memory():
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("the system doesn't say what memory a process has of its own")
    [line] = [line for line in status.read_text().splitlines() if line.startswith("RssAnon")]
    return 1024 * int(line.split()[1])


def test_beyond_the_cap_pictures_lie_in_a_file(tmp_path, monkeypatch):
    files = [write(tmp_path / f"{k}.png", noise(8, 8, 4, k)) for k in range(3)]
    files = files * 2  # whatever it is called
    whole = read_all(files)
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setenv("TMPDIR", str(room))
    monkeypatch.setattr(pictures, "MOST_BYTES", 1000)
    found = read_all(files)
    assert isinstance(found, np.memmap) and not isinstance(whole, np.memmap)
    np.testing.assert_array_equal(found, whole)
    assert not list(room.iterdir())  # it goes with the process, however that ends
    np.testing.assert_array_equal(read_all(files, 2), [shrink(picture, 2) for picture in whole])


def test_beyond_the_cap_no_memory_is_used(tmp_path, monkeypatch):
    file = write(tmp_path / "a.png", np.zeros((1000, 1000, 4), np.uint8))
    monkeypatch.setattr(pictures, "MOST_BYTES", 2**24)
    read_all([file])
    before = anonymous_memory()
    found = read_all([file] * 30)
    assert found.nbytes == 120_000_000
    assert anonymous_memory() - before < 40_000_000


def test_no_room_on_the_disk(tmp_path, monkeypatch):
    file = write(tmp_path / "a.png", noise(8, 8, 4))
    monkeypatch.setattr(pictures, "MOST_BYTES", 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert "TMPDIR" in refusal(read_all, [file])
    monkeypatch.undo()
    monkeypatch.setattr(pictures, "MOST_BYTES", 10)

    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert "No space left" in refusal(read_all, [file])


def test_shrunk_in_bands(monkeypatch):
    picture = noise(24, 12, 4)
    whole = shrink(picture, 2)
    monkeypatch.setattr(pictures, "_BAND", 12 * 2 * 5)
    np.testing.assert_array_equal(shrink(picture, 2), whole)

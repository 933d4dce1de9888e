"""Decode picture files, whatever they are, to uint8 arrays of one shape."""

import contextlib
import io
import itertools
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

# What cameras, phones and browsers write. Pillow knows more, but opens some of them with other programs (EPS).
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")  # MPO is opened as JPEG
HEIC = {b"heic", b"heim", b"heis", b"heix", b"hevc", b"hevx", b"mif1", b"msf1"}  # brands of what iPhones write


def decode_all(files, count, image_shape):
    """Decode many files, in threads; those that cannot be read are left out and named.

    Args:
        files: iterable of (name, file), the file a path or its bytes; the name is for messages.
        count: int, at least as many as there are files.
        image_shape: `(H, W, C)`, C is 1 or 3.

    Returns:
        images: uint8 `(M, H, W, C)` of the M readable ones, in their order.
        kept: int64 `(M,)`, their places in `files`.
        left_out: list of str, name and reason of each other file.
    """
    images, kept, left_out = np.empty((count, *image_shape), np.uint8), [], []
    numbered = enumerate(files)
    with _pillow_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        while chunk := list(itertools.islice(numbered, 256)):  # bytes of a large set never lie in memory all at once
            pictures = pool.map(lambda item: _decode_or_reason(item[1][1], image_shape), chunk)
            for (place, (name, _)), picture in zip(chunk, pictures):
                if isinstance(picture, str):
                    left_out.append(f"{name}: {picture}")
                else:
                    images[len(kept)] = picture
                    kept.append(place)
    return images[:len(kept)], np.array(kept, np.int64), left_out


def decode(file, image_shape):
    """Decode one picture: upright, in the channels asked for, scaled to cover the shape and cropped in its middle.

    The content decides what a file is, not its ending. EXIF orientation is applied, transparency is laid on white, of
    an animation the first frame is taken. Grey deeper than 8 bits is scaled down from the smallest of 8, 12 or 16 bits
    that holds its values (floats up to 1 from 1). Colour profiles are not applied.

    Args:
        file: path, or bytes.
        image_shape: `(H, W, C)`, C is 1 or 3.

    Returns:
        uint8 `(H, W, C)`.

    Raises:
        Exception: of whatever kind Pillow's decoder raises at a damaged file, or one beyond its limit of pixels.
    """
    with _pillow_warnings():
        return _decode(file, image_shape)


def _decode(file, image_shape):
    height, width, channels = image_shape
    with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=FORMATS) as picture:
        picture.draft(None, (2 * max(height, width),) * 2)  # large JPEGs: decode at a fraction, still twice the need
        picture.load()
        with contextlib.suppress(Exception):  # damaged EXIF data can raise anything; the pixels do not suffer from it
            ImageOps.exif_transpose(picture, in_place=True)
        plain = _plain_mode(picture)
    small = ImageOps.fit(plain, (width, height), Image.Resampling.BICUBIC)  # first: the full picture may be huge
    if small.has_transparency_data:
        white = Image.new("RGBA", small.size, "white")
        small = Image.alpha_composite(white, small.convert("RGBA"))
    return np.asarray(small.convert("RGB" if channels == 3 else "L"), np.uint8).reshape(image_shape)


def _plain_mode(picture):
    """Return the picture in a mode that can be scaled: 8 bits a channel, or float grey from 0 to 255."""
    if picture.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.array(picture, np.float32), copy=False, posinf=0, neginf=0)
        largest = values.max()
        values *= 255 / next((top for top in (1, 255, 4095, 65535) if largest <= top), largest)
        values += 0.5  # Pillow cuts the fraction off when it makes them 8 bits
        return Image.fromarray(values)
    if picture.mode in ("P", "PA", "1") or "transparency" in picture.info:
        opaque = "L" if picture.mode == "1" else "RGB"
        return picture.convert("RGBA" if picture.has_transparency_data else opaque)
    if picture.mode == "CMYK" and picture.format in ("JPEG", "MPO") and "adobe" not in picture.info:
        return ImageChops.invert(picture)  # Pillow takes every CMYK JPEG for Adobe's, which are stored inverted
    return picture


@contextlib.contextmanager
def _pillow_warnings():
    """Make too many pixels an error; pass over Pillow's remarks on notes beside the pixels, such as EXIF."""
    with warnings.catch_warnings():  # for the whole process, not one thread: so around a pool, never inside it
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _decode_or_reason(file, image_shape):
    try:
        return _decode(file, image_shape)
    except Exception as error:  # a damaged file can make a decoder raise anything
        return _reason(file, error)


def _reason(file, error):
    """Say in one line and plain words why a file was not read."""
    if isinstance(error, OSError) and error.errno:  # the system's, not Pillow's
        return f"cannot be opened: {error.strerror}"
    with io.BytesIO(file) if isinstance(file, bytes) else open(file, "rb") as opened:
        start = opened.read(16)
    if not start:
        return "empty file"
    if start[4:8] == b"ftyp" and start[8:12] in HEIC:
        return "HEIC, which cannot be read here: export it as JPEG"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture, or its beginning is damaged"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"more than {Image.MAX_IMAGE_PIXELS // 10**6} million pixels: make it smaller"
    return f"cut off or damaged: {' '.join(str(error).split())[:200] or type(error).__name__}"

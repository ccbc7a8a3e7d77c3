"""A shard as a tar that plain webdataset reads: ``NAME.jpg``, ``NAME.maps.zst``, ``NAME.meta.json`` a sample.

NAME is the sample's key, percent-encoded with its dots, since webdataset takes what follows the first dot for
the extension; so is the first of two leading underscores, since it skips names like ``__x__``. Members have
mode 0644, owner 0, time 0; the same samples give the same bytes.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from urllib.parse import quote

from formats.codecs import compress
from formats.members import EncodedSample, HashingFile, SampleIndex, Written
from formats.spec import EncodingSpec
from formats.storage import crc32c, partial_name

IMAGE_SUFFIX = {"jpeg": "jpg", "lz4": "rgb.lz4", "raw": "rgb"}
MEMBERS = ("image", "maps", "meta")


def member_name(key: str) -> str:
    """Return the name of a key's members in the tar, without extension."""
    name = quote(key, safe="/").replace(".", "%2E")
    return f"%5F{name[1:]}" if name.startswith("__") else name


_HEADER = tarfile.TarInfo().tobuf(tarfile.PAX_FORMAT)
"""Of a member without name and content."""
_SUM = int(_HEADER[148:154], 8) - sum(b"%011o" % 0)


def member_header(name: str, size: int) -> bytes:
    """Return the header of an ASCII name and a size, as `tarfile` writes it; it takes ten times as long.

    A short name, the size and the sum of all bytes are what differs from member to member.
    """
    if len(name) > tarfile.LENGTH_NAME or size >= 8**11:
        info = tarfile.TarInfo(name)
        info.size = size
        return info.tobuf(tarfile.PAX_FORMAT)
    named, sized = name.encode("ascii"), b"%011o" % size
    checksum = b"%06o" % (_SUM + sum(named) + sum(sized))
    return named.ljust(100, b"\0") + _HEADER[100:124] + sized + _HEADER[135:148] + checksum + _HEADER[154:]


class TarWriter:
    """Writes one tar shard; the file bears its final name only once `finish` has returned.

    Args:
        folder: where the shard goes.
        name: the shard's name, without extension.
        prefix: the folder's path in the set, for the manifest.
        encoding: how samples are encoded.
    """

    def __init__(self, folder: Path, name: str, prefix: str, encoding: EncodingSpec) -> None:
        self._final = folder / f"{name}.tar"
        self._partial = folder / partial_name(f"{name}.tar")
        self._path = f"{prefix}/{name}.tar"
        self._encoding = encoding
        self._file = HashingFile(self._partial)
        self._index = SampleIndex(dict.fromkeys(MEMBERS, 0))

    def add(self, sample: EncodedSample) -> None:
        """Append a sample; they must come sorted by key."""
        maps = b"".join(plane.data for plane in sample.planes.values())
        payloads = {
            "image": (IMAGE_SUFFIX[self._encoding.image], sample.image),
            "maps": ("maps.zst", compress(maps, self._encoding.zstd_level)),
            "meta": ("meta.json", sample.meta),
        }
        # One write a sample: of many small ones most would be calls of the system.
        at, parts, places = self._file.offset, list[bytes](), {}
        for member, (suffix, payload) in payloads.items():
            header = member_header(f"{member_name(sample.key)}.{suffix}", len(payload))
            places[member] = (at + len(header), len(payload), crc32c(payload))
            parts += header, payload, bytes(-len(payload) % tarfile.BLOCKSIZE)
            at += sum(map(len, parts[-3:]))
        self._file.write(b"".join(parts))
        self._index.add(sample, places)

    def finish(self) -> Written:
        """End the tar, give it its name and return its index."""
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))
        record = self._file.record(self._path)
        self._partial.replace(self._final)
        return Written([record], self._index.table())

    def abandon(self) -> None:
        """Remove what was written."""
        self._file.close()
        self._partial.unlink(missing_ok=True)

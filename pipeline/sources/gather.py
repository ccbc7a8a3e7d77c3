"""From the entries of all splits to records and rejected samples, each key once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from formats.errors import SourceError
from formats.places import Place
from formats.remote_path import RemotePath
from pipeline.collector import collector_paused
from pipeline.sources.image_paths import Inside, image_path, locate, printable
from pipeline.sources.record import Annotations, Entry, Rejected, SourceRecord, UnusableError
from pipeline.sources.settings import SourceSettings

ReadSplit = Callable[[SourceSettings, str], Iterator[Entry]]


@collector_paused()
def gather(settings: SourceSettings, read_split: ReadSplit) -> Annotations:
    """Read every split, find the images, and settle images that stand there more than once.

    Raises:
        SourceError: no such root, or a key in two splits; and what `read_split` raises.
    """
    root = _root(settings)
    settings = settings.model_copy(update={"root": root})
    within = Inside(root)
    records: list[SourceRecord] = []
    rejected: list[Rejected] = []
    split_of: dict[str, str] = {}
    for split in sorted(settings.splits):
        samples: dict[str, list[SourceRecord | Rejected]] = defaultdict(list)
        for entry in read_split(settings, split):
            if entry.unnamed:
                rejected.append(_without_image(split, entry))
                continue
            sample = _sample(settings, split, entry, within)
            samples[sample.key].append(sample)
        for key in sorted(samples):
            _check_split(split_of, key, split)
            sample = _settle(samples[key])
            if isinstance(sample, SourceRecord):
                records.append(sample)
            else:
                rejected.append(sample)
    return Annotations(tuple(records), tuple(sorted(rejected, key=lambda row: (row.split, row.key))))


def _root(settings: SourceSettings) -> Place:
    if isinstance(settings.root, RemotePath):
        return _remote_root(settings.root)
    try:
        root = settings.root.resolve()
        if root.is_dir():
            return root
        found = "a file" if root.exists() else f"nothing at {printable(str(root))}"
    except (OSError, ValueError, RuntimeError) as error:
        found = getattr(error, "strerror", None) or str(error)
    raise SourceError(
        f"source root {printable(str(settings.root))}",
        expected="a folder",
        found=found,
        next_step="set source.root=PATH; a relative one counts from the current folder",
    )


def _remote_root(root: RemotePath) -> RemotePath:
    """Return the root, which goes by listings: a build asks of each page whether it is there."""
    if root.is_dir():
        return root.listed()
    raise SourceError(
        f"source root {root}",
        expected="a prefix with objects below it",
        found="nothing there",
        next_step="set source.root=URL",
    )


def _without_image(split: str, entry: Entry) -> Rejected:
    """Reject an entry that names no image: each by itself, for no two are known to mean one."""
    key = entry.image if entry.image == entry.where else f"{entry.where}: {entry.image}"
    return _reject(printable(key, limit=1000), split, entry.problem or "names no image", entry)


def _sample(settings: SourceSettings, split: str, entry: Entry, within: Inside) -> SourceRecord | Rejected:
    key = printable(entry.image)
    try:
        folder = settings.images_folder(split) if entry.folder is None else entry.folder
        path = image_path(folder, entry.image, settings.image_path == "name")
        key = path.key
        if entry.problem is None:
            image = locate(settings.root, path, within)
            return SourceRecord(key, split, image, entry.texts, entry.where, entry.stated_size)
        return _reject(key, split, entry.problem, entry)
    except UnusableError as error:
        return _reject(key, split, entry.problem or error.reason, entry)


def _reject(key: str, split: str, problem: str, entry: Entry) -> Rejected:
    return Rejected(key, split, printable(problem, limit=1000), entry.where)


def _settle(samples: list[SourceRecord | Rejected]) -> SourceRecord | Rejected:
    first = samples[0]
    for other in samples[1:]:
        same = (
            isinstance(first, SourceRecord)
            and isinstance(other, SourceRecord)
            and (first.texts, first.stated_size) == (other.texts, other.stated_size)
        )
        if not same:
            places = " and ".join(dict.fromkeys(_where(sample) for sample in samples))
            reason = f"expected one annotation, found {len(samples)} that differ or cannot be read: {places}"
            return Rejected(first.key, first.split, reason, _where(first))
    return first


def _where(sample: SourceRecord | Rejected) -> str:
    return sample.annotation if isinstance(sample, SourceRecord) else sample.where


def _check_split(split_of: dict[str, str], key: str, split: str) -> None:
    other = split_of.setdefault(key, split)
    if other != split:
        raise SourceError(
            f"image {key!r}",
            expected="an image in one split",
            found=f"it in {other!r} and in {split!r}",
            next_step="take it out of one of them: a page learnt from must not judge what was learnt",
        )

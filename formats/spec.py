"""What decides what a set teaches, as frozen settings: geometry, targets, encoding, layout, variants.

Each class is one section of a build configuration and one named part of the fingerprint. A field belongs here
if it can change a stored byte, or what a stored byte means: `thresh_min` and `thresh_max` are the values that
the threshold map's lowest and highest byte stand for, and change none themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

Side = Annotated[int, Field(ge=32, le=8192, multiple_of=32)]
Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Byte = Annotated[int, Field(ge=0, le=255)]
Stretch = Annotated[float, Field(ge=0.5, le=2.0)]
Sigma = Annotated[float, Field(ge=0.0, le=10.0)]
Quality = Annotated[int, Field(ge=1, le=100)]
AS_RECORDED = "as recorded"
"""Context of `model_dump` for what a manifest holds and a fingerprint is made of: see `Section.later`."""


class Section(BaseModel):
    """A frozen section of a configuration: unknown fields are refused, numbers must be finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    later: ClassVar[Mapping[str, Any]] = {}
    """Fields that came after the first sets of this format, and their default: what those sets were made by.

    At that value a field stands in no manifest and in no fingerprint, so that older sets stay what they are.
    """

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        if info.context != AS_RECORDED:
            return values
        return {name: value for name, value in values.items() if (name, value) not in self.later.items()}

    def without_effect(self) -> tuple[str, ...]:
        """Name the fields that, as the others stand, change neither a stored byte nor what one means."""
        return ()


def semantic(section: Section) -> dict[str, Any]:
    """Return the fields of a section that have an effect, as JSON values: what its fingerprint is made of."""
    values: dict[str, Any] = section.model_dump(mode="json", context=AS_RECORDED)
    for name in section.without_effect():
        values.pop(name, None)
    return values


class GeometrySpec(Section):
    """How a page comes onto its canvas."""

    canvas: tuple[Side, Side] = Field((640, 640), description="height, width in pixels, multiples of 32")
    resize: Literal["longest", "shortest", "exact"] = Field(
        "longest",
        description="longest: the whole page fits the canvas, the rest is padded; shortest: the page covers "
        "the canvas, what sticks out is cut; exact: stretched to the canvas",
    )
    interpolation: Literal["area", "linear", "cubic", "lanczos"] = Field(
        "area", description="of the image when it shrinks; 'area' falls back to linear when it grows"
    )
    position: Literal["top_left", "center"] = Field(
        "top_left", description="where the page lies on its canvas"
    )
    pad_color: tuple[Byte, Byte, Byte] = Field((0, 0, 0), description="RGB of the padding")
    exif: Literal["apply", "ignore"] = Field(
        "apply", description="whether the EXIF orientation turns the page"
    )
    decode: Literal["full", "reduced"] = Field(
        "full",
        description="reduced: a JPEG at least four times as large as its page on the canvas is decoded at "
        "1/2, 1/4 or 1/8 of its sides, never below twice that size",
    )

    later = {"decode": "full"}

    def without_effect(self) -> tuple[str, ...]:
        """See Section."""
        return () if self.interpolation == "area" else ("decode",)


class TargetsSpec(Section):
    """How texts become maps (Liao et al., AAAI 2020, "Label generation")."""

    shrink_ratio: float = Field(0.4, gt=0.05, lt=0.98, description="r of D = A (1 - r^2) / L")
    thresh_min: Unit = Field(0.3, description="the threshold map far from an edge")
    thresh_max: Unit = Field(0.7, description="the threshold map on an edge")
    min_size: float = Field(8.0, ge=0.0, le=1024.0, description="shorter side of a text's box, canvas pixels")
    small_text: Literal["ignore", "keep"] = Field(
        "ignore", description="what to do with a text below min_size"
    )
    empty_shrink: Literal["ignore", "keep"] = Field(
        "ignore", description="what to do with a text whose probability map holds no pixel"
    )
    dont_care: Literal["mask", "background"] = Field(
        "mask",
        description="mask: the probability loss does not look inside; background: as if it were not there",
    )

    def without_effect(self) -> tuple[str, ...]:
        """See Section."""
        return ("min_size",) if self.small_text == "keep" else ()

    @model_validator(mode="after")
    def _ordered(self) -> TargetsSpec:
        if self.thresh_min >= self.thresh_max:
            raise ValueError(f"thresh_min ({self.thresh_min}) must be below thresh_max ({self.thresh_max})")
        return self


class EncodingSpec(Section):
    """How a sample becomes bytes."""

    container: Literal["tar", "zarr"] = Field("tar", description="a WebDataset tar, or a Zarr v3 group")
    maps: Literal["distance", "planes"] = Field(
        "distance", description="the distance plane, or the four maps"
    )
    image: Literal["jpeg", "lz4", "raw"] = Field(
        "jpeg",
        description="the page: JPEG, or lossless RGB; it is learnt from and evaluated as stored",
    )
    jpeg_quality: int = Field(90, ge=1, le=100, description="of the page")
    zstd_level: int = Field(1, ge=1, le=22, description="of the maps: 1 is fast, 9 some 15 % smaller")

    def without_effect(self) -> tuple[str, ...]:
        """See Section."""
        return () if self.image == "jpeg" else ("jpeg_quality",)

    @model_validator(mode="after")
    def _possible(self) -> EncodingSpec:
        if self.container == "zarr" and self.image == "lz4":
            raise ValueError("LZ4 is no codec of Zarr v3's core: use image jpeg or raw with container zarr")
        return self


class LayoutSpec(Section):
    """How samples are spread over shards."""

    samples_per_shard: int = Field(256, ge=1, le=100_000, description="at most; a fuller shard splits in two")


Splits = tuple[Annotated[str, Field(min_length=1)], ...]


class VariantsSpec(Section):
    """Distorted variants of pages, beyond what training may do to stored maps (pipeline/distortion.py).

    Variant 0 of a page is the page itself. Each field but `count` and `splits` decides the pixels of every
    variant; `count` and `splits` only which there are: those that two sets have in common are the same bytes.
    """

    count: int = Field(0, ge=0, le=64, description="distorted variants of each page, besides the page itself")
    seed: int = Field(0, ge=0, lt=1 << 32, description="of all that is drawn for variants")
    splits: Splits = Field(("train",), min_length=1, description="splits whose pages get variants")
    perspective: float = Field(
        0.05,
        ge=0.0,
        le=0.25,
        description="corners of the canvas move inwards by up to this share of its sides",
    )
    shear: float = Field(0.08, ge=0.0, le=0.5, description="x + s y, y + t x: s and t at most, either way")
    stretch: tuple[Stretch, Stretch] = Field(
        (0.85, 1.15), description="width over height, as a factor, from-to; the area stays"
    )
    elastic: float = Field(
        0.0, ge=0.0, le=0.1, description="greatest displacement of a point each way, in spacings of its grid"
    )
    elastic_spacing: int = Field(96, ge=16, le=1024, description="of the grid of displacements, pixels")
    blur: tuple[Sigma, Sigma] = Field((0.0, 0.8), description="sigma of a Gaussian, pixels, from-to")
    jpeg: tuple[Quality, Quality] = Field(
        (50, 95), description="quality of a JPEG in between, from-to; 100 to 100: none"
    )

    def without_effect(self) -> tuple[str, ...]:
        """See Section."""
        if not self.count:
            return tuple(name for name in type(self).model_fields if name != "count")
        return () if self.elastic else ("elastic_spacing",)

    def drawn(self) -> dict[str, Any]:
        """Return the fields that decide the pixels of a variant, as JSON values."""
        return {name: value for name, value in semantic(self).items() if name not in ("count", "splits")}

    def of(self, split: str) -> int:
        """Return how many variants the pages of a split have, the page itself not counted."""
        return self.count if split in self.splits else 0

    @model_validator(mode="after")
    def _ordered(self) -> VariantsSpec:
        for name in ("stretch", "blur", "jpeg"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} is from-to: {low} is above {high}")
        return self

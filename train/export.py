"""``python -m train.export``: a checkpoint as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NoReturn

import click

from formats.commands import run_command

PATH = click.Path(path_type=Path)


@click.command("train.export", context_settings={"max_content_width": 100})
@click.option("--checkpoint", type=PATH, required=True, help=".pt file, or the folder of a run: its best")
@click.option("--out", type=PATH, required=True, help="ONNX file to write; OUT.json is written beside it")
@click.option(
    "--size",
    type=click.IntRange(1, 16384),
    nargs=2,
    metavar="H W",
    help="the one page size it takes (default: any multiples of 32)",
)
@click.option(
    "--for",
    "tools",
    type=click.Choice(["any", "paddle", "opencv"]),
    default="any",
    show_default=True,
    help="paddle: BGR, as PaddleOCR and its kin give it; opencv: cv2.dnn.TextDetectionModel_DB",
)
def main(
    checkpoint: Path, out: Path, size: tuple[int, int] | None, tools: Literal["any", "paddle", "opencv"]
) -> None:
    """Write a checkpoint's probability map as ONNX, as tools that serve DBNet take it.

    Input x: float32 (N, 3, H, W), RGB, (pixel / 255 - mean) / std by ImageNet. Output prob: float32
    (N, 1, H, W), sigmoid applied. Normalisation, box settings and origin stand in the file's metadata and
    in OUT.json. Before anything is written, the map is compared with PyTorch's.

    Needs the packages of the extra `export`. docs/serving.md shows the file in use.

    \b
    Examples:
      python -m train.export --checkpoint runs/sroie --out sroie.onnx
      python -m train.export --checkpoint runs/sroie/last.pt --out fixed.onnx --size 960 736
      python -m train.export --checkpoint runs/sroie --out sroie_cv.onnx --for opencv
    """
    from train.onnx_model import export_onnx
    from train.trained import load_trained

    trained = load_trained(checkpoint, ["trainer.device=cpu"])
    click.echo(export_onnx(trained, out, size=size, tools=tools).text())


def program() -> NoReturn:
    """Run the command as a program; see `formats.commands.run_command`."""
    run_command(main)


if __name__ == "__main__":
    program()

"""``python -m train.predict``: texts of new images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import click

from formats.commands import progress, run_command, tell_error

PATH = click.Path(path_type=Path)


@click.command("train.predict", context_settings={"max_content_width": 100})
@click.option("--checkpoint", type=PATH, required=True, help=".pt file, or the folder of a run: its best")
@click.option(
    "--out", "folder", type=PATH, default="predictions", show_default=True, help="folder to write to"
)
@click.option("--no-overlays", is_flag=True, help="write no pictures")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="change the run's settings")
@click.option("--json", "as_json", is_flag=True, help="print the boxes on stdout as well")
@click.argument("images", nargs=-1, required=True, type=PATH)
def main(
    checkpoint: Path,
    folder: Path,
    no_overlays: bool,
    overrides: tuple[str, ...],
    as_json: bool,
    images: tuple[Path, ...],
) -> int:
    """Find the texts of image files, or of all images in folders.

    Writes boxes.json, and for each image res_NAME.txt (as ICDAR takes it: whole pixels) and NAME.png (boxes
    over the page). Coordinates are those of the image as it is seen, its EXIF orientation applied as in
    training. Images of kinds that are not read (.gif, .heic, .pdf, ...) are skipped in folders, and told.

    \b
    Examples:
      python -m train.predict --checkpoint runs/sroie page1.jpg page2.png
      python -m train.predict --checkpoint runs/sroie/best.pt --set boxes.threshold=0.4 --out boxes scans/
    """
    from train.prediction import Predictor, image_files, predict_files, skipped_images, skipped_text
    from train.trained import load_trained

    files = image_files(images)
    if skipped := skipped_images(images):
        click.echo(skipped_text(skipped), err=True)
    predictor = Predictor(load_trained(checkpoint, overrides))
    with progress(len(files), "predict") as shown:
        written = predict_files(predictor, files, folder, overlays=not no_overlays, advance=shown.advance)
    for error in written.failed:
        tell_error(error)
    texts = sum(len(record["texts"]) for record in written.records)
    click.echo(f"{len(written.records)} pages, {texts} texts: {folder}", err=as_json)
    if as_json:
        click.echo(json.dumps({"images": written.records}))
    return 1 if written.failed else 0


def program() -> NoReturn:
    """Run the command as a program; see `formats.commands.run_command`."""
    run_command(main)


if __name__ == "__main__":
    program()

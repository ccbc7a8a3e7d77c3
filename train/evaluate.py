"""``python -m train.evaluate``: the scores of a checkpoint on a split, or of plain detection files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NoReturn

import click

from formats.commands import PLACE, run_command
from formats.places import Place

EXISTING = click.Path(path_type=Path)


@click.command("train.evaluate", context_settings={"max_content_width": 100})
@click.option("--checkpoint", type=EXISTING, help=".pt file, or the folder of a run: its best")
@click.option("--shards", type=PLACE, help="folder of the set to evaluate on")
@click.option("--split", help="split of the set (default: the run's data.val)")
@click.option("--limit", type=click.IntRange(1), help="batches to evaluate at most")
@click.option("--detections", type=EXISTING, help="folder or zip of plain files instead: res_NAME.txt")
@click.option("--ground-truth", type=EXISTING, help="folder or zip of plain files: gt_NAME.txt")
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    help="icdar2015, polygon, cleval or total_text; may be repeated (default: icdar2015 and cleval, under "
    "boxes.shape=polygon polygon and cleval; of plain files icdar2015)",
)
@click.option(
    "--outline",
    type=click.Choice(["quad", "polygon"]),
    help="points of a line of plain files: 4, or any number (default: as the protocols need)",
)
@click.option("--images", type=EXISTING, help="folder of the plain files' pages, for --report")
@click.option(
    "--out",
    "folder",
    type=EXISTING,
    help="folder to write to: evaluation.json, boxes.json (as scored), and for each page res_NAME.txt (as "
    "ICDAR takes it: whole pixels, which may score otherwise in the third digit)",
)
@click.option("--report", "page", type=EXISTING, help="HTML file to write: the worst pages first")
@click.option("--json", "as_json", is_flag=True, help="machine-readable, on stdout")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def main(
    checkpoint: Path | None,
    shards: Place | None,
    split: str | None,
    limit: int | None,
    detections: Path | None,
    ground_truth: Path | None,
    protocols: tuple[str, ...],
    outline: Literal["quad", "polygon"] | None,
    images: Path | None,
    folder: Path | None,
    page: Path | None,
    as_json: bool,
    overrides: tuple[str, ...],
) -> None:
    """Score a checkpoint on a split of a set, or plain detection files against ground truth.

    Boxes are compared in the coordinates of the source images. KEY=VALUE words change those of the run's
    settings that an evaluation uses, for example boxes.threshold=0.4 or data.eval_size=960.

    \b
    Examples:
      python -m train.evaluate --checkpoint runs/sroie --shards sets/sroie --split test
      python -m train.evaluate --detections res.zip --ground-truth gt.zip --protocol icdar2015 --json
      python -m train.evaluate --detections res --ground-truth gt --report worst.html --images pages
    """
    from train.evaluation import evaluate_checkpoint, evaluate_files, save_evaluation, table
    from train.figures.evaluation_pages import write_pages

    if (checkpoint and shards) and not (detections or ground_truth):
        report = evaluate_checkpoint(checkpoint, shards, split, protocols, limit, overrides)
    elif (detections and ground_truth) and not (checkpoint or shards):
        report = evaluate_files(detections, ground_truth, protocols, outline)
    else:
        raise click.UsageError("give --checkpoint and --shards, or --detections and --ground-truth")
    if folder is not None:
        save_evaluation(report, folder)
    if page is not None:
        write_pages(report, report.shard_set, page, images)
    click.echo(report.json() if as_json else table(report))


def program() -> NoReturn:
    """Run the command as a program; see `formats.commands.run_command`."""
    run_command(main)


if __name__ == "__main__":
    program()

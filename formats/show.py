"""``python -m formats.show``: what is in a set, in figures and in pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import click

from formats.commands import PLACE, run_command, tell_error
from formats.errors import SetError, StorageError, UsageError
from formats.places import Place
from formats.wording import counted

PAGES = 12
"""On a sheet, where `--count` does not say."""


@click.command("formats.show", context_settings={"max_content_width": 100})
@click.argument("folder", metavar="DIR", type=PLACE)
@click.argument("key", required=False)
@click.option("--out", type=click.Path(path_type=Path), help="a PNG to write")
@click.option("--count", type=click.IntRange(1, 400), show_default=str(PAGES), help="pages on a sheet")
@click.option("--seed", type=int, help="take random pages, by this seed")
@click.option("--split", help="of this split only")
@click.option("--ratio", type=float, help="read a sample at this shrink ratio")
@click.option("--variants", is_flag=True, help="the sheet of a page and its variants, or of all of them")
@click.option("--json", "to_json", is_flag=True, help="the summary as JSON on stdout (docs/format.md)")
def main(
    folder: Place,
    key: str | None,
    out: Path | None,
    count: int | None,
    seed: int | None,
    split: str | None,
    ratio: float | None,
    variants: bool,
    to_json: bool,
) -> int:
    """Show what a set of shards holds, or one sample of it: in words, or with --out as a picture.

    The picture of a set is a sheet of pages with maps over them; that of a sample shows page, probability
    map, threshold map and masks, whole and magnified.

    Ends with 0, or with 2 where there is nothing to show.

    \b
    Example:
      python -m formats.show sets/sroie --out sheet.png
      python -m formats.show sets/sroie train/img/X51005230659.jpg --out page.png
      python -m formats.show sets/sroie train/img/X51005230659.jpg --variants --out variants.png
    """
    of_set, of_page = (out is not None and alone for alone in (key is None, key is not None))
    _check_use("--json", to_json, key is None and out is None, "neither KEY nor --out: it is of the summary")
    _check_use("--split", split is not None, out is not None, "--out FILE.png")
    _check_use("--variants", variants, out is not None, "--out FILE.png")
    _check_use("--count", count is not None, of_set, "--out FILE.png and no KEY")
    _check_use("--seed", seed is not None, of_set, "--out FILE.png and no KEY")
    _check_use(
        "--ratio", ratio is not None, of_page and not variants, "KEY, --out FILE.png and no --variants"
    )
    try:
        if out is not None:
            choice = (count or PAGES, seed)
            return _draw(folder, key, out, choice=choice, split=split, ratio=ratio, variants=variants)
        return _tell(folder, to_json) if key is None else _tell_sample(folder, key)
    except (SetError, StorageError) as error:
        tell_error(error)
        return 2


def _check_use(option: str, given: bool, of_use: bool, needs: str) -> None:
    if given and not of_use:
        raise UsageError(f"option {option}", expected=needs, next_step="leave it out, or see --help")


def _tell(folder: Place, to_json: bool) -> int:
    from formats.set_summary import summarize  # --help need not wait for pydantic

    summary = summarize(folder)
    click.echo(json.dumps(summary.as_json(), indent=1) if to_json else summary.human_text())
    return 0


def _tell_sample(folder: Place, key: str) -> int:
    from formats.pictures.set_pictures import (  # --help need not wait for Pillow and the codecs
        facts_of,
        number_of,
    )
    from formats.shards import ShardSet

    opened = ShardSet(folder, variants=True)
    click.echo(facts_of(opened, number_of(opened, key)))
    return 0


def _draw(
    folder: Place,
    key: str | None,
    out: Path,
    *,
    choice: tuple[int, int | None],
    split: str | None,
    ratio: float | None,
    variants: bool,
) -> int:
    from formats.pictures.picture import save_png  # --help need not wait for Pillow and the codecs
    from formats.pictures.set_pictures import choose, figure_of, number_of, sheet_of, variants_of
    from formats.shards import ShardSet

    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out}", expected="a file name that ends in .png")
    opened = ShardSet(folder, [split] if split else None, variants=variants or key is not None)
    shown = ""
    if key is not None and variants:
        numbers = variants_of(opened, number_of(opened, key))
        picture = sheet_of(opened, numbers, columns=min(len(numbers), 4))
    elif key is not None:
        picture = figure_of(opened, number_of(opened, key), ratio)
    else:
        numbers = choose(len(opened), *choice)
        picture = sheet_of(opened, numbers, columns=max(1, round((1.5 * len(numbers)) ** 0.5)))
        shown = f", {len(numbers)} of {counted(len(opened), 'sample')} (--count N for more)"
        shown *= len(numbers) < len(opened)
    save_png(out, picture)
    click.echo(f"{out}: {picture.shape[1]} x {picture.shape[0]} pixels{shown}")
    return 0


def program() -> NoReturn:
    """Run the command as a program; see `formats.commands.run_command`."""
    run_command(main)


if __name__ == "__main__":
    program()

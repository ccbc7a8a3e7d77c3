"""What ``python -m train.evaluate`` does: score a checkpoint or plain files, and tell of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from formats.commands import progress
from formats.errors import UsageError
from formats.places import Place
from formats.shards import ShardSet
from formats.storage import write_whole
from train.boxes import Detections
from train.plain_files import box_records, read_detections, read_truths, result_names, write_detections
from train.remote_reader import open_set
from train.score_points import score_points
from train.scoring import (
    FOR_POLYGONS,
    Evaluation,
    Outline,
    Page,
    check_outline,
    evaluation_of,
    protocols_named,
    score_page,
)
from train.trained import USED, load_trained, named
from train.validation import DEFAULT_PROTOCOLS, Validation

EVALUATED = (
    *USED,
    "data.val",
    "data.eval_batch_size",
    "data.stream.threads",
    "data.stream.verify",
    "data.storage",
    "trainer.limit_val_batches",
)
"""Settings, or sections of them, that an evaluation uses."""
NO_DETECTIONS = Detections((), np.zeros(0))


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation and what was evaluated.

    Attributes:
        what: plain values: checkpoint, set, split; or the files.
        evaluation: pages and scores.
        shard_set: the set that was evaluated on; None for plain files.
    """

    what: Mapping[str, Any]
    evaluation: Evaluation
    shard_set: ShardSet | None = None

    def json(self) -> str:
        """Return the report as JSON: what, metrics by protocol, pages (the worst first), and over the score.

        "by_score" is of the first protocol: precision and recall of the detections at or above a box score.
        """
        scores = {
            name: {field: value for field, value in asdict(score).items() if field != "per_page"}
            for name, score in self.evaluation.scores.items()
        }
        pages = [_page_record(page) for page in self.evaluation.worst_first]
        points = [asdict(point) for point in score_points(self.evaluation, next(iter(scores)))]
        found = {"what": dict(self.what), "metrics": scores, "by_score": points, "pages": pages}
        return json.dumps(found, indent=2)


def evaluate_checkpoint(
    checkpoint: Path,
    shards: Place,
    split: str | None,
    protocols: Sequence[str] = (),
    limit: int | None = None,
    overrides: Sequence[str] = (),
) -> EvaluationReport:
    """Evaluate a checkpoint on a split of a set.

    Args:
        checkpoint: a ``.pt`` file or a run's folder.
        shards: the set's folder.
        split: the split; None for the run's `data.val`.
        protocols: names of `train.scoring.PROTOCOLS`; none for the default ones.
        limit: batches; None for all, or as an override of `trainer.limit_val_batches` says. That of the run
            itself made its validations quick, and does not count.
        overrides: changes to the run's configuration.

    Raises:
        UsageError: no checkpoint or split; settings or protocols that do not fit.
        TextshardsError: no set, or damage in one.
    """
    _check_once(split, limit, overrides)
    trained = load_trained(checkpoint, overrides, EVALUATED)
    shape = trained.config.boxes.shape
    check_outline(protocols, shape, "boxes.shape")
    if "trainer.limit_val_batches" in named(overrides):
        limit = trained.config.trainer.limit_val_batches
    split = split or trained.config.data.val
    if split is None:
        raise UsageError("--split", expected="the split to evaluate on", found="a run without data.val")
    shard_set = open_set(shards, [split], trained.config.data.storage)[0]
    validation = Validation(
        shard_set,
        batch_size=trained.config.data.eval_batch_size,
        threads=trained.config.data.stream.threads,
        limit=limit,
        verify=trained.config.data.stream.verify,
        protocols=protocols or DEFAULT_PROTOCOLS[shape],
    )
    with progress(len(shard_set), "evaluate") as shown:
        evaluation = validation.run(trained.finder(shard_set.canvas), advance=shown.advance)
    assert evaluation is not None
    validation.stream.finish_hashing()
    what = {
        "checkpoint": str(trained.path),
        "step": trained.about["step"],
        "set": shard_set.manifest.fingerprint,
        "trained_on": trained.about["set"]["fingerprint"],
        "split": split,
        "pages": len(evaluation.pages),
        "eval_size": trained.config.data.eval_size,
        "boxes": trained.config.boxes.model_dump(mode="json"),
    }
    return EvaluationReport(what, evaluation, shard_set)


def _check_once(split: str | None, limit: int | None, overrides: Sequence[str]) -> None:
    options = {"--split": (split, "data.val"), "--limit": (limit, "trainer.limit_val_batches")}
    for option, (value, setting) in options.items():
        if value is not None and setting in named(overrides):
            raise UsageError(
                option,
                expected="one of it and the setting",
                found=f"{setting} too",
                next_step="leave one out",
            )


def evaluate_files(
    detections: Path,
    ground_truth: Path,
    protocols: Sequence[str] = (),
    outline: Outline | None = None,
) -> EvaluationReport:
    """Score plain detection files; see `train.plain_files`.

    A page without a file of detections is one where nothing was found.

    Args:
        detections: folder or zip.
        ground_truth: folder or zip.
        protocols: names of `train.scoring.PROTOCOLS`; none: icdar2015, of polygons polygon.
        outline: whether a line holds four points or any number; None: four, unless a protocol for polygons
            is among those asked for.

    Raises:
        UsageError: files that cannot be read, protocols that do not take the outlines, or detections of a
            page that has no ground truth.
    """
    names = list(protocols or ("polygon" if outline == "polygon" else "icdar2015",))
    chosen = protocols_named(names)
    if outline is None:
        outline = "polygon" if FOR_POLYGONS & {*names} else "quad"
    check_outline(names, outline, "--outline")
    quads = outline == "quad"
    truths = read_truths(ground_truth, quads=quads)
    found = read_detections(detections, quads=quads)
    if strangers := sorted(set(found) - set(truths)):
        raise UsageError(
            f"detections of {strangers[0]!r}" + (f" and {len(strangers) - 1} more" * (len(strangers) > 1)),
            expected=f"a page of {ground_truth}",
            found="no ground truth of that name",
            next_step="name the files res_NAME.txt and gt_NAME.txt",
        )
    pages = [score_page(key, truth, found.get(key, NO_DETECTIONS), chosen) for key, truth in truths.items()]
    what = {"detections": str(detections), "ground_truth": str(ground_truth), "pages": len(pages)}
    return EvaluationReport(what, evaluation_of(pages, names))


def table(report: EvaluationReport) -> str:
    """Return the scores as a person reads them, with the worst pages."""
    lines = [", ".join(f"{name} {value}" for name, value in report.what.items() if name in _HEADING), ""]
    lines += [f"{'':14}{'precision':>10}{'recall':>10}{'H-mean':>10}{'mean over pages':>18}"]
    for name, score in report.evaluation.scores.items():
        numbers = (
            f"{score.precision:>10.4f}{score.recall:>10.4f}{score.hmean:>10.4f}{score.macro_hmean:>18.4f}"
        )
        lines.append(f"{name:14}{numbers}")
    first = next(iter(report.evaluation.scores))
    lines += ["", f"worst pages ({first} H-mean, texts found of texts, detections):"]
    for page in report.evaluation.worst_first[:5]:
        of_page = page.scores[first]
        found = f"{len(of_page.pairs)} of {int((~page.truth.ignored_G).sum())}, {len(page.found)}"
        lines.append(f"  {of_page.hmean:.3f}  {found:>16}  {page.key}")
    return "\n".join(lines)


_HEADING = ("checkpoint", "step", "split", "pages", "detections", "ground_truth")


def save_evaluation(report: EvaluationReport, folder: Path) -> None:
    """Write ``evaluation.json``, ``boxes.json`` and each page's detections as ``res_NAME.txt``.

    NAME is the page's key without its image's suffix, or with it where two keys differ in that alone; path
    separators become ``_``, or ``%2F`` where two keys would be one. The text files have whole pixels, as
    ICDAR takes them; `boxes.json` has the boxes that were scored, by key, to the hundredth of a pixel.
    """
    pages = report.evaluation.pages
    names = _names([page.key for page in pages])
    write_detections(folder, {name: page.found for name, page in zip(names, pages, strict=True)})
    boxes = {"pages": [{"key": page.key, "texts": box_records(page.found)} for page in pages]}
    write_whole(folder / "boxes.json", json.dumps(boxes, indent=1).encode() + b"\n")
    write_whole(folder / "evaluation.json", report.json().encode() + b"\n")


def _names(keys: Sequence[str]) -> list[str]:
    flat = [key.replace("/", "_") for key in keys]
    if len(set(flat)) < len(flat):
        flat = [key.replace("%", "%25").replace("/", "%2F") for key in keys]
    return result_names(flat)


def _page_record(page: Page) -> dict[str, Any]:
    scores = {
        name: {"precision": score.precision, "recall": score.recall, "hmean": score.hmean}
        for name, score in page.scores.items()
    }
    texts = int((~page.truth.ignored_G).sum())
    return {"key": page.key, "texts": texts, "detections": len(page.found), **scores}

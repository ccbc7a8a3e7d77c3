"""Traps of half precision between loss, scaler and loop: each once as the fault, once as it is here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from train.journal.records import Position, Records, read_records
from train.learner import Learner
from train.loop import Loop, LoopSettings
from train.loss import LossSettings, detection_loss
from train.maps import Targets
from train.model import Logits
from train.precision import Precision, PrecisionError

CPU = torch.device("cpu")
BATCHES = 8


class Weight:
    """One weight w with loss w / 4; in the batches named, a gradient that float16's scale makes infinite."""

    def __init__(self, overflow: frozenset[int] = frozenset()) -> None:
        self.model: nn.Module = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.model.weight)  # type: ignore[arg-type]
        self.overflow = overflow

    def __len__(self) -> int:
        return BATCHES

    def batches(self, epoch: int, start: int) -> Iterator[int]:
        del epoch
        yield from range(start, BATCHES)

    def size(self, batch: int) -> int:
        del batch
        return 1

    def forward(self, batch: int) -> Tensor:
        del batch
        output: Tensor = self.model(torch.ones(1, 1))
        return output

    def losses(self, output: Tensor, batch: int) -> Mapping[str, Tensor]:
        loss = 0.25 * output.float().sum()
        return {"loss": loss + _steep(loss) if batch in self.overflow else loss}

    def validate(self, epoch: int) -> Mapping[str, float] | None:
        del epoch
        return {"hmean": 0.5}


def _steep(loss: Tensor) -> Tensor:
    """Return 0 with a gradient of 1e35 by `loss`: finite in float32, infinite once it is scaled by 2^14."""
    return 1e35 * (loss - loss.detach())


class Counting(torch.optim.SGD):
    """SGD that counts its updates."""

    updates = 0

    def step(self, closure: Any = None) -> Any:
        self.updates += 1
        return super().step(closure)


def make(
    folder: Path, task: Weight, *, clip_norm: float | None = None, accumulate: int = 1
) -> tuple[Loop[int], Counting, list[dict[str, Any]]]:
    optimizer, saved = Counting(task.model.parameters(), lr=1.0), []
    settings = LoopSettings(max_epochs=1, accumulate=accumulate, clip_norm=clip_norm, log_every=1)
    records = Records(folder / "metrics.jsonl", Position())
    loop = Loop(
        task,
        Learner(task.model, optimizer, Precision("16-mixed", CPU)),
        records,
        settings,
        lambda step: 1.0 / (1 + step),
        lambda _metrics: saved.append(loop.state_dict()),
    )
    return loop, optimizer, saved


def run(loop: Loop[int], folder: Path) -> list[dict[str, Any]]:
    try:
        loop.run(lambda: False)
    finally:
        loop.records.close()
    return [record for record in read_records(folder / "metrics.jsonl") if record["phase"] == "train"]


@pytest.mark.parametrize(("accumulate", "updates"), [(1, 8), (4, 2), (3, 3)])
def test_an_effective_batch_is_one_update(tmp_path: Path, accumulate: int, updates: int) -> None:
    loop, optimizer, _ = make(tmp_path, Weight(), accumulate=accumulate)
    records = run(loop, tmp_path)
    assert optimizer.updates == loop.records.position.step == updates
    # The gradient is the mean over the effective batch, neither its sum nor still scaled.
    assert [record["grad_norm"] for record in records] == pytest.approx([0.25] * updates, rel=1e-3)


def test_clipping_sees_true_gradients(tmp_path: Path) -> None:
    loop, _, _ = make(tmp_path, Weight(), clip_norm=1.0)
    run(loop, tmp_path)
    # A norm of 1/4 is below the limit of 1; scaled by 65,536 it would have been clipped to 1 / 65,536.
    rates = sum(1.0 / (1 + step) for step in range(BATCHES))
    assert loop.learner.model.state_dict()["weight"].item() == pytest.approx(-0.25 * rates, rel=1e-3)


def test_a_skipped_step_moves_no_weight_but_the_axis_and_is_logged(tmp_path: Path) -> None:
    loop, optimizer, _ = make(tmp_path, Weight(frozenset({2, 5})))
    records = run(loop, tmp_path)
    assert [record["global_step"] for record in records] == list(range(1, BATCHES + 1))
    assert [record["skipped_steps"] for record in records] == [0, 0, 1, 0, 0, 1, 0, 0]
    scales = [65536.0, 65536.0, 32768.0, 32768.0, 32768.0, 16384.0, 16384.0, 16384.0]
    assert [record["loss_scale"] for record in records] == scales
    assert all("grad_norm" not in record for record in records if record["skipped_steps"])
    assert [record["lr"] for record in records] == pytest.approx([1.0 / (1 + s) for s in range(BATCHES)])
    assert optimizer.updates == BATCHES - 2


def test_a_collapsing_scale_stops_the_run_with_advice(tmp_path: Path) -> None:
    loop, optimizer, _ = make(tmp_path, Weight(frozenset(range(BATCHES))))
    loop.learner.precision.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    loop.task.losses = _infinitely_steep  # type: ignore[method-assign]
    with pytest.raises(PrecisionError, match=r"trainer\.precision=bf16-mixed"):
        run(loop, tmp_path)
    assert optimizer.updates == 0
    assert loop.learner.model.state_dict()["weight"].item() == 0.0


def _infinitely_steep(output: Tensor, _batch: int) -> Mapping[str, Tensor]:
    loss = output.float().sum()
    return {"loss": loss + 3e38 * (loss - loss.detach()) + 3e38 * (loss - loss.detach())}


def test_the_scale_is_in_every_checkpoint_and_taken_up_again(tmp_path: Path) -> None:
    loop, _, saved = make(tmp_path, Weight(frozenset({1})))
    run(loop, tmp_path)
    assert saved[-1]["scaler"]["scale"] == 32768.0
    (tmp_path / "again").mkdir()
    again, _, _ = make(tmp_path / "again", Weight())
    again.learner.load_state_dict(saved[-1])
    again.records.close()
    assert again.learner.precision.scaler.get_scale() == 32768.0


def half_page() -> tuple[Logits, Targets]:
    random = torch.Generator().manual_seed(1)
    prob_NHW = (torch.rand(1, 512, 512, generator=random) < 0.3).float()
    logits_NHW = (6.0 * torch.randn(1, 512, 512, generator=random)).half()
    ones_NHW = torch.ones_like(prob_NHW)
    return Logits(logits_NHW, logits_NHW), Targets(prob_NHW, ones_NHW, 0.5 * ones_NHW, ones_NHW)


def test_autocast_off_without_a_cast_still_computes_in_half() -> None:
    logits, targets = half_page()
    with torch.autocast("cpu", enabled=False):
        naive = torch.sigmoid(logits.prob_NHW) * targets.prob_NHW.half()
        assert naive.dtype == torch.float16
        assert torch.isinf((naive + 1).sum())  # 512 x 512 pixels of 1 and more: beyond 65,504
    assert torch.isfinite(detection_loss(logits, targets, LossSettings()).total)


def test_a_cast_without_autocast_off_is_undone_by_the_next_convolution() -> None:
    kernel = torch.ones(1, 1, 1, 1)
    with torch.autocast("cpu", torch.bfloat16):
        assert functional.conv2d(torch.ones(1, 1, 2, 2).float(), kernel).dtype == torch.bfloat16
        with torch.autocast("cpu", enabled=False):
            assert functional.conv2d(torch.ones(1, 1, 2, 2).float(), kernel).dtype == torch.float32


def test_cross_entropy_of_float16_probabilities_is_infinite_where_ours_is_exact() -> None:
    wrong_NHW = torch.full((1, 2, 2), 12.0).half()
    assert torch.isinf(torch.log1p(-torch.sigmoid(wrong_NHW))).all()
    ones_NHW = torch.ones(1, 2, 2)
    targets = Targets(0 * ones_NHW, ones_NHW, ones_NHW, 0 * ones_NHW)
    assert float(detection_loss(Logits(wrong_NHW, wrong_NHW), targets, LossSettings()).prob) > 11.9


def test_an_epsilon_of_float16_is_zero() -> None:
    nothing = torch.zeros((), dtype=torch.float16)
    assert torch.isnan(nothing / (nothing + torch.tensor(1e-8).half()))

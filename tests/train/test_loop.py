from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from train.average import WeightAverage
from train.journal.records import Position, Records, read_records
from train.learner import Learner
from train.loop import Loop, LoopSettings
from train.optim import OptimSettings, build_optimizer, learning_rate
from train.precision import Precision, PrecisionError, PrecisionName

CPU = torch.device("cpu")
BATCHES = 7
OPEN: list[Records] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


class Line:
    """Fits y = x @ w with a little dropout, so that the random state counts too."""

    def __init__(self, seed: int = 3) -> None:
        torch.manual_seed(seed)
        self.model: nn.Module = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.05), nn.Linear(8, 1)
        )
        self.seen: list[tuple[int, int]] = []
        self.stop_validation = False
        self.poison: int | None = None

    def __len__(self) -> int:
        return BATCHES

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        x = torch.empty(6, 4)  # one memory for all batches, as the stream has
        for number in range(start, BATCHES):
            self.seen.append((epoch, number))
            draw = torch.Generator().manual_seed(1000 * epoch + number)
            torch.randn(6, 4, generator=draw, out=x)
            yield x, x.sum(1, keepdim=True) * (float("nan") if number == self.poison else 1.0)
            x.fill_(float("nan"))

    def size(self, batch: tuple[Tensor, Tensor]) -> int:
        return len(batch[0])

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        output: Tensor = self.model(batch[0])
        return output

    def losses(self, output: Tensor, batch: tuple[Tensor, Tensor]) -> Mapping[str, Tensor]:
        loss = (output.float() - batch[1]).square().mean()
        return {"loss": loss, "half": loss / 2}

    def validate(self, epoch: int) -> Mapping[str, float] | None:
        del epoch
        if self.stop_validation:
            return None
        x = torch.eye(4)
        return {"hmean": -float((self.model(x) - x.sum(1, keepdim=True)).square().mean())}


def make_loop(
    folder: Path,
    *,
    task: Line | None = None,
    state: Mapping[str, Any] | None = None,
    precision: PrecisionName = "32-true",
    decay: float | None = 0.9,
    lr: float = 0.05,
    **settings: Any,
) -> tuple[Loop[tuple[Tensor, Tensor]], list[dict[str, Any]]]:
    task = task or Line()
    plan = LoopSettings(**{"max_epochs": 3, "accumulate": 2, "log_every": 3, **settings})
    optim = OptimSettings(lr=lr, warmup_steps=2)
    written = state["records"] if state else 0
    position = Position(**state["position"]) if state else Position()
    records = Records(folder / "metrics.jsonl", position, written=written)
    OPEN.append(records)
    saved: list[dict[str, Any]] = []

    def save(metrics: Mapping[str, float]) -> None:
        buffer = io.BytesIO()
        torch.save(loop.state_dict(), buffer)
        buffer.seek(0)
        saved.append({"metrics": dict(metrics), "state": torch.load(buffer, weights_only=True)})

    learner = Learner(
        task.model,
        build_optimizer(task.model, optim),
        Precision(precision, CPU),
        WeightAverage(task.model, decay) if decay else None,
    )
    loop = Loop(
        task,
        learner,
        records,
        plan,
        lambda step: learning_rate(step, 4 * plan.max_epochs, optim),
        save,
    )
    if state:
        learner.load_state_dict(state)
        loop.load_state_dict(state)
    return loop, saved


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return the records without what a clock wrote."""
    return [
        {name: value for name, value in record.items() if name != "wall_s" and not name.startswith("time/")}
        for record in read_records(folder / "metrics.jsonl")
    ]


def stop_after(steps: int) -> Callable[[], bool]:
    left = iter(range(steps, -1, -1))
    return lambda: next(left) <= 1


def never() -> bool:
    return False


def assert_same(left: Any, right: Any) -> None:
    if isinstance(left, Tensor):
        assert torch.equal(left, right)
    elif isinstance(left, Mapping):
        assert left.keys() == right.keys()
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, list | tuple):
        assert len(left) == len(right)
        for a, b in zip(left, right, strict=True):
            assert_same(a, b)
    else:
        assert left == right


def test_it_learns_and_counts(tmp_path: Path) -> None:
    loop, saved = make_loop(tmp_path, max_epochs=20, decay=None)
    assert loop.run(never)
    records = lines(tmp_path)
    train = [record for record in records if record["phase"] == "train"]
    assert train[-1]["loss"] < train[0]["loss"] / 2
    assert all(record["half"] == pytest.approx(record["loss"] / 2) for record in train)
    assert [save["state"]["position"]["epoch"] for save in saved] == list(range(1, 21))
    # 7 batches in groups of 2: three whole groups and one of a single batch, 4 attempts an epoch.
    assert saved[0]["state"]["position"] == {"step": 4, "epoch": 1, "batch": 0, "samples": 42}
    assert saved[0]["metrics"].keys() == {"hmean"}
    assert [record["global_step"] for record in records] == sorted(r["global_step"] for r in records)


def test_accumulated_gradients_are_the_mean_over_the_group(tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = Line()
    task.model = nn.Linear(4, 1)
    two = itertools.islice(task.batches(0, 0), 2)
    batches = [(x.clone(), y) for x, y in two]
    both = (torch.cat([batch[0] for batch in batches]), torch.cat([batch[1] for batch in batches]))
    task.losses(task.forward(both), both)["loss"].backward()
    wanted = [weight.grad.norm() for weight in task.model.parameters() if weight.grad is not None]
    task.model.zero_grad()
    loop, _ = make_loop(tmp_path, task=task, decay=None, log_every=1)
    loop.run(stop_after(1))
    assert lines(tmp_path)[0]["grad_norm"] == pytest.approx(float(torch.stack(wanted).norm()), rel=1e-5)


@pytest.mark.parametrize("steps", [1, 3, 4, 6, 8, 11])
def test_a_stopped_run_goes_on_as_if_nothing_had_been(tmp_path: Path, steps: int) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole, saved = make_loop(tmp_path / "whole")
    assert whole.run(never)
    first, parts = make_loop(tmp_path / "parts")
    assert not first.run(stop_after(steps))
    assert first.records.position.step == steps
    torch.manual_seed(99)
    second, rest = make_loop(tmp_path / "parts", task=Line(seed=5), state=parts[-1]["state"])
    assert second.run(never)
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")
    last, other = saved[-1]["state"], rest[-1]["state"]
    assert_same({**last, "wall_s": 0}, {**other, "wall_s": 0})
    assert [save["metrics"] for save in parts[:-1] + rest] == [save["metrics"] for save in saved]


def test_the_pace_after_a_stop_is_over_the_time_its_pages_took(tmp_path: Path) -> None:
    first, saved = make_loop(tmp_path, accumulate=1, log_every=7)
    first.run(stop_after(6))
    first.meter.wait_s, first.meter.busy_s = 50.0, 100.0
    first.save({})
    second, _ = make_loop(tmp_path, accumulate=1, log_every=7, state=saved[-1]["state"])
    second.run(stop_after(1))
    (record,) = read_records(tmp_path / "metrics.jsonl")
    assert record["time/samples_per_s"] == pytest.approx(7 * 6 / 150, rel=0.05)
    assert record["time/data_wait_share"] == pytest.approx(1 / 3, rel=0.05)
    # Of this part alone: one batch that was there at once, not the 50 of 150 seconds.
    assert 0.0 <= second.data_wait_share <= 1.0
    assert second._busy_s + second._wait_s < 10.0


def test_a_checkpoint_that_holds_no_seconds_has_no_pace(tmp_path: Path) -> None:
    first, saved = make_loop(tmp_path, log_every=9)
    first.run(stop_after(4))  # the last step of an epoch, not logged yet
    state = saved[-1]["state"]
    second, _ = make_loop(tmp_path, log_every=9, max_epochs=1, state={**state, "meter": state["meter"][:4]})
    second.run(never)
    assert next(iter(read_records(tmp_path / "metrics.jsonl")))["time/samples_per_s"] is None


def test_a_kill_between_checkpoints_takes_the_lost_steps_again(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    make_loop(tmp_path / "whole")[0].run(never)
    first, saved = make_loop(tmp_path / "parts", save_every=5)
    first.run(stop_after(8))
    at_five = [save["state"] for save in saved if save["state"]["position"]["step"] == 5]
    second, _ = make_loop(tmp_path / "parts", state=at_five[0])
    second.run(never)
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")


def test_a_stop_during_validation_leaves_it_to_be_done(tmp_path: Path) -> None:
    task = Line()
    task.stop_validation = True
    loop, saved = make_loop(tmp_path, task=task)
    assert not loop.run(never)
    assert saved[-1]["state"]["position"] == {"step": 4, "epoch": 0, "batch": BATCHES, "samples": 42}
    task = Line()
    again, saved = make_loop(tmp_path, task=task, state=saved[-1]["state"])
    again.run(never)
    assert (0, 0) not in task.seen
    assert sum(record["phase"] == "val" for record in lines(tmp_path)) == 3


def test_two_runs_are_equal(tmp_path: Path) -> None:
    states = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        loop, saved = make_loop(tmp_path / name)
        loop.run(never)
        states.append({**saved[-1]["state"], "wall_s": 0})
    assert_same(*states)
    assert lines(tmp_path / "a") == lines(tmp_path / "b")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_every_precision_learns(tmp_path: Path, precision: PrecisionName) -> None:
    loop, _ = make_loop(tmp_path, precision=precision, max_epochs=20, decay=None)
    loop.run(never)
    losses = [record["loss"] for record in lines(tmp_path) if record["phase"] == "train"]
    assert losses[-1] < losses[0] / 2


def test_a_loss_that_is_no_number_stops_before_the_weights_move(tmp_path: Path) -> None:
    task = Line()
    task.poison = 4
    loop, _ = make_loop(tmp_path, task=task, accumulate=1)
    with pytest.raises(PrecisionError, match="the loss"):
        loop.run(never)
    assert loop.records.position.step == 4
    assert all(torch.isfinite(weight).all() for weight in task.model.parameters())


def test_the_average_is_what_is_evaluated_and_saved(tmp_path: Path) -> None:
    loop, saved = make_loop(tmp_path, decay=0.99)
    loop.run(never)
    own = {name: value.clone() for name, value in loop.learner.model.state_dict().items()}
    assert not torch.equal(loop.learner.weights["0.weight"], own["0.weight"])
    loop.learner.model.load_state_dict(loop.learner.weights)
    loop.learner.model.eval()
    with torch.no_grad():
        assert loop.task.validate(0) == saved[-1]["metrics"]
    assert_same(saved[-1]["state"]["model"], own)


def test_patience_ends_a_run_that_no_longer_improves(tmp_path: Path) -> None:
    loop, saved = make_loop(tmp_path, max_epochs=50, patience=2, lr=1e-12, decay=None)
    loop.task.validate = lambda epoch: {"hmean": 0.5}  # type: ignore[method-assign]
    assert loop.run(never)
    assert loop.records.position.epoch == 3
    assert len(saved) == 3


def test_validation_every_few_epochs_and_at_the_end(tmp_path: Path) -> None:
    loop, saved = make_loop(tmp_path, max_epochs=5, validate_every=2)
    loop.run(never)
    assert [bool(save["metrics"]) for save in saved] == [False, True, False, True, True]


def test_the_learning_rate_that_is_recorded_is_that_of_the_step(tmp_path: Path) -> None:
    task = Line()
    loop, _ = make_loop(tmp_path, task=task, accumulate=1, log_every=1, max_epochs=1)
    losses, used = task.losses, []

    def noted(*given: Any) -> Mapping[str, Tensor]:
        used.append(loop.learner.optimizer.param_groups[0]["lr"])
        return losses(*given)

    task.losses = noted  # type: ignore[method-assign]
    loop.run(never)
    assert [record["lr"] for record in lines(tmp_path) if record["phase"] == "train"] == used
    assert len(set(used)) > 3

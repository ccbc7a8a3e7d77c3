from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import train.checkpoint as module
from formats.errors import DamageError, UsageError
from train.checkpoint import Checkpoints, load_checkpoint

WEIGHTS = {"conv.weight": torch.arange(6.0).reshape(2, 3), "bn.steps": torch.tensor(7)}


def save(checkpoints: Checkpoints, step: int, hmean: float | None = None, **resume: Any) -> Path:
    metrics = {} if hmean is None else {"hmean": hmean}
    weights = {name: value + step for name, value in WEIGHTS.items()}
    return checkpoints.save(step, weights, {"metrics": metrics}, {"step": step, **resume})


def names(folder: Path) -> list[str]:
    found = sorted(path.name for path in (folder / "checkpoints").iterdir())
    return [f"{name[:14]}resume.pt" if name.endswith("resume.pt") else name for name in found]


def test_weights_come_back_with_what_is_known_of_them(tmp_path: Path) -> None:
    save(Checkpoints(tmp_path), 3, 0.5)
    for path in (
        tmp_path,
        tmp_path / "best.pt",
        tmp_path / "last.pt",
        tmp_path / "checkpoints/step_00000003.pt",
    ):
        checkpoint = load_checkpoint(path)
        torch.testing.assert_close(checkpoint.weights["conv.weight"], WEIGHTS["conv.weight"] + 3)
        assert checkpoint.about["metrics"] == {"hmean": 0.5}
        assert checkpoint.about["step"] == 3
    plain = torch.load(tmp_path / "best.pt", weights_only=True)
    assert list(plain) == list(WEIGHTS)
    assert json.loads((tmp_path / "best.json").read_text())["metrics"]["hmean"] == 0.5


def test_the_best_and_the_last_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_best=2)
    for step, hmean in enumerate([0.5, 0.9, 0.7, 0.9, 0.1], start=1):
        save(checkpoints, step, hmean)
    assert checkpoints.ranking() == ["step_00000004", "step_00000002", "step_00000005"]
    assert names(tmp_path) == [
        "step_00000002.json",
        "step_00000002.pt",
        "step_00000004.json",
        "step_00000004.pt",
        "step_00000005.resume.pt",
        "step_00000005.json",
        "step_00000005.pt",
    ]
    assert load_checkpoint(tmp_path / "best.pt").about["step"] == 4
    assert load_checkpoint(tmp_path / "last.pt").about["step"] == 5


def test_a_checkpoint_without_evaluation_is_never_the_best(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    assert checkpoints.best() is None
    assert not (tmp_path / "best.pt").exists()
    assert load_checkpoint(tmp_path).about["step"] == 1
    save(checkpoints, 2, 0.3)
    save(checkpoints, 3)
    assert (checkpoints.best() or {})["step"] == 2
    assert load_checkpoint(tmp_path).about["step"] == 2


def test_under_another_monitor_the_best_is_linked_though_it_is_not_the_newest(tmp_path: Path) -> None:
    def save_both(checkpoints: Checkpoints, step: int, hmean: float, cleval: float) -> None:
        metrics = {"hmean": hmean, "cleval/hmean": cleval}
        checkpoints.save(step, WEIGHTS, {"metrics": metrics}, {})

    for step, hmean, cleval in ((5, 0.9, 0.5), (10, 0.8, 0.7)):
        save_both(Checkpoints(tmp_path, monitor="hmean"), step, hmean, cleval)
    assert load_checkpoint(tmp_path).about["step"] == 5
    save_both(Checkpoints(tmp_path, monitor="cleval/hmean"), 15, 0.85, 0.6)
    assert load_checkpoint(tmp_path / "best.pt").about["step"] == 10
    assert load_checkpoint(tmp_path).about["step"] == 10


def test_scores_that_do_not_compare_are_never_the_best_and_their_checkpoints_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1, 0.9)
    save(checkpoints, 2, 0.8)
    checkpoints.scores_from = 3
    assert checkpoints.best() is None
    for step, hmean in ((3, 0.4), (4, 0.5), (5, 0.3)):
        save(checkpoints, step, hmean)
    assert (checkpoints.best() or {})["step"] == 4
    assert load_checkpoint(tmp_path / "best.pt").about["step"] == 4
    assert [name for name in names(tmp_path) if name.endswith("0.json") or "json" in name] == [
        f"step_0000000{step}.json" for step in (1, 2, 4, 5)
    ]


def test_going_on_takes_the_newest(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.load_resume() is None
    save(checkpoints, 9, 0.9, optimizer={"state": {0: torch.ones(2)}})
    save(checkpoints, 10, 0.8, optimizer={"state": {0: torch.zeros(2)}})
    found = checkpoints.load_resume()
    assert found is not None
    checkpoint, resume = found
    assert checkpoint.about["step"] == resume["step"] == 10
    assert not resume["optimizer"]["state"][0].any()


def test_a_step_saved_again_replaces_itself(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1, where="before its evaluation")
    save(checkpoints, 1, 0.5, where="after it")
    found = checkpoints.load_resume()
    assert found is not None
    assert found[1]["where"] == "after it"
    assert names(tmp_path).count("step_00000001.resume.pt") == 1


@pytest.mark.parametrize("again", [False, True])
def test_a_kill_at_any_write_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    writes = 0

    def die_at(count: int) -> Any:
        def write(path: Path, data: bytes) -> None:
            nonlocal writes
            writes += 1
            if writes == count:
                path.with_name(path.name + ".partial").write_bytes(data[: len(data) // 2])
                raise KeyboardInterrupt
            path.write_bytes(data)

        return write

    for count in (1, 2, 3):
        folder = tmp_path / str(count)
        folder.mkdir()
        checkpoints = Checkpoints(folder)
        save(checkpoints, 1, 0.5, mark="whole")
        with monkeypatch.context() as patch:
            writes = 0
            patch.setattr(module, "write_whole", die_at(count))
            with pytest.raises(KeyboardInterrupt):
                save(checkpoints, 1 if again else 2, 0.9, mark="cut")
        found = checkpoints.load_resume()
        assert found is not None
        assert found[1] == {"step": 1, "mark": "whole"}
        assert load_checkpoint(folder / "best.pt").about["metrics"]["hmean"] == 0.5
        save(checkpoints, 2, 0.7)
        assert load_checkpoint(folder / "best.pt").about["step"] == 2
        assert names(folder).count("step_00000002.resume.pt") == 1


def test_damage_and_absence_have_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"train\.run"):
        load_checkpoint(tmp_path / "none.pt")
    path = save(Checkpoints(tmp_path), 1, 0.5)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamageError):
        load_checkpoint(tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(UsageError, match=r"\.json"):
        load_checkpoint(path)


@pytest.mark.parametrize(("name", "found"), [("a.onnx", "a .onnx file"), ("weights", "a file of no suffix")])
def test_another_kind_of_file_is_no_checkpoint(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        load_checkpoint(tmp_path / name)
    assert caught.value.expected.startswith("a .pt file, or the folder of a run")
    assert caught.value.found == found


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    path = save(Checkpoints(tmp_path), 1, 0.5)
    torch.save({"weights": Path("/")}, path)
    about = json.loads(path.with_suffix(".json").read_text())
    about["files"]["weights"]["sha256"] = module.sha256(path.read_bytes())
    path.with_suffix(".json").write_text(json.dumps(about))
    with pytest.raises(Exception, match=r"[Ww]eights"):
        load_checkpoint(path)


def test_copies_of_both_files_are_a_checkpoint(tmp_path: Path) -> None:
    save(Checkpoints(tmp_path / "run"), 1, 0.5)
    for suffix in ("pt", "json"):
        (tmp_path / f"mine.{suffix}").write_bytes((tmp_path / f"run/best.{suffix}").read_bytes())
    assert load_checkpoint(tmp_path / "mine.pt").about["step"] == 1


def test_the_first_score_that_compares_is_ranked(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 2, 0.9)
    checkpoints.scores_from = 3
    save(checkpoints, 3, 0.4)
    assert checkpoints.ranking() == ["step_00000003"]


def test_weights_and_what_is_known_of_them_are_of_one_checkpoint_while_links_move(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_best=2)
    save(checkpoints, 1, 0.5)
    save(checkpoints, 2, 0.4)
    # As a kill leaves them between the two: best.pt is of step 2 already, best.json still of step 1.
    (tmp_path / "best.pt").unlink()
    (tmp_path / "best.pt").symlink_to("checkpoints/step_00000002.pt")
    for path in (tmp_path, tmp_path / "best.pt"):
        found = load_checkpoint(path)
        assert (found.about["step"], found.path.name) == (2, "step_00000002.pt")
        assert torch.equal(found.weights["bn.steps"], WEIGHTS["bn.steps"] + 2)

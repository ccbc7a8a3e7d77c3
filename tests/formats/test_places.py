"""Words of a command line, as folders and as addresses of object storage."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from subprocess import run

import pytest

from formats.errors import UsageError
from formats.places import below, name_below, place
from formats.remote_path import RemotePath


def test_a_word_is_a_folder_or_a_url(tmp_path: Path) -> None:
    assert place("sets/a") == Path("sets/a")
    assert place(f"file://{tmp_path}") == tmp_path
    remote = place("s3://bucket/prefix/")
    assert isinstance(remote, RemotePath)
    assert str(remote / "shards" / "a.tar") == "s3://bucket/prefix/shards/a.tar"
    assert (remote / "a.tar").suffix == ".tar" and (remote / "a.tar").parent == remote
    assert name_below(remote / "x" / "y", remote) == "x/y"
    assert pickle.loads(pickle.dumps(remote)) == remote
    assert below(remote, "s3://other/x") == RemotePath("s3://other/x")
    assert below(remote, "/tmp/x") == Path("/tmp/x")
    with pytest.raises(ValueError):
        name_below(remote, remote / "x")


@pytest.mark.parametrize("url", ["s3://key:secret@bucket/a", "s3://b/a?X-Amz-Signature=secret"])
def test_keys_in_a_url_are_refused_and_not_shown(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        place(url)
    assert "secret" not in str(caught.value) and "key:" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "told"),
    [("s3:/bucket/x", "write s3://bucket/x"), ("gs:bucket", "write gs://bucket")]
    + [(word, "name a bucket") for word in ("s3://", "s3:/", "az:")],
)
def test_an_address_with_a_slip_is_no_folder(word: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        place(word)
    assert (caught.value.thing, caught.value.next_step) == (word, told)


def test_a_folder_that_is_called_as_storage_is_can_be_said() -> None:
    assert place("./s3:") == Path("s3:")


def test_local_work_imports_no_client() -> None:
    code = "import sys, formats.shards, formats.places; sys.exit('fsspec' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0

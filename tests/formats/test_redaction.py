"""What opens an address never shows."""

from __future__ import annotations

import pytest

from formats.errors import TextshardsError
from formats.redaction import holds_secret, redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://bucket/a b", "s3://bucket/a b"),
        ("reading s3://key:secret@bucket/a, again", "reading s3://***@bucket/a, again"),
        ("https://host/a?X-Amz-Signature=secret&x=1 failed", "https://host/a?*** failed"),
        ("'http://u:p@h:80/x?y' and s3://b/c", "'http://***@h:80/x?***' and s3://b/c"),
        ("what? a question", "what? a question"),
    ],
)
def test_users_passwords_and_queries_are_hidden(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert holds_secret(text) == (text != shown)


def test_errors_hide_them_wherever_they_stand() -> None:
    error = TextshardsError(
        "https://h/x?sig=hidden", expected="s3://k:hidden@b", found="az://hidden@b", next_step="x"
    )
    assert "hidden" not in str(error)

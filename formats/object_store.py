"""Requests to object storage, by fsspec: each tried again for a while, with a clear end and a clear error.

Retries are made here and nowhere else: those of the clients beneath are turned off, so that how long a
request may take is one rule, written in docs/storage.md. Keys, regions and endpoints are the clients' own
affair (environment, profiles, instance roles): nothing here reads, keeps or shows them.
"""

from __future__ import annotations

import errno
import math
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from formats.errors import AccessError, DamageError, StorageError, TextshardsError, UsageError
from formats.redaction import redacted

ATTEMPTS = "TEXTSHARDS_STORAGE_ATTEMPTS"
TIMEOUT = "TEXTSHARDS_STORAGE_TIMEOUT"
SLOWEST = 100_000
"""Bytes a second: a request that is slower over its whole length is cut and tried again."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 8.0
CONNECTIONS = 64

_PLUG_INS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
_ENVIRONMENT = ("AWS_", "FSSPEC_", "GOOGLE_", "AZURE_", "TEXTSHARDS_STORAGE_")
_THROTTLED = {"SlowDown", "ServiceUnavailable", "503", "429", "TooManyRequests", "Throttling"} | {
    "ThrottlingException",
    "RequestLimitExceeded",
}
_TRANSIENT = _THROTTLED | {"500", "502", "504", "InternalError", "RequestTimeout", "OperationAborted", "409"}
_TRANSIENT |= {"IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "NoSuchUpload"}
_KEYLESS = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "ProfileNotFound",
} | {
    "DefaultCredentialsError",
    "ClientAuthenticationError",
    "TokenRetrievalError",
    "SSOTokenLoadError",
}
_STATUS_TELLING = ("gcsfs", "google", "azure", "adlfs")
_FAULTY = ("aiohttp", "botocore", "aiobotocore", "asyncio", "fsspec", "google", "gcsfs", "azure", "urllib3")

_OTHER_BYTES = "FlexibleChecksumError"
"""What S3's clients raise where a body is not what the answer's checksum says."""
_PAST_END = ("InvalidRange", "416")

Answer = TypeVar("Answer")
_opened: dict[tuple[Any, ...], Any] = {}
_opening = threading.Lock()


class PastEndError(StorageError):
    """A range that begins behind an object's last byte: the object is shorter than somebody believed."""


def attempts() -> int:
    """Return how often a request is tried: 7 times, or what the environment says.

    Raises:
        UsageError: that is no number of at least 1.
    """
    return int(_number(ATTEMPTS, 7, "a number of at least 1", lambda number: number >= 1))


def timeout_s() -> float:
    """Return for how many seconds a server may say nothing: 30, or what the environment says.

    Raises:
        UsageError: that is no number above 0.
    """
    return _number(TIMEOUT, 30.0, "a number of seconds above 0", lambda number: number > 0)


def _number(name: str, default: float, expected: str, fits: Callable[[float], bool]) -> float:
    try:
        number = float(os.environ.get(name, default))
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and fits(number)):
        raise UsageError(
            name, expected=expected, found=os.environ[name], next_step=f"set it so, or leave {name} out"
        )
    return number


def file_system(scheme: str) -> Any:
    """Return fsspec's file system for a scheme, one a process and environment.

    Raises:
        UsageError: nothing installed reads such addresses.
    """
    settings = sorted(pair for pair in os.environ.items() if pair[0].startswith(_ENVIRONMENT))
    key = (scheme, os.getpid(), hash(tuple(settings)))
    with _opening:
        if key not in _opened:
            _opened[key] = _open(scheme)
        return _opened[key]


def _open(scheme: str) -> Any:
    try:
        import fsspec  # not needed for sets on a disk

        if scheme not in ("s3", "s3a"):
            return fsspec.filesystem(scheme, use_listings_cache=False, skip_instance_cache=True)
        config = {
            "connect_timeout": timeout_s(),
            "read_timeout": timeout_s(),
            "max_pool_connections": CONNECTIONS,
            "retries": {"total_max_attempts": 1, "mode": "standard"},
        }
        opened = fsspec.filesystem(
            scheme, use_listings_cache=False, skip_instance_cache=True, config_kwargs=config
        )
        opened.retries = 1
        return opened
    except (ImportError, ValueError) as error:
        plug_in = _PLUG_INS.get(scheme)
        raise UsageError(
            f"{scheme}://",
            expected="a kind of storage that fsspec or a plug-in of it reads",
            found=redacted(str(error)),
            next_step=f"pip install fsspec {plug_in}" if plug_in else "see docs/storage.md for those known",
        ) from None


def request(what: str, url: str, call: Callable[[Any, float], Answer], size: int = 0) -> Answer:
    """Make a request, again and again where the fault may pass.

    Args:
        what: what is done, for errors: "reading".
        url: the object.
        call: makes the request with the file system and the seconds it may take.
        size: bytes that travel, as far as known.

    Raises:
        FileNotFoundError: there is no such object; not tried again.
        PastEndError: the object ends before the range that was asked for; not tried again.
        AccessError: keys that do not open it, or no such bucket; not tried again.
        DamageError: what came was not what the storage's checksum says, until the last attempt.
        StorageError: the storage answered with a fault, or not at all, until the last attempt.
    """
    scheme = url.partition("://")[0]
    store, tries, began = file_system(scheme), attempts(), time.monotonic()
    for attempt in range(1, tries + 1):
        try:
            return call(store, timeout_s() + size / SLOWEST)
        except FileNotFoundError as error:
            if code_of(error) == "NoSuchBucket":
                raise _no_bucket(url) from None
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), redacted(url)) from None
        except TextshardsError:
            raise
        except Exception as error:
            fault = _final(error, what, url)
            if fault is not None:
                raise fault from None
            if attempt == tries:
                raise _gave_up(error, what, url, tries, time.monotonic() - began) from None
        pause = min(FIRST_PAUSE_S * 2 ** (attempt - 1), LONGEST_PAUSE_S)
        time.sleep(pause * random.uniform(0.5, 1.0))
    raise AssertionError


def code_of(error: BaseException) -> str:
    """Return the code that a server's answer bears, such as "NoSuchKey"; "" where there is none."""
    for fault in (error, error.__cause__):
        response = getattr(fault, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        # Only of these clients: elsewhere such a field says what the client thinks of a cut answer.
        if type(fault).__module__.partition(".")[0] in _STATUS_TELLING:
            status = getattr(fault, "status_code", None) or getattr(fault, "code", None)
            return str(status) if isinstance(status, int) else ""
    return ""


def _final(error: Exception, what: str, url: str) -> Exception | None:
    """Return the error for a fault that another attempt would not mend; None for one that may pass."""
    code, kind = code_of(error), type(error).__name__
    if isinstance(error, PermissionError) or code in ("401", "403") or kind in _KEYLESS:
        return _refused(error, what, url, code or kind)
    if code in _TRANSIENT or code.startswith("5"):
        return None
    if not code and kind != "ParamValidationError" and _may_pass(error):
        return None
    if isinstance(error, OSError) or code or kind == "ParamValidationError":
        return (PastEndError if code in _PAST_END else StorageError)(
            f"{what} {redacted(url)}",
            expected="an answer",
            found=_said(error, code),
            next_step="check the address, the region and the endpoint (docs/storage.md)",
        )
    return error


def _may_pass(error: Exception) -> bool:
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _FAULTY


def _said(error: Exception, code: str) -> str:
    text = " ".join(redacted(str(error)).split())[:300]
    return f"{code}: {text}" if code and code not in text else text or type(error).__name__


def _refused(error: Exception, what: str, url: str, code: str) -> AccessError:
    missing = type(error).__name__ in _KEYLESS
    return AccessError(
        f"{what} {redacted(url)}",
        expected="keys that open it",
        found="no usable keys" if missing else f"the storage refuses them ({code})",
        next_step="set keys by environment or profile (docs/storage.md), or ask for the right to this bucket",
    )


def _no_bucket(url: str) -> AccessError:
    scheme, _, rest = url.partition("://")
    return AccessError(
        f"bucket {scheme}://{redacted(url).partition('://')[2].partition('/')[0]}",
        expected="a bucket that exists",
        found="none of this name" if rest else "no name",
        next_step="make the bucket, or check its name, the region and the endpoint (docs/storage.md)",
    )


def _gave_up(error: Exception, what: str, url: str, tries: int, seconds: float) -> TextshardsError:
    code, kind = code_of(error), type(error).__name__
    if kind == _OTHER_BYTES:
        return DamageError(
            f"{what} {redacted(url)}",
            expected="the bytes that the storage's own checksum is of",
            found=f"others ({_said(error, '')}), in each of {tries} attempts",
            next_step="damaged in storage or on the way: python -m formats.verify tells, a build mends it",
        )
    if code in _THROTTLED:
        found = f"the storage asks to slow down ({_said(error, code)})"
    elif isinstance(error, TimeoutError) or "Timeout" in kind:
        found = f"no answer in time, or one below {SLOWEST // 1000} kB/s (waited {timeout_s():g} s and more)"
    elif code:
        found = f"the storage is at fault ({_said(error, code)})"
    else:
        found = f"the connection fails ({_said(error, '') or kind})"
    return StorageError(
        f"{what} {redacted(url)}",
        expected="an answer",
        found=f"{found}; given up after {tries} attempts in {seconds:.1f} s",
        next_step="run the same command again when the storage answers: what is finished is kept",
    )

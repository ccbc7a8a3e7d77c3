"""A real Chromium without a screen, and the dashboard's server, for tests and scripts that look at pages."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
)  # fmt: skip
PHONE = (390, 844)


def missing() -> str:
    """Return what a browser needs and is not there; nothing where all is."""
    found = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    lacking = [name for name, path in found.items() if path is None]
    lacking += ["selenium"] if find_spec("selenium") is None else []
    return f"not installed: {', '.join(lacking)}" if lacking else ""


@contextmanager
def browser(size: tuple[int, int] = (1280, 900), *, dark: bool = False) -> Iterator[Any]:
    """Run a Chromium with a profile of its own.

    Args:
        size: width and height of what is seen, in pixels; a phone's is also told to be one.
        dark: whether its user prefers dark pages.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for option in (*OPTIONS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
        try:
            seen(driver, size)
            scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
            yield driver
        finally:
            driver.quit()


def seen(driver: Any, size: tuple[int, int]) -> None:
    """Set the width and height of what is seen, in pixels; a phone's is also told to be one."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@contextmanager
def served(sets: Sequence[Path], runs: Sequence[Path] = ()) -> Iterator[str]:
    """Run the real command on a free port; gives the address, without a slash at its end."""
    words = [sys.executable, "-m", "pipeline.health", *map(str, sets), "--serve", "--port", "0"]
    words += [word for folder in runs for word in ("--runs", str(folder))]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=path) as server:
        assert server.stderr is not None
        line = server.stderr.readline()
        found = re.search(r"http://[^/ ]+", line)
        try:
            assert found is not None, line + server.stderr.read()
            yield found[0]
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def settled(driver: Any, seconds: float = 60.0) -> None:
    """Wait until nothing on the page is under way any more."""
    end = time.monotonic() + seconds
    while driver.execute_script("return document.querySelectorAll('[data-live]').length") > 0:
        assert time.monotonic() < end, "still under way"
        time.sleep(0.1)


def complaints(driver: Any) -> list[str]:
    """Return what the browser has written to its console since it was last asked."""
    return [entry["message"] for entry in driver.get_log("browser")]

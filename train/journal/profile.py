"""Where a run's time and memory go, by phase; and a trace of a few steps for a viewer.

Spans may lie in each other: each is charged only what passed outside the spans within it. On a CUDA device
every span begins and ends with the device idle, so a profiled run is somewhat slower than another; without
the profiler nothing is measured and nothing waits.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile, record_function

Phase = Literal["data_wait", "host_to_device", "forward", "backward", "optimizer", "evaluation"]
PHASES: tuple[Phase, ...] = (
    "data_wait",
    "host_to_device",
    "forward",
    "backward",
    "optimizer",
    "evaluation",
)
"""`forward` holds the losses too; `optimizer` unscaling, clipping and the weights' average."""
TRACE = "trace.json"
KEPT = 100_000
"""Spans of a phase that the summary's percentiles look back over, at most."""
FIRST_TRACED, STEPS_TRACED = 2, 3
"""The first steps allocate and choose kernels, so a long enough run leaves them out of its trace."""
MEGA = 2**20


class Profiler(Protocol):
    """What the loop tells of its phases."""

    def span(self, phase: Phase, /) -> AbstractContextManager[None]:
        """Return a context whose time is charged to a phase."""

    def step(self, samples: int, /) -> None:
        """Count an optimizer attempt."""

    def take(self) -> dict[str, float]:
        """Return figures of the time since the last call, by name; empty: nothing to log."""

    def whole(self) -> dict[str, float]:
        """Return the same figures of all the time since the profiler was made."""

    def close(self) -> None:
        """End the trace, where one is being taken."""


class NoProfiler:
    """Measures nothing."""

    _nothing: AbstractContextManager[None] = nullcontext()

    def span(self, _phase: Phase) -> AbstractContextManager[None]:
        """Return the same empty context for every phase."""
        return self._nothing

    def step(self, _samples: int) -> None:
        """Count nothing."""

    def take(self) -> dict[str, float]:
        """Return no figures."""
        return {}

    def whole(self) -> dict[str, float]:
        """Return no figures."""
        return {}

    def close(self) -> None:
        """Have nothing to end."""


OFF = NoProfiler()


class PhaseProfiler:
    """Measures phases, memory and pace.

    Args:
        device: where the network runs.
        folder: an existing folder for `trace.json` (Chrome's trace format); None for no trace.
        steps: optimizer attempts that are to come; of few, the trace holds the last ones.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        device: torch.device,
        folder: Path | None = None,
        *,
        steps: int = 1 << 30,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.device, self.clock = device, clock
        self.within: list[float] = []
        self._recent, self._all = Spans(None), Spans(KEPT)
        self._steps, self._first = 0, min(FIRST_TRACED, max(steps - 1, 0))
        self._trace = None if folder is None else Trace(folder / TRACE, device)
        self._advance_trace()

    def span(self, phase: Phase) -> AbstractContextManager[None]:
        """Return a context whose time is charged to a phase."""
        return _Span(self, phase)

    def charge(self, phase: Phase, seconds: float) -> None:
        """Count a span."""
        for spans in (self._recent, self._all):
            spans.add(phase, seconds)

    def step(self, samples: int) -> None:
        """Count an optimizer attempt."""
        self._steps += 1
        for spans in (self._recent, self._all):
            spans.samples += samples
        self._advance_trace()

    def _advance_trace(self) -> None:
        if self._trace is not None and self._steps == self._first:
            self._trace.start()
        elif self._trace is not None and self._steps == self._first + STEPS_TRACED:
            self.close()

    def take(self) -> dict[str, float]:
        """Return figures of the time since the last call, by name; empty where nothing was measured."""
        spans, self._recent = self._recent, Spans(None)
        return spans.figures() | memory_mb(self.device) if spans.seconds else {}

    def whole(self) -> dict[str, float]:
        """Return the same figures of all the time since the profiler was made."""
        return self._all.figures() | memory_mb(self.device)

    def close(self) -> None:
        """End the trace, where one is being taken."""
        if self._trace is not None:
            self._trace.stop()
            self._trace = None

    def settle(self) -> None:
        """Wait until the device has done all it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class _Span:
    """One span of one phase; the profiler's `within` holds what inner spans took, by depth."""

    def __init__(self, profiler: PhaseProfiler, phase: Phase) -> None:
        self._profiler, self._phase = profiler, phase
        self._shown = record_function(phase)

    def __enter__(self) -> None:
        self._profiler.settle()
        self._shown.__enter__()  # type: ignore[no-untyped-call]
        self._profiler.within.append(0.0)
        self._started = self._profiler.clock()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        profiler = self._profiler
        profiler.settle()
        seconds = profiler.clock() - self._started
        inner = profiler.within.pop()
        if profiler.within:
            profiler.within[-1] += seconds
        self._shown.__exit__(kind, error, trace)
        profiler.charge(self._phase, seconds - inner)


class Spans:
    """Durations by phase, of the last `kept` spans of each; sums are of all."""

    def __init__(self, kept: int | None) -> None:
        self._kept = kept
        self._last: dict[Phase, deque[float]] = {}
        self.seconds: dict[Phase, float] = {}
        self.counts: dict[Phase, int] = {}
        self.samples = 0

    def add(self, phase: Phase, seconds: float) -> None:
        """Count a span."""
        self._last.setdefault(phase, deque(maxlen=self._kept)).append(seconds)
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds
        self.counts[phase] = self.counts.get(phase, 0) + 1

    def figures(self) -> dict[str, float]:
        """Return mean, median, 95th and 99th percentile of each phase in milliseconds, pace and data wait."""
        figures: dict[str, float] = {}
        for phase in PHASES:
            if phase in self.seconds:
                figures[f"{phase}/mean_ms"] = 1e3 * self.seconds[phase] / self.counts[phase]
                found = np.percentile(np.fromiter(self._last[phase], np.float64), [50, 95, 99])
                for name, value in zip(("median", "p95", "p99"), found.tolist(), strict=True):
                    figures[f"{phase}/{name}_ms"] = 1e3 * value
        training = sum(seconds for phase, seconds in self.seconds.items() if phase != "evaluation")
        if training > 0.0:
            figures["images_per_s"] = self.samples / training
            figures["data_wait_share"] = self.seconds.get("data_wait", 0.0) / training
        return figures


class Trace:
    """A torch profiler's trace, written whole when it ends."""

    def __init__(self, path: Path, device: torch.device) -> None:
        # Else the profiler's library writes lines of its own among those of the run's progress.
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")
        activities = [ProfilerActivity.CPU]
        if device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        self.path, self._profile = path, profile(activities=activities, record_shapes=True)
        self._running = False

    def start(self) -> None:
        """Begin to record."""
        self._profile.start()
        self._running = True

    def stop(self) -> None:
        """End recording and write the file; nothing where recording never began."""
        if self._running:
            self._running = False
            self._profile.stop()
            part = self.path.with_suffix(".part.json")
            self._profile.export_chrome_trace(str(part))
            part.replace(self.path)


def memory_mb(device: torch.device) -> dict[str, float]:
    """Return memory of this process and on its device, and the peaks since it began, in MiB.

    `rss_mb` is left out where the system has no /proc.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MEGA if sys.platform == "darwin" else 1024)
    found = {"peak_rss_mb": peak}
    statm = Path("/proc/self/statm")
    if statm.exists():
        found["rss_mb"] = int(statm.read_text().split()[1]) * resource.getpagesize() / MEGA
    if device.type == "cuda":
        found["device_mb"] = torch.cuda.memory_allocated(device) / MEGA
        found["peak_device_mb"] = torch.cuda.max_memory_allocated(device) / MEGA
    return found

"""What a run costs: passes through the model, seconds, and memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from torch import Tensor

from unlearning_atlas.lab import anatomy

if TYPE_CHECKING:
    from torch import nn


@dataclass
class Cost:
    """Counts sequences through models, as shares of a whole model, while it is running.

    A forward pass that stops at the first of two layers counts half; so does a backward pass that reaches one of two.
    """

    forward: float = 0.0
    backward: float = 0.0
    seconds: float = 0.0
    _running: bool = field(default=False, repr=False)

    def watch(self, model: nn.Module) -> nn.Module:
        """Count what goes through a model and its copies from now on; models with unknown layers are not counted."""
        try:
            found = anatomy.layers(model)
        except anatomy.UnknownModelError:
            return model
        share = 1 / len(found)

        def count(_: nn.Module, __: object, output: object) -> None:
            state = cast("Tensor", output[0] if isinstance(output, tuple) else output)
            if not self._running:
                return
            self.forward += share * state.shape[0]
            if state.requires_grad:
                state.register_hook(lambda grad: self._count_backward(share * grad.shape[0]))  # type: ignore[no-untyped-call]

        for layer in found:
            layer.register_forward_hook(count)
        return model

    def _count_backward(self, sequences: float) -> None:
        if self._running:
            self.backward += sequences

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count and measure the time inside."""
        yield from self._switched(on=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Neither count nor measure the time inside: what is done there is no part of the method."""
        yield from self._switched(on=False)

    def _switched(self, *, on: bool) -> Iterator[None]:
        start, before = time.perf_counter(), self._running
        self._running = on
        try:
            yield
        finally:
            self._running = before
            self.seconds += (1 if on else -1) * (time.perf_counter() - start)


def reset_peak_memory() -> None:
    """Start to measure the process's peak anew, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def peak_memory() -> float | None:
    """Return the largest resident size since the last reset, in MiB; None where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), None)

"""One optimiser step of some methods against the plain fine-tuning step of the same model, as ratios.

Run it with ``make steps``. A Llama-shaped model of 4 layers, width 128 and 512 words, batches of 8 x 128 tokens, all of
them scored, one thread. Every process measures all methods in turns; the medians of several processes are shown, with
the passes counted beside them. It asserts nothing.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
PROCESSES, ROUNDS, STEPS = 3, 3, 6
# Two batches forward and backward are two plain steps: the optimiser, which runs once, takes half a per cent of one.
METHODS: dict[str, dict[str, Any]] = {"grad-diff": {}, "npo": {}, "simnpo": {}, "rmu": {"layer": 3}, "undial": {}}


def measure() -> dict[str, dict[str, float]]:
    """Measure in this process; returns milliseconds a step and sequences forward and backward a step, by method."""
    import torch

    from unlearning_atlas.lab.batches import Batch, Words, mean_nll, shuffled
    from unlearning_atlas.lab.compute import Cost
    from unlearning_atlas.lab.model import Config, TinyTransformer
    from unlearning_atlas.lab.models import Start
    from unlearning_atlas.lab.registry import Data, implementation
    from unlearning_atlas.lab.training import descend, logits_of

    torch.set_num_threads(1)
    config = Config(512, width=128, layers=4, heads=4)

    def random(seed: int) -> Batch:
        ids = torch.randint(2, 512, (32, 128), generator=torch.Generator().manual_seed(seed))
        return Batch(ids, ids.clone(), torch.ones_like(ids, dtype=torch.bool), torch.arange(len(ids)))

    start = Start("step", "step", lambda seed: TinyTransformer(config, seed=seed), 1e-4, STEPS, 8)
    data = Data(random(0), random(1), random(2), random(3), random(1), Words(map(str, range(510))), start)
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(ROUNDS):
        for name, values in {"plain": {}, **METHODS}.items():
            cost, marks = Cost(), list[Any]()

            def on_step(step: int, _: object, cost: Cost = cost, marks: list[Any] = marks) -> None:
                marks.append((time.perf_counter(), cost.forward, cost.backward))

            model = cost.watch(TinyTransformer(config, seed=0))
            with cost.running():
                if name == "plain":
                    drawn = shuffled(data.forget, 8, 0)

                    def loss(model: Any = model, drawn: Any = drawn) -> Any:
                        batch = next(drawn)
                        return mean_nll(logits_of(model, batch), batch.labels)

                    descend(model, loss, steps=STEPS, learning_rate=1e-4, on_step=on_step)
                else:
                    chosen = implementation(CHECKOUT / "reference_impls", name)
                    chosen.unlearn(model, data, steps=STEPS, batch_size=8, on_step=on_step, **values)
            kept = found.setdefault(name, {"ms": [], "forward": [], "backward": []})
            for (t0, f0, b0), (t1, f1, b1) in pairwise(marks):
                kept["ms"].append(1e3 * (t1 - t0))
                kept["forward"].append((f1 - f0) / 8)
                kept["backward"].append((b1 - b0) / 8)
    return {name: {key: statistics.median(values) for key, values in parts.items()} for name, parts in found.items()}


def main() -> None:
    """Measure in several processes and print the medians."""
    runs = []
    for _ in range(PROCESSES):
        code = "import json; from tests.speed.steps import measure; print(json.dumps(measure()))"
        done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
    plain = statistics.median(run["plain"]["ms"] for run in runs)
    print(f"  {'one step of':<14}{'ms':>8}{'x plain':>10}{'forward':>10}{'backward':>10}   (batches)")
    print(f"  {'fine-tuning':<14}{plain:>8.1f}{1:>10.2f}{1:>10.2f}{1:>10.2f}")
    for name in METHODS:
        ms = statistics.median(run[name]["ms"] for run in runs)
        ratio = statistics.median(run[name]["ms"] / run["plain"]["ms"] for run in runs)
        forward, backward = (statistics.median(run[name][key] for run in runs) for key in ("forward", "backward"))
        print(f"  {name:<14}{ms:>8.1f}{ratio:>10.2f}{forward:>10.2f}{backward:>10.2f}")


if __name__ == "__main__":
    main()

"""Text that a model writes: greedy or sampled continuations of prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from unlearning_atlas.lab.batches import IGNORE, Batch, Tokenizer, join

if TYPE_CHECKING:
    from torch import nn


def prompts(sequences: Batch) -> list[list[int]]:
    """Return the ids that stand before the first scored token of each row, without padding."""
    found = []
    for ids, labels, mask in zip(sequences.input_ids, sequences.labels, sequences.attention_mask, strict=True):
        scored = (labels != IGNORE).nonzero()
        stop = int(scored[0]) if len(scored) else len(ids)
        found.append(ids[:stop][mask[:stop]].tolist())
    return found


@torch.no_grad()
def continuations(
    model: nn.Module,
    starts: list[list[int]],
    tokenizer: Tokenizer,
    *,
    length: int,
    temperature: float = 0.0,
    seed: int = 0,
) -> Batch:
    """Continue each start until its end, or by ``length`` tokens.

    Args:
        model: called with ids and a mask, as all models here.
        starts: N lists of ids, none empty. Those of equal length go through the model together, so nothing is padded.
        tokenizer: tells the end.
        length: the most tokens to write, the end counted in.
        temperature: 0 takes the likeliest token; above 0 tokens are drawn from softmax(logits / temperature).
        seed: decides what is drawn.

    Returns:
        One row per start, in order; what was written is scored.
    """
    generator = torch.Generator().manual_seed(seed)
    written: dict[int, list[int]] = {}
    for width in sorted({len(start) for start in starts}):
        rows = [number for number, start in enumerate(starts) if len(start) == width]
        ids = torch.tensor([starts[number] for number in rows])
        going = torch.ones(len(rows), dtype=torch.bool)
        for _ in range(length):
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids, dtype=torch.bool)).logits[:, -1]
            if temperature > 0:
                drawn = torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=generator)[:, 0]
            else:
                drawn = logits.argmax(dim=-1)
            ids = torch.cat((ids, drawn.where(going, torch.full_like(drawn, tokenizer.pad))[:, None]), dim=1)
            going &= drawn != tokenizer.end
            if not going.any():
                break
        for number, row in zip(rows, ids[:, width:].tolist(), strict=True):
            stop = row.index(tokenizer.end) + 1 if tokenizer.end in row else len(row)
            written[number] = row[:stop]
    return join(starts, [written[number] for number in range(len(starts))], tokenizer.pad)

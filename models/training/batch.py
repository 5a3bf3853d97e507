"""Batches for training: chunks of the corpus made in another process, cut into rows of like length."""

import itertools
import multiprocessing
import random
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from models.training.corpus import training_dialogs
from models.training.encoding import DialogEncoder, Row

DIALOGS_PER_CHUNK = 2048
MAX_LENGTH = 640
_IGNORED = -100


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids `[rows, length]`, and the id wanted after each (-100 where none is)."""

    ids: Tensor
    targets: Tensor


@cache
def _encoder(tokenizer_json: str) -> DialogEncoder:
    return DialogEncoder(tokenizer_json)


def _rows(tokenizer_json: str, seed: int, chunk: int) -> list[Row]:
    encoder = _encoder(tokenizer_json)
    rows = (encoder.row(dialog) for dialog in training_dialogs(seed, chunk, DIALOGS_PER_CHUNK))
    return [row for row in rows if len(row.ids) <= MAX_LENGTH]


def _collate(rows: list[Row], pad_id: int) -> Batch:
    length = max(len(row.ids) for row in rows) - 1
    ids = torch.full((len(rows), length), pad_id)
    targets = torch.full((len(rows), length), _IGNORED)
    for i, row in enumerate(rows):
        width = len(row.ids) - 1
        ids[i, :width] = torch.tensor(row.ids[:-1])
        following = torch.tensor(row.ids[1:])
        targets[i, :width] = following.where(torch.tensor(row.wanted[1:]), _IGNORED)
    return Batch(ids, targets)


def _cut(rows: list[Row], rng: random.Random, tokens: int) -> list[list[Row]]:
    """Group rows of like length (loosely, so that groups vary) into batches of about `tokens` ids."""
    rows = sorted(rows, key=lambda row: len(row.ids) * rng.uniform(0.95, 1.05))
    groups: list[list[Row]] = [[]]
    longest = 0
    for row in rows:
        longest = max(longest, len(row.ids))
        if groups[-1] and longest * (len(groups[-1]) + 1) > tokens:
            groups.append([])
            longest = len(row.ids)
        groups[-1].append(row)
    rng.shuffle(groups)
    return groups


def batches(tokenizer_json: str, pad_id: int, seed: int, tokens: int) -> Generator[Batch, None, None]:
    """Yield batches without end, in the same order for the same seed."""
    context = multiprocessing.get_context("spawn")
    rng = random.Random(f"paddock:{seed}:order")
    with context.Pool(1) as pool:
        chunks = (pool.apply_async(_rows, (tokenizer_json, seed, chunk)) for chunk in itertools.count())
        ahead = deque(itertools.islice(chunks, 3))
        while True:
            rows = ahead.popleft().get()
            ahead.append(next(chunks))
            for group in _cut(rows, rng, tokens):
                yield _collate(group, pad_id)

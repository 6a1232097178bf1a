"""Data order: which tokens a step sees is a pure function of (tokens, seed, step)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from tgl.errors import TglError


class Stream(Protocol):
    """What the training loop reads."""

    def batch(self, step: int, batch_size: int, block_size: int) -> np.ndarray:
        """Return batch `step` (from 0) as int64 [batch_size, block_size]."""


class TokenStream:
    """An endless stream over documents, shuffled anew each epoch, cut into blocks without waste.

    Documents end with `end_token`. Epoch e is the permutation drawn from (seed, e); batch `step` is the
    stretch of batch_size * block_size tokens that follows the one of `step - 1`, across epochs.
    """

    def __init__(self, tokens: np.ndarray, end_token: int, seed: int) -> None:
        if len(tokens) == 0:
            raise TglError("token stream: no tokens to train on")
        ends = np.flatnonzero(tokens == end_token) + 1
        if len(ends) == 0 or ends[-1] != len(tokens):
            ends = np.append(ends, len(tokens))
        self.tokens = tokens
        self.starts = np.concatenate([[0], ends[:-1]])
        self.lengths = ends - self.starts
        self.seed = seed
        self._epoch: tuple[int, np.ndarray] | None = None

    def epoch(self, number: int) -> np.ndarray:
        """Return all tokens [num_tokens] in the order of epoch `number`."""
        if self._epoch is None or self._epoch[0] != number:
            order = np.random.default_rng((self.seed, number)).permutation(len(self.starts))
            starts, lengths = self.starts[order], self.lengths[order]
            # index of each token = start of its document + its offset there
            offsets = np.arange(len(self.tokens)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            self._epoch = (number, self.tokens[np.repeat(starts, lengths) + offsets])
        return self._epoch[1]

    def batch(self, step: int, batch_size: int, block_size: int) -> np.ndarray:
        """Return batch `step` (from 0) as int64 [batch_size, block_size]."""
        wanted = batch_size * block_size
        position = step * wanted
        pieces = []
        while wanted:
            number, offset = divmod(position, len(self.tokens))
            piece = self.epoch(number)[offset : offset + wanted]
            pieces.append(piece)
            position += len(piece)
            wanted -= len(piece)
        return np.concatenate(pieces).astype(np.int64).reshape(batch_size, block_size)


class MixedStream:
    """New text with old text between its rows; at pass e over the new text there are old_to_new(e) old rows a new one.

    Which rows are old is spread evenly and fixed; the rows of each text follow one another as in its own stream.
    """

    def __init__(self, new: TokenStream, old: TokenStream, old_to_new: Callable[[int], float]) -> None:
        self.new, self.old, self.old_to_new = new, old, old_to_new
        self._rows: list[tuple[bool, int]] = []  # of each row so far: is it old, its number in its own stream
        self._counts, self._due = [0, 0], 0.0

    def row(self, number: int, block_size: int) -> tuple[bool, int]:
        """Return (is it old, number in its own stream) of row `number` of the mixture."""
        while len(self._rows) <= number:
            epoch = self._counts[0] * block_size // len(self.new.tokens)
            ratio = self.old_to_new(epoch)
            self._due += ratio / (1 + ratio)
            is_old = self._due >= 1 - 1e-9
            self._due -= is_old
            self._rows.append((is_old, self._counts[is_old]))
            self._counts[is_old] += 1
        return self._rows[number]

    def batch(self, step: int, batch_size: int, block_size: int) -> np.ndarray:
        """See `Stream`."""
        rows = []
        for number in range(step * batch_size, (step + 1) * batch_size):
            is_old, own = self.row(number, block_size)
            rows.append((self.old if is_old else self.new).batch(own, 1, block_size)[0])
        return np.stack(rows)

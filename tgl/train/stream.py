"""The data order. The tokens of a step are a pure function of (tokens, seed, step)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from tgl.core.errors import TglError


class Stream(Protocol):
    """The batches for the training loop."""

    def batch(self, step: int, batch_size: int, block_size: int) -> np.ndarray:
        """Return batch `step` (from 0) as int64 [batch_size, block_size]."""


class TokenStream:
    """An endless stream over documents, shuffled again in each epoch and cut into blocks that use every token.

    Documents end with `end_token`. Epoch e is a permutation drawn from (seed, e). Batch `step` holds the
    batch_size * block_size tokens after those of batch `step - 1`; it can span two epochs.

    Args:
        tokens: Token ids [num_tokens].
        end_token: Id that ends a document.
        seed: Seed of the shuffling.

    Raises:
        TglError: There are no tokens.
    """

    def __init__(self, tokens: np.ndarray, end_token: int, seed: int) -> None:
        if len(tokens) == 0:
            raise TglError("token stream: no tokens to train on, expected at least one. Give more text")
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
            # The index of each token is the start of its document plus its offset in the document.
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
    """New text with rows of old text in between.

    The old rows are evenly spread at fixed positions. The rows of each text keep the order of their own stream.

    Args:
        new: The new text.
        old: The old text.
        old_to_new: Returns the number of old rows per new row in pass e over the new text.
    """

    def __init__(self, new: TokenStream, old: TokenStream, old_to_new: Callable[[int], float]) -> None:
        self.new, self.old, self.old_to_new = new, old, old_to_new
        # For each row so far: is it old, and its number in its own stream.
        self._rows: list[tuple[bool, int]] = []
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

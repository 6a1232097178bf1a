"""Data order: which tokens a step sees is a pure function of (tokens, seed, step)."""

from __future__ import annotations

import numpy as np

from tgl.errors import TglError


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

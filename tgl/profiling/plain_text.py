"""Stretches of plain text as examples: windows, and stretches that match salient spans ever more closely.

Each of them stands behind the token that salient spans begin with too (`tgl.text.tokens.first_token`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.errors import TglError
from tgl.evaluate.spans import SpanTokens
from tgl.fit import check_ids
from tgl.text.tokens import first_token, num_ids

_CANDIDATES = 100  # stretches among which the one of nearest frequency is taken
# Capitalised words after a lower-case word or a comma: they begin no sentence.
_CAPITALISED = re.compile(r"(?<=[a-z,])((?: [A-Z][^\s.,;:!?()\"]*)+)(?=[\s.,;:!?)])")
_SPACES = str.maketrans(
    "Ġ▁Ċ", "  \n"
)  # how byte-level and SentencePiece vocabularies write space and new line


class PlainText:
    """The tokens of plain text [num_tokens], with what it takes to draw stretches of them."""

    def __init__(self, stream: np.ndarray, tokenizer: PreTrainedTokenizerBase) -> None:
        """Raises TglError for fewer than two tokens and for ids that the tokenizer does not have."""
        if len(stream) < 2:
            raise TglError(f"profile: the plain text has {len(stream)} tokens, too few for a window")
        check_ids(stream, tokenizer, "profile: the plain text")
        self.stream, self._begin = stream, first_token(tokenizer)
        counts = np.bincount(stream, minlength=num_ids(tokenizer))
        self._log_frequency = np.log((counts + 1) / (len(stream) + len(counts)))  # by token, never -inf
        used = np.unique(stream)
        pieces = dict(zip(used.tolist(), tokenizer.convert_ids_to_tokens(used.tolist()), strict=True))
        # The end of a document ends a sentence, as a new line does.
        pieces |= dict.fromkeys(tokenizer.all_special_ids, "\n")
        pieces |= {token: "\n" for token, piece in pieces.items() if piece == "<0x0A>"}
        self._pieces = [pieces[token].translate(_SPACES) for token in stream.tolist()]
        # A word begins at a token with a space in front; a space of its own belongs to the next word.
        self._begins = np.array([piece.startswith(" ") for piece in self._pieces] + [True])
        self._names: dict[int, np.ndarray] | None = None

    def windows(self, length: int, count: int, seed: int) -> list[SpanTokens]:
        """Return `count` windows at random places: the first token and `length` - 1 tokens of text, all targets.

        A shorter text is taken whole.
        """
        size = min(length - 1, len(self.stream))
        starts = np.random.default_rng((seed, 1)).integers(0, len(self.stream) - size + 1, size=count)
        return [self._example(start, start, start + size) for start in starts.tolist()]

    def matched(self, like: Sequence[SpanTokens], seed: int) -> list[SpanTokens | None]:
        """Return for each of `like` a random stretch with as many targets and tokens of context."""
        rng = np.random.default_rng((seed, 2))
        found: list[SpanTokens | None] = []
        for example in like:
            most = len(self.stream) - (len(example.ids) - 1)
            found.append(
                None
                if most < 0
                else self._stretch(int(rng.integers(0, most + 1)) + _context(example), example)
            )
        return found

    def frequency_matched(self, like: Sequence[SpanTokens], seed: int) -> list[SpanTokens | None]:
        """Return for each of `like` whole words whose tokens' mean log frequency is nearest to its own.

        Frequencies are those of this text; the nearest of 100 random stretches is taken.
        """
        rng = np.random.default_rng((seed, 3))
        found: list[SpanTokens | None] = []
        for example in like:
            size, context = example.num_targets, _context(example)
            if context + size > len(self.stream):
                found.append(None)
                continue
            first = np.flatnonzero(self._begins[context : len(self.stream) - size + 1]) + context
            whole = first[self._begins[first + size]]
            if not len(whole):
                found.append(None)
                continue
            drawn = rng.choice(whole, size=_CANDIDATES)
            means = self._log_frequency[self.stream[drawn[:, None] + np.arange(size)]].mean(1)
            wanted = self._log_frequency[example.ids[-size:]].mean()
            found.append(self._stretch(int(drawn[np.abs(means - wanted).argmin()]), example))
        return found

    def capitalised(self, like: Sequence[SpanTokens], seed: int) -> list[SpanTokens | None]:
        """Return for each of `like` as many tokens of capitalised words that begin no sentence, in context."""
        rng = np.random.default_rng((seed, 4))
        names = self._capitalised_starts()
        found: list[SpanTokens | None] = []
        for example in like:
            starts = names.get(example.num_targets, np.empty(0, dtype=int))
            starts = starts[starts >= _context(example)]
            found.append(self._stretch(int(rng.choice(starts)), example) if len(starts) else None)
        return found

    def _stretch(self, start: int, like: SpanTokens) -> SpanTokens:
        """Return the tokens of an example like `like` whose targets begin at `start` of the text."""
        return self._example(start - _context(like), start, start + like.num_targets)

    def _example(self, begin: int, first: int, end: int) -> SpanTokens:
        """Return the first token and tokens [begin, end) of the text; targets are those from `first` on."""
        return SpanTokens([self._begin, *self.stream[begin:end].tolist()], 1 + first - begin)

    def _capitalised_starts(self) -> dict[int, np.ndarray]:
        """Return, by number of tokens, where runs of whole capitalised words begin."""
        if self._names is None:
            ends = np.cumsum([len(piece) for piece in self._pieces])
            token_at = {0: 0} | {int(end): place + 1 for place, end in enumerate(ends)}
            found: dict[int, list[int]] = defaultdict(list)
            for match in _CAPITALISED.finditer("".join(self._pieces)):
                breaks = [
                    match.start(),
                    *(match.start() + k for k, c in enumerate(match[0]) if c == " " and k),
                ]
                for number, begin in enumerate(breaks):
                    for end in [*breaks[number + 1 :], match.end()]:
                        if begin in token_at and end in token_at:
                            found[token_at[end] - token_at[begin]].append(token_at[begin])
            self._names = {size: np.array(starts) for size, starts in found.items()}
        return self._names


def _context(example: SpanTokens) -> int:
    """Return how many tokens of its text stand left of an example's targets, behind the first token."""
    return example.first - 1

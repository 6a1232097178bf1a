"""Examples from plain text: windows, and spans that match salient spans more and more closely.

Each example begins with the same token as salient spans (`tgl.models.tokenizer.first_token`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.errors import TglError
from tgl.evaluate.spans import SpanTokens
from tgl.models.fit import check_ids
from tgl.models.tokenizer import first_token, num_ids

_CANDIDATES = 100  # Random spans from which the one with the nearest frequency is chosen.
# Capitalised words after a lower-case word or a comma do not begin a sentence.
_CAPITALISED = re.compile(r"(?<=[a-z,])((?: [A-Z][^\s.,;:!?()\"]*)+)(?=[\s.,;:!?)])")
# Byte-level and SentencePiece vocabularies write space and new line with these characters.
_SPACES = str.maketrans("Ġ▁Ċ", "  \n")


class PlainText:
    """Plain text from which examples are drawn.

    Args:
        stream: Token ids [num_tokens].
        tokenizer: The tokenizer.

    Raises:
        TglError: There are fewer than two tokens, or the tokenizer lacks an id.
    """

    def __init__(self, stream: np.ndarray, tokenizer: PreTrainedTokenizerBase) -> None:
        if len(stream) < 2:
            raise TglError(
                f"profile: the plain text has {len(stream)} tokens, too few for a window; expected at least 2. "
                "Give more text"
            )
        check_ids(stream, tokenizer, "profile: the plain text")
        self.stream, self._begin = stream, first_token(tokenizer)
        counts = np.bincount(stream, minlength=num_ids(tokenizer))
        # Adding 1 to the counts avoids -inf for tokens that do not occur.
        self._log_frequency = np.log((counts + 1) / (len(stream) + len(counts)))
        used = np.unique(stream)
        pieces = dict(zip(used.tolist(), tokenizer.convert_ids_to_tokens(used.tolist()), strict=True))
        # The end of a document ends a sentence, like a new line.
        pieces |= dict.fromkeys(tokenizer.all_special_ids, "\n")
        pieces |= {token: "\n" for token, piece in pieces.items() if piece == "<0x0A>"}
        self._pieces = [pieces[token].translate(_SPACES) for token in stream.tolist()]
        # A word begins at a token that starts with a space; a token that is only a space belongs to the next word.
        self._begins = np.array([piece.startswith(" ") for piece in self._pieces] + [True])
        self._names: dict[int, np.ndarray] | None = None

    def windows(self, length: int, count: int, seed: int) -> list[SpanTokens]:
        """Return windows at random places: the first token and `length` - 1 tokens of text, which are all targets.

        Args:
            length: Tokens of a window. A shorter text is used completely.
            count: Number of windows.
            seed: Seed of the places.
        """
        size = min(length - 1, len(self.stream))
        starts = np.random.default_rng((seed, 1)).integers(0, len(self.stream) - size + 1, size=count)
        return [self._example(start, start, start + size) for start in starts.tolist()]

    def matched(self, like: Sequence[SpanTokens], seed: int) -> list[SpanTokens | None]:
        """Return, for each example in `like`, a random span with the same numbers of target and context tokens.

        None if the text is too short.
        """
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
        """Return, for each example in `like`, a span of whole words with about the same frequency.

        The span is the one of 100 random spans whose mean log frequency of tokens in this text is nearest. None if
        there is no span of this length.
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
        """Return, for each example in `like`, a span of capitalised words that do not begin a sentence.

        The span has the same numbers of target and context tokens. None if there is none.
        """
        rng = np.random.default_rng((seed, 4))
        names = self._capitalised_starts()
        found: list[SpanTokens | None] = []
        for example in like:
            starts = names.get(example.num_targets, np.empty(0, dtype=int))
            starts = starts[starts >= _context(example)]
            found.append(self._stretch(int(rng.choice(starts)), example) if len(starts) else None)
        return found

    def _stretch(self, start: int, like: SpanTokens) -> SpanTokens:
        """Return an example with the lengths of `like` whose targets begin at token `start` of the text."""
        return self._example(start - _context(like), start, start + like.num_targets)

    def _example(self, begin: int, first: int, end: int) -> SpanTokens:
        """Return the first token and tokens [begin, end) of the text; the targets begin at `first`."""
        return SpanTokens([self._begin, *self.stream[begin:end].tolist()], 1 + first - begin)

    def _capitalised_starts(self) -> dict[int, np.ndarray]:
        """Return the start tokens of runs of whole capitalised words, by number of tokens."""
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
    """Return the number of context tokens: those between the first token and the targets."""
    return example.first - 1

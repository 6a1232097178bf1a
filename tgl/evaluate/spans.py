"""Which tokens are a span's: the whole sentence is tokenised once, tokens are found by character offset."""

from __future__ import annotations

from dataclasses import dataclass

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.errors import TglError
from tgl.text.tokens import first_token


class SpanError(TglError):
    """A span that cannot be scored; `reason` is what all errors of its kind have in common."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class SpanTokens:
    """A sentence's tokens up to the end of its span; target positions are [first, len(ids))."""

    ids: list[int]
    first: int

    @property
    def num_targets(self) -> int:
        """Number of the span's tokens."""
        return len(self.ids) - self.first


def span_tokens(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    start: int,
    end: int,
    max_length: int,
) -> SpanTokens:
    """Tokenise `text` behind `tgl.text.tokens.first_token` and return what scoring characters [start, end) needs.

    A token belongs to the span when it holds one of its characters; the leading space goes with its word, also
    where the tokenizer keeps it as a token of its own. What stands right of the span is cut off: a causal model
    does not see it. A sentence longer than `max_length` tokens loses tokens on the left, but never the first token.
    Raises SpanError for a span outside its text, without a token, or longer than `max_length` allows.
    """
    if not 0 <= start < end <= len(text):
        raise SpanError(
            "span outside its text",
            f"span [{start}, {end}) is no part of a text of {len(text)} characters: {text!r}",
        )
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    inside = [
        position
        for position, (left, right) in enumerate(encoded["offset_mapping"])
        if left < end and right > start
    ]
    if not inside:
        raise SpanError(
            "span holds no token", f"span [{start}, {end}) of {text!r} holds no token of this tokenizer"
        )
    first, last = inside[0], inside[-1]
    if first > 0 and text[start - 1] == " " and encoded["offset_mapping"][first - 1] == (start - 1, start):
        first -= 1
    ids = [first_token(tokenizer), *encoded["input_ids"][: last + 1]]
    first += 1
    if len(ids) > max_length:
        cut = len(ids) - max_length
        if first - cut < 1:
            raise SpanError(
                "span longer than the context",
                f"span [{start}, {end}) has {len(ids) - first} tokens; with the model's {max_length} positions "
                "nothing would be left of it",
            )
        ids, first = [ids[0], *ids[1 + cut :]], first - cut
    return SpanTokens(ids, first)

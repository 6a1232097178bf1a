"""Find the tokens of a span. The whole sentence is tokenised once, and tokens are found by character offset."""

from __future__ import annotations

from dataclasses import dataclass

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.errors import TglError
from tgl.models.tokenizer import first_token


class SpanError(TglError):
    """A span that cannot be scored. `reason` is the same text for all errors of one kind."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class SpanTokens:
    """The tokens of a sentence up to the end of its span. The target positions are [first, len(ids)).

    Attributes:
        ids: The tokens.
        first: The first target position.
        cut: Whether the sentence lost tokens on the left.
    """

    ids: list[int]
    first: int
    cut: bool = False

    @property
    def num_targets(self) -> int:
        """Number of tokens of the span."""
        return len(self.ids) - self.first


def span_tokens(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    span: tuple[int, int],
    *,
    max_length: int,
) -> SpanTokens:
    """Tokenise a text for scoring a span of it. The sequence starts with `tgl.models.tokenizer.first_token`.

    A token belongs to the span if it contains one of its characters. A leading space belongs to its word, even if the
    tokenizer makes it a separate token. Text to the right of the span is cut off, because a causal model does not see
    it. A sequence longer than `max_length` loses tokens on the left, but never the first token.

    Args:
        tokenizer: Tokenizer with character offsets.
        text: The sentence.
        span: Characters [start, end) of the span.
        max_length: Largest number of tokens of the model.

    Raises:
        SpanError: If the span is outside the text, has no token, or is longer than `max_length` allows.
    """
    start, end = span
    if not 0 <= start < end <= len(text):
        raise SpanError(
            "span outside its text",
            f"span [{start}, {end}) is not within a text of {len(text)} characters: {text!r}. Correct the span.",
        )
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    inside = [
        position
        for position, (left, right) in enumerate(encoded["offset_mapping"])
        if left < end and right > start
    ]
    if not inside:
        raise SpanError(
            "span holds no token",
            f"span [{start}, {end}) of {text!r} contains no token of this tokenizer. Use another span or tokenizer.",
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
                f"span [{start}, {end}) has {len(ids) - first} tokens, so the model's {max_length} positions leave no "
                "context to the left of it. Use a shorter span or a model with more positions.",
            )
        return SpanTokens([ids[0], *ids[1 + cut :]], first - cut, cut=True)
    return SpanTokens(ids, first)

"""The schema of every Parquet artifact, by the name of its table."""

from __future__ import annotations

import pyarrow as pa

_LINK = pa.struct([("target", pa.string()), ("start", pa.int32()), ("end", pa.int32())])
_SECTION = pa.struct([("title", pa.string()), ("level", pa.int32()), ("start", pa.int32())])

SCHEMAS: dict[str, pa.Schema] = {
    # The dump files of one snapshot.
    "files": pa.schema([("path", pa.string()), ("bytes", pa.int64()), ("sha1", pa.string())]),
    # The synthetic world's own truth: one row a (subject, relation, object) and the dates it holds.
    "facts": pa.schema(
        [
            ("subject_id", pa.int64()),
            ("subject", pa.string()),
            ("relation", pa.string()),
            ("object", pa.string()),
            ("first_date", pa.string()),
            ("last_date", pa.string()),
            ("text", pa.string()),
            ("span_start", pa.int32()),
            ("span_end", pa.int32()),
            ("candidates", pa.list_(pa.string())),
        ]
    ),
    # Clean text of each kept page; offsets of links and of where sections start are characters of `text`. given_up: why
    # the page was cleaned simply, "" for most.
    "pages": pa.schema(
        [
            ("page_id", pa.int64()),
            ("title", pa.string()),
            ("revision_id", pa.int64()),
            ("timestamp", pa.string()),
            ("sha1", pa.string()),
            ("text", pa.string()),
            ("links", pa.list_(_LINK)),
            ("sections", pa.list_(_SECTION)),
            ("given_up", pa.string()),
        ]
    ),
    # New and changed sentences of a snapshot against the one before; `start`: the character of the new page's text that
    # the sentence starts at, `section`: the title of the nearest heading above, "" before the first.
    "diff": pa.schema(
        [
            ("page_id", pa.int64()),
            ("title", pa.string()),
            ("revision_id", pa.int64()),
            ("kind", pa.string()),
            ("start", pa.int32()),
            ("section", pa.string()),
            ("text", pa.string()),
        ]
    ),
    # Salient spans: [span_start, span_end) are characters of `text`; rows of one query share `answer_group`.
    "probes": pa.schema(
        [
            ("id", pa.string()),
            ("set", pa.string()),
            ("kind", pa.string()),
            ("period", pa.string()),
            ("relation", pa.string()),
            ("subject", pa.string()),
            ("text", pa.string()),
            ("span_start", pa.int32()),
            ("span_end", pa.int32()),
            ("answer_group", pa.string()),
            ("split", pa.string()),
            ("candidates", pa.list_(pa.string())),
        ]
    ),
    # Packed token blocks: the documents' tokens, each ended by the end-of-text token, cut every block_size.
    "tokens": pa.schema([("part", pa.string()), ("tokens", pa.list_(pa.int32()))]),
    # Per-example gradient norms; row `example` = -1 holds the norm of the mean gradient of the group. `pair` is the
    # probe an example is, or is a control of; loss: nats a target token.
    "norms": pa.schema(
        [
            ("weights", pa.string()),
            ("group", pa.string()),
            ("example", pa.int32()),
            ("pair", pa.string()),
            ("num_tokens", pa.int32()),
            ("loss", pa.float64()),
            ("sublayer", pa.string()),
            ("norm", pa.float64()),
        ]
    ),
    # Relative gradient norms: group over denominator, per sublayer ("all" = mean over sublayers).
    "profile": pa.schema(
        [
            ("weights", pa.string()),
            ("group", pa.string()),
            ("denominator", pa.string()),
            ("sublayer", pa.string()),
            ("block", pa.int32()),
            ("part", pa.string()),
            ("num_parameters", pa.int64()),
            ("num_examples", pa.int32()),
            ("num_denominator_examples", pa.int32()),
            ("mean_norm", pa.float64()),
            ("norm_of_mean", pa.float64()),
            ("relative_norm", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("above_mean", pa.float64()),
        ]
    ),
    # The profile along the base model's training: means over sublayers of each group over each denominator.
    "along": pa.schema(
        [
            ("step", pa.int32()),
            ("group", pa.string()),
            ("denominator", pa.string()),
            ("num_examples", pa.int32()),
            ("relative_norm", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
        ]
    ),
    # Each example's norm, mean over sublayers, and loss (nats a target token) at each step.
    "along_examples": pa.schema(
        [
            ("step", pa.int32()),
            ("group", pa.string()),
            ("example", pa.int32()),
            ("num_tokens", pa.int32()),
            ("loss", pa.float64()),
            ("norm", pa.float64()),
        ]
    ),
    # Paired differences of two groups by sublayer ("all" = mean over sublayers): geometric mean of left / right with
    # its interval and corrected p value; shape_: the same with each pair's own mean over sublayers divided out.
    "comparisons": pa.schema(
        [
            ("weights", pa.string()),
            ("group", pa.string()),
            ("other", pa.string()),
            ("paired_by", pa.string()),
            ("sublayer", pa.string()),
            ("num_pairs", pa.int32()),
            ("ratio", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("p_value", pa.float64()),
            ("shape_ratio", pa.float64()),
            ("shape_low", pa.float64()),
            ("shape_high", pa.float64()),
            ("shape_p_value", pa.float64()),
        ]
    ),
    # Causal tracing: what comes back of a fact's answer when one sublayer's clean output is put back at a site;
    # log-likelihoods in nats a token, probabilities of the whole answer, means over noise draws.
    "tracing": pa.schema(
        [
            ("group", pa.string()),
            ("probe", pa.string()),
            ("site", pa.string()),
            ("sublayer", pa.string()),
            ("clean", pa.float64()),
            ("corrupted", pa.float64()),
            ("restored", pa.float64()),
            ("clean_probability", pa.float64()),
            ("corrupted_probability", pa.float64()),
            ("restored_probability", pa.float64()),
        ]
    ),
    # How far each sublayer moved in training: norm of the change, over the root of the number of parameters, and
    # over the norm before.
    "movement": pa.schema(
        [
            ("sublayer", pa.string()),
            ("distance", pa.float64()),
            ("root_mean_square", pa.float64()),
            ("relative", pa.float64()),
        ]
    ),
    # Spearman's rank correlation over sublayers (part: all, or one part) of the profile with another measure.
    "agreement": pa.schema(
        [
            ("group", pa.string()),
            ("denominator", pa.string()),
            ("measure", pa.string()),
            ("part", pa.string()),
            ("num_sublayers", pa.int32()),
            ("num_facts", pa.int32()),
            ("correlation", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
        ]
    ),
    # Span scores: natural-log likelihoods summed over the span's tokens; rank 1 = best of num_candidates.
    "scores": pa.schema(
        [
            ("checkpoint", pa.string()),
            ("probe", pa.string()),
            ("set", pa.string()),
            ("kind", pa.string()),
            ("period", pa.string()),
            ("relation", pa.string()),
            ("split", pa.string()),
            ("num_tokens", pa.int32()),
            ("num_bytes", pa.int32()),
            ("log_likelihood", pa.float64()),
            ("rank", pa.int32()),
            ("num_candidates", pa.int32()),
        ]
    ),
    # Held-out language-model loss: sum of negative log-likelihoods (nats) over num_tokens.
    "lm_loss": pa.schema(
        [
            ("checkpoint", pa.string()),
            ("text", pa.string()),
            ("num_tokens", pa.int64()),
            ("negative_log_likelihood", pa.float64()),
        ]
    ),
    # One row a logged step: mean training loss (nats a token) and gradient norm before clipping.
    "steps": pa.schema(
        [
            ("period", pa.string()),
            ("step", pa.int32()),
            ("loss", pa.float64()),
            ("gradient_norm", pa.float64()),
            ("num_tokens", pa.int64()),
        ]
    ),
    # The profile that the plan is made from along a run: one row a sublayer at the start of each period measured.
    "drift": pa.schema(
        [
            ("period", pa.string()),
            ("sublayer", pa.string()),
            ("relative_norm", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("multiplier", pa.float64()),
        ]
    ),
    # Learning rate each sublayer really had, at the steps where it was read from the optimiser.
    "rates": pa.schema(
        [
            ("period", pa.string()),
            ("step", pa.int32()),
            ("sublayer", pa.string()),
            ("learning_rate", pa.float64()),
            ("max_change", pa.float64()),
        ]
    ),
}

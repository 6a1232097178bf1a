"""The schema of every Parquet artifact, by table name. tgl/export/tables.yaml describes the columns."""

from __future__ import annotations

import pyarrow as pa

_LINK = pa.struct([("target", pa.string()), ("start", pa.int32()), ("end", pa.int32())])
_SECTION = pa.struct([("title", pa.string()), ("level", pa.int32()), ("start", pa.int32())])

SCHEMAS: dict[str, pa.Schema] = {
    "files": pa.schema([("path", pa.string()), ("bytes", pa.int64()), ("sha1", pa.string())]),
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
            ("old_answer", pa.string()),
        ]
    ),
    "interference": pa.schema(
        [
            ("sublayer", pa.string()),
            ("num_parameters", pa.int64()),
            ("uptake", pa.float64()),
            ("fisher", pa.float64()),
        ]
    ),
    "tokens": pa.schema([("part", pa.string()), ("tokens", pa.list_(pa.int32()))]),
    "withheld": pa.schema([("probe", pa.string()), ("text", pa.string()), ("times", pa.int64())]),
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
    "movement": pa.schema(
        [
            ("sublayer", pa.string()),
            ("distance", pa.float64()),
            ("root_mean_square", pa.float64()),
            ("relative", pa.float64()),
        ]
    ),
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
            ("exact_match", pa.bool_()),
            ("old_log_likelihood", pa.float64()),
        ]
    ),
    "lm_loss": pa.schema(
        [
            ("checkpoint", pa.string()),
            ("text", pa.string()),
            ("num_tokens", pa.int64()),
            ("negative_log_likelihood", pa.float64()),
        ]
    ),
    "generations": pa.schema([("checkpoint", pa.string()), ("probe", pa.string()), ("text", pa.string())]),
    "step_scores": pa.schema(
        [
            ("checkpoint", pa.string()),
            ("step", pa.int32()),
            ("probe", pa.string()),
            ("set", pa.string()),
            ("kind", pa.string()),
            ("period", pa.string()),
            ("split", pa.string()),
            ("num_tokens", pa.int32()),
            ("log_likelihood", pa.float64()),
        ]
    ),
    "step_losses": pa.schema(
        [
            ("checkpoint", pa.string()),
            ("step", pa.int32()),
            ("text", pa.string()),
            ("num_tokens", pa.int64()),
            ("negative_log_likelihood", pa.float64()),
            ("kl_from_base", pa.float64()),
        ]
    ),
    "steps": pa.schema(
        [
            ("period", pa.string()),
            ("step", pa.int32()),
            ("loss", pa.float64()),
            ("gradient_norm", pa.float64()),
            ("num_tokens", pa.int64()),
        ]
    ),
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

"""Find the blocks of a causal language model and their parts from its modules, for architectures without a layout.

The blocks are the list of modules that transformers marks for activation checkpointing, or else the list as long as
the configuration says the model is deep. A child of a block is a norm, a sequence mixer (attention, state space,
convolution, recurrence), a channel mixer (MLP, experts) or an input of each layer (per-layer embeddings), by its class
and its name. What fits none of these is refused; there is no unit for "other".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from tgl.core.errors import TglError

ATTENTION, MLP, SEQUENCE, MIXER = "attention", "mlp", "sequence_mixer", "mixer"
PER_LAYER, OUTSIDE = "per_layer_input", "outside"
ORDER = (MIXER, SEQUENCE, ATTENTION, MLP, PER_LAYER)

# Each rule is a part and a pattern of `name:Class` in lower case. The first that fits decides, so names come first: the
# class of an attention in a mixture of experts may contain "Moe".
_RULES = tuple(
    (part, re.compile(pattern))
    for part, pattern in (
        # Cross-attention reads an encoder or an image, which plain text does not have.
        (OUTSIDE, r"^(encoder_attn|cross_?attn|crossattention|cross_attention)"),
        (PER_LAYER, r"per_layer|altup|laurel|^ple_"),
        (
            MLP,
            r"^(mlps?|ffn|ff|feed_forward|fc\d|intermediate|output|block_sparse_moe|shared_mlp|mlp_block):",
        ),
        (SEQUENCE, r"^linear_attn:"),
        (ATTENTION, r"^((self_)?(att|attn|attention)|multi_head_attention|rel_attn):|:.*attention$"),
        (
            SEQUENCE,
            r"^(?!attn_|mlp_|post_).*:.*(mamba|ssm|conv|recurrent|lstm|gru|rnn|delta|retention|mixer)",
        ),
        (MLP, r":.*(mlp|feedforward|ffn|moe|experts)"),
    )
)
# Small additions to a mixer: hyper-connections, short convolutions, scales and gates of the residual stream.
_ADDITIONS = (
    (MLP, re.compile(r"mlp|ffn|(^|_)ff_|post_attention_residual$")),
    (ATTENTION, re.compile(r"attn|attention|^input_residual$")),
    (SEQUENCE, re.compile(r"^linear$")),
)
_NORM_CLASS = re.compile(r"norm(1p)?$")
_CHANNEL_NORM = re.compile(r"mlp|ffn|(^|_)ff(_|$)|feed_?forward|channel|moe|expert")
_SEQUENCE_NORM = re.compile(r"attn|attention|operator|temporal|mixer|lstm|mamba")


@dataclass(frozen=True)
class Parts:
    """The parts of one block.

    Attributes:
        children: The names of the block's children and parameters, relative to the block, by part.
        output: The child whose output each part adds to the residual stream, by part. A part without an entry adds
            the outputs of several children.
    """

    children: dict[str, list[str]]
    output: dict[str, str]


def block_lists(model: nn.Module) -> list[str]:
    """Return the paths of the lists of blocks; all but a few models have one.

    Raises:
        TglError: The model has no such list.
    """
    lists = {name: m for name, m in model.named_modules() if isinstance(m, nn.ModuleList) and len(m)}
    marked = {
        name: m
        for name, m in lists.items()
        if all(isinstance(block, GradientCheckpointingLayer) for block in m)
    }
    if not marked:
        depth = _depth(model)
        marked = {name: m for name, m in lists.items() if len(m) == depth}
    outer = [name for name in marked if not any(name.startswith(f"{other}.") for other in marked)]
    text = _text_model(model)
    if text:
        outer = [name for name in outer if name.startswith(f"{text}.")] or outer
    # Towers for images and sound lie deeper than the blocks of the language model.
    depths = {name: name.count(".") for name in outer}
    found = [name for name in outer if depths[name] == min(depths.values())]
    if not found:
        raise TglError(
            f"{type(model).__name__}: found no list of blocks; the lists are "
            f"{[f'{name}[{len(m)}]' for name, m in lists.items()] or 'none'}, expected one that transformers marks for "
            f"activation checkpointing, or one of {_depth(model)} blocks. Add a line to tgl/models/layouts.py, or "
            "register an architecture in your own package"
        )
    return found


def parts_of(block: nn.Module, path: str) -> Parts:
    """Return the parts of a block.

    Args:
        block: The block.
        path: Its path in the model, for messages.

    Raises:
        TglError: A child with parameters fits no rule.
    """
    children = dict(_children(block))
    norms = [name for name, child in children.items() if _NORM_CLASS.search(_class(child).lower())]
    found: dict[str, list[str]] = {}
    output: dict[str, str] = {}
    additions = []
    for name, child in children.items():
        kind = f"{_last(name)}:{_class(child)}".lower()
        part = next((part for part, pattern in _RULES if pattern.search(kind)), None)
        if name in norms:
            continue
        if part is None:
            additions.append(name)
            continue
        found.setdefault(part, []).append(name)
    for part, names in found.items():
        chain = len(names) == 1 or _last(names[-1]) in ("fc2", "output")
        if part != OUTSIDE and chain and not isinstance(children[names[-1]], nn.ModuleList):
            output[part] = names[-1]
    for name in additions:
        part = next((part for part, pattern in _ADDITIONS if pattern.search(_last(name).lower())), None)
        if part is None:
            raise _unknown(path, name, children)
        found.setdefault(part, []).append(name)
    if OUTSIDE in found and not found.keys() & {ATTENTION, SEQUENCE}:
        # Plain text skips a block of cross-attention, so it skips the block's MLP too.
        return Parts({OUTSIDE: list(children)}, {})
    if SEQUENCE in found and len(found) == 1:
        found = {MIXER: found[SEQUENCE]}
        output = {MIXER: output[SEQUENCE]} if SEQUENCE in output else {}
    found = {part: found[part] for part in (*ORDER, OUTSIDE) if part in found}
    for name in norms:
        here = [
            part for part in ORDER if any(_prefix(other) == _prefix(name) for other in found.get(part, ()))
        ]
        part = _part_of_norm(name, {_last(other).lower() for other in children}, here)
        if part is None:
            raise _unknown(path, name, children)
        found.setdefault(part, []).append(name)
        if _last(name).startswith("post_") and not (part == MLP and _AMBIGUOUS.match(_last(name))):
            output[part] = name
    return Parts(found, output)


def _children(block: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module | None]]:
    """Yield names and modules of a block's children that have parameters; the block's own parameters come with None.

    A child that is itself a block with a norm before an MLP, such as Zamba's shared transformer block, is entered.
    """
    for name, _ in block.named_parameters(recurse=False):
        yield prefix + name, None
    for name, child in block.named_children():
        if type(child).__name__.endswith("AttentionDecoderLayer"):
            yield from _children(child, f"{prefix}{name}.")
        elif any(True for _ in child.parameters()):
            yield prefix + name, child


def _class(child: nn.Module | None) -> str:
    if isinstance(child, nn.ModuleList) and len(child):
        child = child[0]
    return "" if child is None else type(child).__name__


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _prefix(name: str) -> str:
    return name.rpartition(".")[0]


# The norm before the MLP in Llama and the norm after the attention in Gemma 2 have the same name.
_AMBIGUOUS = re.compile(r"post_(attention|attn)_")


def _part_of_norm(name: str, siblings: set[str], parts: list[str]) -> str | None:
    """Return the part that a norm feeds or, for a norm behind a mixer, the part whose output it takes."""
    last = _last(name).lower()
    channel = MLP if MLP in parts else None
    sequence = next((part for part in parts if part in (ATTENTION, SEQUENCE, MIXER)), channel)
    if "per_layer" in last:
        return PER_LAYER
    if last.startswith(("encoder_attn", "cross_attn", "cross_attention")):
        return OUTSIDE
    if _AMBIGUOUS.match(last):
        others = {other for other in siblings - {last} if "norm" in other}
        second = any(other.startswith(("post_self_attn", "post_norm1")) for other in others)
        return sequence if any(map(_CHANNEL_NORM.search, others)) and not second else channel
    if _CHANNEL_NORM.search(last) or last == "final_layer_norm":
        return channel
    if _SEQUENCE_NORM.search(last):
        return sequence
    if last.endswith("2") or (last in ("ln", "layernorm") and "intermediate" in siblings):
        return channel
    return sequence if re.search(r"1$|^input_|^norm$|^ln$", last) else None


def _unknown(path: str, name: str, children: dict[str, nn.Module | None]) -> TglError:
    kinds = ", ".join(f"{other}: {_class(child) or 'parameter'}" for other, child in children.items())
    return TglError(
        f"{path}: '{name}' is neither a known norm, sequence mixer, channel mixer nor per-layer input; found the "
        f"children {kinds}. Add a line to tgl/models/layouts.py, or register an architecture in your own package"
    )


def _depth(model: nn.Module) -> int | None:
    config = getattr(model, "config", None)
    text = config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config
    return getattr(text, "num_hidden_layers", None)


def _text_model(model: nn.Module) -> str:
    """Return the path of the decoder inside a model with other towers; "" if it is the model itself."""
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    return next((name for name, module in model.named_modules() if module is decoder), "")

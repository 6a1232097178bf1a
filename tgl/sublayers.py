"""Any causal language model as named sublayers, each parameter in exactly one.

A transformer block has two: `attention` and `mlp`; RWKV's are `sequence_mixer` and `channel_mixer`; a block with a
single mixer, as Mamba's or a GRU's, has one: `mixer`. A block's norm belongs to the sublayer it feeds. Embeddings,
final norm and output head form the unit `embedding`, which is outside every ranking; so is `adapter`, what stands
beside a model with adapters (`tgl.k_adapter`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from torch import nn

from tgl.errors import TglError, nearest
from tgl.sublayer_names import ADAPTER, EMBEDDING, UNRANKED


@dataclass(frozen=True)
class _Layout:
    """Paths of the block list and of the norm behind it ("": no adapter can stand there), children by sublayer.

    The last child of a sublayer is the one that adds to the residual stream.
    """

    blocks: str
    norm: str
    parts: dict[str, tuple[str, ...]]
    outside: tuple[str, ...] = ()  # children of a block that belong to `embedding`


_GPT2 = _Layout("transformer.h", "transformer.ln_f", {"attention": ("ln_1", "attn"), "mlp": ("ln_2", "mlp")})
_LLAMA = _Layout(
    "model.layers",
    "model.norm",
    {"attention": ("input_layernorm", "self_attn"), "mlp": ("post_attention_layernorm", "mlp")},
)
_MAMBA = _Layout("backbone.layers", "backbone.norm_f", {"mixer": ("norm", "mixer")})

# By architecture (config.model_type).
_LAYOUTS: dict[str, _Layout] = {
    "gpt2": _GPT2,
    "gpt_neo": _GPT2,
    "gpt_neox": _Layout(
        "gpt_neox.layers",
        "gpt_neox.final_layer_norm",
        {**_LLAMA.parts, "attention": ("input_layernorm", "attention")},
    ),
    **dict.fromkeys(
        ("llama", "mistral", "gemma", "granite", "olmo", "phi3", "qwen2", "qwen3", "smollm3", "stablelm"),
        _LLAMA,
    ),
    "olmo2": _Layout(  # its norms stand behind what they belong to
        "model.layers",
        "model.norm",
        {
            "attention": ("self_attn", "post_attention_layernorm"),
            "mlp": ("mlp", "post_feedforward_layernorm"),
        },
    ),
    "opt": _Layout(
        "model.decoder.layers",
        "model.decoder.final_layer_norm",
        {"attention": ("self_attn_layer_norm", "self_attn"), "mlp": ("final_layer_norm", "fc1", "fc2")},
    ),
    **dict.fromkeys(("mamba", "mamba2", "falcon_mamba"), _MAMBA),
    "rwkv": _Layout(
        "rwkv.blocks",
        "",  # in evaluation mode its residual stream is halved on the way, which only a norm makes up for
        {"sequence_mixer": ("ln1", "attention"), "channel_mixer": ("ln2", "feed_forward")},
        outside=("pre_ln",),  # normalises the embeddings
    ),
    "tgl_gru": _Layout("blocks", "norm", {"mixer": ("norm", "gru")}),
}


@dataclass(frozen=True)
class Sublayer:
    """One unit: its name (`block00.attention`), block number (-1 outside the blocks), part and parameters by name.

    `output` is the module whose output the unit adds to the residual stream (None outside the blocks); `owners`: the
    module that each parameter belongs to, by the parameter's name.
    """

    name: str
    block: int
    part: str
    parameters: dict[str, nn.Parameter]
    output: nn.Module | None = field(default=None, compare=False)
    owners: dict[str, nn.Module] = field(default_factory=dict, compare=False)

    @property
    def num_parameters(self) -> int:
        """Number of scalars; a tied weight counts once."""
        return sum(parameter.numel() for parameter in self.parameters.values())


def sublayers(model: nn.Module) -> list[Sublayer]:
    """Return the model's units in order of depth, `embedding` last.

    Beside a model with adapters stands the unit `adapter`, before `embedding`; the parameters of the model itself
    keep the names they have without adapters. A wrapped model has the units of the model inside (`unwrapped`); the
    parameters of peft's adapters belong to the sublayer they sit in. Raises TglError for an architecture whose
    blocks are not known here, or whose blocks hold a child that belongs to no sublayer.
    """
    model = unwrapped(model)
    kind = _kind(model)
    if kind == "tgl_k_adapter":
        *units, embedding = sublayers(model.base)
        beside = {name: p for name, p in model.named_parameters() if not name.startswith("base.")}
        return [*units, Sublayer(ADAPTER, -1, ADAPTER, beside, owners=_owners(model, beside)), embedding]
    layout = _layout(model)
    part_of_child = {child: part for part, children in layout.parts.items() for child in children}
    units: dict[tuple[int, str], dict[str, nn.Parameter]] = {}
    rest: dict[str, nn.Parameter] = {}
    for name, parameter in model.named_parameters():  # tied weights appear once
        if not name.startswith(layout.blocks + "."):
            rest[name] = parameter
            continue
        block, child = name[len(layout.blocks) + 1 :].split(".")[:2]
        if child in layout.outside:
            rest[name] = parameter
            continue
        if child not in part_of_child:
            raise TglError(
                f"parameter '{name}': '{child}' is no known child of a {kind} block "
                f"({', '.join(part_of_child)})"
            )
        units.setdefault((int(block), part_of_child[child]), {})[name] = parameter
    if not units:
        raise TglError(
            f"model type '{kind}': no block found at '{layout.blocks}'; the model has no sublayers to rank"
        )
    order = list(layout.parts)
    found = [
        Sublayer(
            f"block{block:02d}.{part}",
            block,
            part,
            units[block, part],
            model.get_submodule(f"{layout.blocks}.{block}.{layout.parts[part][-1]}"),
            _owners(model, units[block, part]),
        )
        for block, part in sorted(units, key=lambda unit: (unit[0], order.index(unit[1])))
    ]
    return [*found, Sublayer(EMBEDDING, -1, EMBEDDING, rest, owners=_owners(model, rest))]


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model inside torch.compile, DistributedDataParallel, DataParallel and peft; others as they are.

    Raises TglError for wrappers that flatten parameters (FSDP) and for peft methods whose parameters stand outside the
    model (prompt and prefix tuning): neither has parameters that belong to a sublayer.
    """
    if not isinstance(model, nn.Module):
        raise TglError(
            f"model: found {type(model).__name__}, expected a causal language model of transformers"
        )
    while True:
        kind = type(model).__name__
        if "FullyShardedDataParallel" in kind:
            raise TglError(
                f"model: found {kind}, whose flat parameters belong to no sublayer; expected a model with its own "
                "parameters. Hand over the model before it is sharded"
            )
        if "_orig_mod" in model._modules:  # torch.compile
            inner = model._orig_mod
        elif isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            inner = model.module
        elif type(model).__module__.startswith("peft."):
            inner = _inside_peft(model)
        else:
            return model
        model = inner


def has_adapters(model: nn.Module) -> bool:
    """Tell whether the model is wrapped by peft, or holds layers of it."""
    return any(type(module).__module__.startswith("peft.") for module in model.modules())


def _inside_peft(model: nn.Module) -> nn.Module:
    """Return the model that peft's wrapper, or one of its tuners, holds."""
    if hasattr(model, "get_base_model"):
        inner = model.get_base_model()
    else:
        inner = model.base_model.model if "base_model" in model._modules else model.model
    known = {id(parameter) for parameter in inner.parameters()}
    outside = [name for name, parameter in model.named_parameters() if id(parameter) not in known]
    if outside:
        raise TglError(
            f"model: found {type(model).__name__} with the parameter '{outside[0]}' outside the model, which belongs "
            "to no sublayer; expected adapters inside the blocks, as LoRA's. Hand over the model without them"
        )
    return inner


def _owners(model: nn.Module, names: Iterable[str]) -> dict[str, nn.Module]:
    return {name: model.get_submodule(name.rpartition(".")[0]) for name in names}


def ranked(units: list[Sublayer]) -> Iterator[Sublayer]:
    """Yield the units that a plan chooses among: all but `embedding` and `adapter`."""
    return (unit for unit in units if unit.name not in UNRANKED)


def blocks(model: nn.Module) -> nn.ModuleList:
    """Return the model's blocks in order of depth. Raises TglError for an architecture that is not known here."""
    return model.get_submodule(_layout(model).blocks)


def final_norm(model: nn.Module) -> nn.Module:
    """Return the norm between the last block and the output head.

    Raises TglError for an architecture that is not known here, for a model without such a norm, and for RWKV, whose
    residual stream has another scale in evaluation mode than in training mode.
    """
    path = _layout(model).norm
    norm = attrgetter(path)(model) if path else None
    if norm is None:
        raise TglError(
            f"model type '{_kind(model)}': between its blocks and its head was found "
            f"{f'no norm at {path!r}' if path else 'a residual stream that is rescaled in evaluation mode'}; adapters "
            f"can stand beside {', '.join(sorted(kind for kind, layout in _LAYOUTS.items() if layout.norm))}"
        )
    return norm


def _kind(model: nn.Module) -> str:
    return getattr(getattr(model, "config", None), "model_type", type(model).__name__)


def _layout(model: nn.Module) -> _Layout:
    kind = _kind(model)
    if kind not in _LAYOUTS:
        raise TglError(
            f"model type '{kind}': its blocks are not known{nearest(kind, _LAYOUTS)}; known are "
            f"{', '.join(sorted(_LAYOUTS))}. Found the block lists {_block_lists(model) or 'none'} among the "
            f"children {[name for name, _ in model.named_children()]}; a layout is one line in tgl/sublayers.py"
        )
    return _LAYOUTS[kind]


def _block_lists(model: nn.Module) -> list[str]:
    """Return path and length of every ModuleList, the likely blocks of an unknown architecture."""
    return [f"{name}[{len(m)}]" for name, m in model.named_modules() if isinstance(m, nn.ModuleList)]

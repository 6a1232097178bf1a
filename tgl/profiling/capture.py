"""Hook a model to collect squared gradient norms of each example in one forward and backward pass.

`tgl.profiling.coverage` determines the hooks: formulas for linear maps, norms, embeddings, experts, GRUs and an
embedding tied to the output head, and copies of parameters for other modules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.func import functional_call
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from tgl.core.errors import TglError
from tgl.models.quantised import is_quantised
from tgl.models.sublayers import Slice
from tgl.profiling import squares
from tgl.profiling.copies import Copied
from tgl.profiling.coverage import Coverage
from tgl.profiling.experts import experts_forward
from tgl.profiling.recurrent import gru_forward
from tgl.profiling.replaced import at_lookup, replaced


@dataclass
class Capture:
    """The results of the hooks in one forward and backward pass.

    Attributes:
        starts: Tensors at which the graph starts because the weights before them need no gradient.
        squares: The squared gradient norm of each example [batch], by parameter or part of one.
        sums: The gradients of the summed loss, of the weights in `summed` of `hooked`.
    """

    starts: list[torch.Tensor] = field(default_factory=list)
    squares: dict[nn.Parameter | Slice, torch.Tensor] = field(default_factory=dict)
    sums: dict[nn.Parameter, torch.Tensor] = field(default_factory=dict)
    # For each tied weight: inputs and gradients of head or embedding, until those of the other arrive.
    _halves: dict[nn.Parameter, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    # For each weight that acts several times: inputs and gradients of each call, and the function that takes all.
    _calls: dict[nn.Parameter, list[tuple[torch.Tensor, torch.Tensor]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _finish: dict[nn.Parameter, Callable[[torch.Tensor, torch.Tensor], None]] = field(default_factory=dict)

    def add(self, parameter: nn.Parameter | Slice, found: torch.Tensor) -> None:
        """Add a contribution to the squared norms of a parameter; a tied weight has several."""
        self.squares[parameter] = self.squares[parameter] + found if parameter in self.squares else found

    def tie(self, weight: nn.Parameter, seen: torch.Tensor, gradients: torch.Tensor) -> None:
        """Add the cross term of a weight that is both embedding (`seen` are ids) and output head (inputs)."""
        if weight not in self._halves:
            self._halves[weight] = (seen, gradients)
            return
        halves = (self._halves.pop(weight), (seen, gradients))
        head, embedding = sorted(halves, key=lambda half: not half[0].is_floating_point())
        product = squares.tied_products(*embedding, head[0], head_gradients=head[1])
        self.add(weight, 2 * product)

    def later(self, module: nn.Module, seen: torch.Tensor, gradients: torch.Tensor, *, back: Back) -> None:
        """Keep inputs and gradients of one call of a module whose weight acts several times."""
        self._calls[module.weight].append((seen, gradients))
        self._finish[module.weight] = lambda *all_calls: back(module, *all_calls)

    def finish(self) -> None:
        """Add the norms of weights that act several times. The gradient is the sum over all calls."""
        for weight, calls in self._calls.items():
            self._finish[weight](*(torch.cat(parts, dim=1) for parts in zip(*calls, strict=True)))
        self._calls.clear()


@contextmanager
def hooked(
    model: PreTrainedModel,
    coverage: Coverage,
    positions: torch.Tensor,
    *,
    summed: Collection[nn.Parameter] = (),
) -> Iterator[Capture]:
    """Hook the model for one forward and backward pass over a batch.

    The output head only receives the positions that predict targets, so the logits are [batch, targets, vocabulary].
    During the backward pass, the gradients of the hooked modules' outputs give `Capture.squares`; call
    `Capture.finish` after it.

    Args:
        model: The model.
        coverage: The result of `cover`.
        positions: The positions that predict targets [batch, targets].
        summed: Weights of linear maps of which `Capture.sums` is wanted; no tied ones.
    """
    capture, batch, head = Capture(), len(positions), model.get_output_embeddings()
    tied = {id(m.weight) for m in coverage.modules["embedding"]} & {id(head.weight)}
    anchor = torch.zeros((), device=positions.device, requires_grad=True)
    capture.starts.append(anchor)

    def at_targets(module: nn.Module, inputs: tuple) -> tuple:
        hidden = inputs[0]
        return (
            hidden.gather(1, positions.to(hidden.device)[:, :, None].expand(-1, -1, hidden.shape[2])),
            *inputs[1:],
        )

    def embedded(module: nn.Embedding, ids: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        # The output can require gradients because of the caller's hooks, so this looks at the weight.
        if not module.weight.requires_grad:
            output = output.detach().requires_grad_()
            capture.starts.append(output)
        # Positions that the batch shares need one gradient per example. Some models change the output in place.
        output = output.expand(batch, -1, -1).clone()
        if module in coverage.modules["embedding"]:
            ids = ids.expand(batch, -1)
            output.register_hook(lambda gradients: embedding_back(module, ids, gradients))
        return output

    def embedding_back(module: nn.Embedding, ids: torch.Tensor, gradients: torch.Tensor) -> None:
        if module.padding_idx is not None:  # The padding row gets no gradient.
            gradients = gradients.masked_fill((ids == module.padding_idx)[:, :, None], 0)
        capture.add(module.weight, squares.embedding_squares(ids, gradients))
        if id(module.weight) in tied:
            capture.tie(module.weight, ids, gradients)

    def linear_back(module: nn.Module, seen: torch.Tensor, gradients: torch.Tensor) -> None:
        seen = _by_example(seen, batch)
        if module.weight in summed:
            shape = (seen, gradients) if isinstance(module, Conv1D) else (gradients, seen)
            found, capture.sums[module.weight] = squares.linear_squares_and_sum(*shape)
        else:
            found = squares.linear_squares(seen, gradients)
        capture.add(module.weight, found)
        if module.bias is not None:
            capture.add(module.bias, squares.bias_squares(gradients))
        for part in coverage.slices.get(module.weight, ()):
            own_seen = seen if part.outputs else seen[..., part.index]
            own = gradients[..., part.index] if part.outputs else gradients
            capture.add(part, squares.linear_squares(own_seen, own))
        for part in coverage.slices.get(module.bias, ()):
            capture.add(part, squares.bias_squares(gradients[..., part.index]))
        if module is head and id(module.weight) in tied:
            capture.tie(module.weight, seen, gradients)

    def norm_back(module: nn.Module, seen: torch.Tensor, gradients: torch.Tensor) -> None:
        bias = getattr(module, "bias", None)
        if module.weight is not None:
            scaled = _by_example(_scaled_by_weight(module, seen), batch)
            capture.add(module.weight, squares.scale_squares(scaled, gradients))
        if bias is not None:
            capture.add(bias, squares.bias_squares(gradients))

    def watch(back: Back) -> Callable[[nn.Module, tuple, torch.Tensor], None]:
        def hook(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
            # Without gradients: _scaled_by_weight calls the module again; or the model itself wants none.
            if not output.requires_grad:
                return
            seen = inputs[0].detach()
            seen = _by_example(seen, batch) if seen.dim() == 2 else seen

            def on_gradients(gradients: torch.Tensor) -> None:
                gradients = _by_example(gradients, batch)
                # Where the model is spread over devices, the module may have received its input from another one.
                seen_here = seen.to(gradients.device)
                if module.weight in coverage.repeated:
                    capture.later(module, seen_here, gradients, back=back)
                else:
                    back(module, seen_here, gradients)

            output.register_hook(on_gradients)

        return hook

    def used_after_all(module: nn.Module, *_: object) -> None:
        raise TglError(
            f"gradient norms: a quantised {type(module).__name__} that a trial with a few tokens did not use is used "
            "by an example, so its norm is not known. Load the model without quantisation"
        )

    unused = set(coverage.unused)
    with ExitStack() as stack:
        for module in model.modules():
            if is_quantised(module) and module.weight in unused:
                stack.callback(module.register_forward_hook(used_after_all).remove)
        stack.callback(head.register_forward_pre_hook(at_targets).remove)
        for module in coverage.embeddings:
            stack.enter_context(at_lookup(module, embedded))
        for way, back in (("linear", linear_back), ("norm", norm_back)):
            for module in coverage.modules[way]:
                stack.callback(module.register_forward_hook(watch(back)).remove)
        for module in coverage.modules["experts"]:
            stack.enter_context(replaced(module, experts_forward(module, batch, capture.add)))
        for module in coverage.modules["recurrent"]:
            stack.enter_context(replaced(module, gru_forward(module, anchor, capture.add)))
        for module, split in coverage.copied.items():
            run = Copied(
                module,
                split,
                batch=batch,
                anchor=anchor,
                take=lambda p, g: capture.add(p, squares.sum_of_squares(g)),
            )
            stack.enter_context(replaced(module, run))
        yield capture


Back = Callable[[nn.Module, torch.Tensor, torch.Tensor], None]


def _by_example(values: torch.Tensor, batch: int) -> torch.Tensor:
    """Return [batch, positions, size] from [batch, ..., size] or from [batch * time, size]."""
    return values.reshape(batch, -1, values.shape[-1])


@torch.no_grad()
def _scaled_by_weight(module: nn.Module, seen: torch.Tensor) -> torch.Tensor:
    """Return the factor x of a norm's weight, for modules that compute weight * x or (1 + weight) * x."""
    bias = {"bias": torch.zeros_like(module.bias)} if getattr(module, "bias", None) is not None else {}
    one, zero = torch.ones_like(module.weight), torch.zeros_like(module.weight)
    found = functional_call(module, {"weight": one, **bias}, (seen,))
    if type(module) in (nn.LayerNorm, nn.RMSNorm):
        return found
    return found - functional_call(module, {"weight": zero, **bias}, (seen,))

"""Squared gradient norms of single examples, computed from a module's inputs and output gradients. Pure functions.

The gradient of a linear map's weight W [in, out] for one example is X^T G, with inputs X [time, in] and output
gradients G [time, out]. Its squared Frobenius norm is the sum of (x_s . x_t) (g_s . g_t) over all pairs of positions.
This needs two [time, time] Gram matrices but not the gradient of the weight (Goodfellow 2015, arXiv 1510.01799, for one
position; Li et al. 2022, arXiv 2110.05679, for sequences).

Sums of products are in double precision; sums of squares are in single precision over 64 neighbours
and in double precision over the rest. Every function returns one value per example, [batch].
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

LEAF = 64  # Up to this number of positions, a Gram matrix is computed in one piece.
_MATERIALISED_SCALARS = 1 << 22  # Most gradient scalars in memory at once, for any batch.
_RUN = 64  # Squares that are added in single precision
# Passing over one scalar of a materialised gradient takes as long as so many multiplications of a matrix product.
_PASS = 32


def wide(values: torch.Tensor) -> torch.Tensor:
    """Return bf16 and fp16 in single precision, and other types as they are."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def sum_of_squares(values: torch.Tensor) -> torch.Tensor:
    """Return the sum of squares over all dimensions but the first [batch]."""
    # One pass without temporary tensors, some 20 times as fast as a sum of squares in double precision.
    flat = wide(values).reshape(len(values), -1)
    whole = flat.shape[1] // _RUN * _RUN
    runs = torch.linalg.vector_norm(flat[:, :whole].unflatten(1, (-1, _RUN)), dim=2)
    return torch.cat([runs, flat[:, whole:]], dim=1).double().square().sum(1)


def linear_squares(inputs: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Return ||X^T G||^2 of each example.

    The Gram form needs pairs * (in + out) multiplications, the gradient itself time * in * out. The function uses the
    cheaper one, which depends only on the shapes.

    Args:
        inputs: X, [batch, time, in].
        gradients: G, [batch, time, out].
    """
    inputs, gradients = wide(inputs), wide(gradients)
    time, size_in, size_out = inputs.shape[1], inputs.shape[2], gradients.shape[2]
    if gram_pairs(time) * (size_in + size_out) < time * size_in * size_out:
        return _gram(inputs, gradients)
    return torch.cat([sum_of_squares(each) for each in _materialised(inputs, gradients)])


def linear_squares_and_sum(
    inputs: torch.Tensor, gradients: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ||X^T G||^2 of each example, and the sum of X^T G over the examples [in, out].

    Both use the same materialised gradients; arguments as in `linear_squares`.
    """
    inputs, gradients = wide(inputs), wide(gradients)
    total = inputs.new_zeros(inputs.shape[2], gradients.shape[2])
    found = []
    for each in _materialised(inputs, gradients):
        found.append(sum_of_squares(each))
        for one in each:
            total += one
    return torch.cat(found), total


def sum_is_cheaper(time: int, size_in: int, size_out: int) -> bool:
    """Return whether `linear_squares_and_sum` costs less than the Gram form and a separate sum of gradients."""
    return gram_pairs(time) * (size_in + size_out) > _PASS * size_in * size_out


def _materialised(inputs: torch.Tensor, gradients: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield X^T G [some examples, in, out] for all examples in order."""
    step = max(1, _MATERIALISED_SCALARS // (inputs.shape[2] * gradients.shape[2]))
    for begin in range(0, len(inputs), step):
        yield inputs[begin : begin + step].mT @ gradients[begin : begin + step]


def gram_pairs(time: int) -> int:
    """Return the number of pairs of positions in the Gram form, which uses the symmetry of both matrices."""
    if time <= LEAF:
        return time * time
    half = time // 2
    return gram_pairs(half) + gram_pairs(time - half) + half * (time - half)


def _gram(inputs: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    time = inputs.shape[1]
    if time <= LEAF:
        return _products(inputs @ inputs.mT, gradients @ gradients.mT)
    half = time // 2
    first_in, last_in = inputs[:, :half], inputs[:, half:]
    first_out, last_out = gradients[:, :half], gradients[:, half:]
    across = _products(first_in @ last_in.mT, first_out @ last_out.mT)
    return _gram(first_in, first_out) + _gram(last_in, last_out) + 2 * across


def bias_squares(gradients: torch.Tensor) -> torch.Tensor:
    """Return the squared gradient norm of a bias, ||sum over time of G||^2, for each example.

    Args:
        gradients: G, [batch, time, ..., out].
    """
    return sum_of_squares(wide(gradients).flatten(1, -2).sum(1))


def scale_squares(scaled: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Return the squared gradient norm of an elementwise weight for each example.

    Args:
        scaled: The factor of the weight [batch, time, ..., size].
        gradients: Gradients of the output [batch, time, ..., size].
    """
    return bias_squares(wide(scaled) * wide(gradients))


def embedding_squares(ids: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Return the squared gradient norm of an embedding for each example.

    The gradient of a row is the sum over the positions with its id.

    Args:
        ids: Token ids [batch, time].
        gradients: Gradients of the output [batch, time, size].
    """
    batch, gradients = len(ids), wide(gradients)
    example = torch.arange(batch, device=ids.device)[:, None].expand_as(ids)
    keys, places = torch.stack([example.reshape(-1), ids.reshape(-1)]).unique(dim=1, return_inverse=True)
    rows = gradients.new_zeros(keys.shape[1], gradients.shape[2])
    rows.index_add_(0, places, gradients.reshape(-1, gradients.shape[2]))
    squares = sum_of_squares(rows)
    return squares.new_zeros(batch).index_add_(0, keys[0], squares)


def tied_products(
    ids: torch.Tensor, gradients: torch.Tensor, head_inputs: torch.Tensor, *, head_gradients: torch.Tensor
) -> torch.Tensor:
    """Return the inner product of the gradients of an embedding and of the output head tied to it, for each example.

    Row v of the head's gradient is the sum of g_s[v] h_s over targets s. Row v of the embedding's gradient is the sum
    of e_t over positions t with id v.

    Args:
        ids: Token ids [batch, time].
        gradients: Gradients e of the embedding's output [batch, time, size].
        head_inputs: Inputs h of the head [batch, targets, size].
        head_gradients: Gradients g of the head's output [batch, targets, vocabulary].
    """
    gradients, head_inputs, head_gradients = wide(gradients), wide(head_inputs), wide(head_gradients)
    at_ids = head_gradients.gather(2, ids[:, None, :].expand(-1, head_gradients.shape[1], -1))
    return _products(at_ids, head_inputs @ gradients.mT)  # Both factors are [batch, targets, time].


def _products(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return (left * right).sum((1, 2), dtype=torch.float64)

"""Squared gradient norms of single examples, from a module's inputs and output gradients. Pure functions.

The gradient of a linear map's weight W [in, out] for one example is X^T G, with inputs X [time, in] and output
gradients G [time, out]. Its squared Frobenius norm is the sum over all pairs of positions of
(x_s . x_t) (g_s . g_t), which needs two [time, time] Gram matrices and never the weight's own gradient
(Goodfellow 2015, arXiv 1510.01799, for one position; Li et al. 2022, arXiv 2110.05679, for sequences).

Sums of products are taken in double precision. Every function returns one value an example, [batch].
"""

from __future__ import annotations

import torch

LEAF = 64  # below this many positions a Gram matrix is computed whole
_MATERIALISED_SCALARS = 1 << 22  # at most so many gradient scalars at once, whatever the batch


def linear_squares(inputs: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Return ||X^T G||^2 of each example; inputs [batch, time, in], gradients [batch, time, out].

    The Gram form costs pairs * (in + out) multiplications, the gradient itself time * in * out: the cheaper is
    taken, by shape alone.
    """
    time, size_in, size_out = inputs.shape[1], inputs.shape[2], gradients.shape[2]
    if gram_pairs(time) * (size_in + size_out) < time * size_in * size_out:
        return _gram(inputs, gradients)
    step = max(1, _MATERIALISED_SCALARS // (size_in * size_out))
    return torch.cat(
        [
            (inputs[begin : begin + step].mT @ gradients[begin : begin + step])
            .square()
            .sum((1, 2), dtype=torch.float64)
            for begin in range(0, len(inputs), step)
        ]
    )


def gram_pairs(time: int) -> int:
    """Return how many pairs of positions the Gram form computes: both matrices are symmetric."""
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
    """Return ||sum over time of G||^2 of each example; gradients [batch, time, ..., out]."""
    return gradients.flatten(1, -2).sum(1).square().sum(1, dtype=torch.float64)


def scale_squares(scaled: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Return the square of an elementwise weight's gradient; scaled [batch, time, ..., size]: what it multiplies."""
    return bias_squares(scaled * gradients)


def embedding_squares(ids: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Return the square of an embedding's gradient; ids [batch, time], gradients [batch, time, size].

    A row's gradient is the sum over the positions that hold its id.
    """
    batch = len(ids)
    example = torch.arange(batch, device=ids.device)[:, None].expand_as(ids)
    keys, places = torch.stack([example.reshape(-1), ids.reshape(-1)]).unique(dim=1, return_inverse=True)
    rows = gradients.new_zeros(keys.shape[1], gradients.shape[2])
    rows.index_add_(0, places, gradients.reshape(-1, gradients.shape[2]))
    squares = rows.square().sum(1, dtype=torch.float64)
    return squares.new_zeros(batch).index_add_(0, keys[0], squares)


def tied_products(
    ids: torch.Tensor, gradients: torch.Tensor, head_inputs: torch.Tensor, head_gradients: torch.Tensor
) -> torch.Tensor:
    """Return the inner product of an embedding's gradient and that of the output head tied to it.

    ids [batch, time], gradients [batch, time, size] of the embedding; head_inputs [batch, targets, size],
    head_gradients [batch, targets, vocabulary]. Row v of the head's gradient is the sum over targets s of
    g_s[v] h_s; its product with row v of the embedding's, the sum of e_t where id_t = v.
    """
    at_ids = head_gradients.gather(2, ids[:, None, :].expand(-1, head_gradients.shape[1], -1))
    return _products(at_ids, head_inputs @ gradients.mT)  # both [batch, targets, time]


def _products(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return (left * right).sum((1, 2), dtype=torch.float64)

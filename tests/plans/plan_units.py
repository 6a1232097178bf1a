"""Sublayers for policies to choose among, as plain functions."""

from tgl.plans.policy import Unit


def units_of(values, sizes=None):
    """Return a unit for each relative norm, in order of depth; all of 100 parameters unless told."""
    sizes = sizes or [100] * len(values)
    return [
        Unit(f"block{number:02d}.mlp", size, value, uptake=1.0 + number, fisher=2.0)
        for number, (value, size) in enumerate(zip(values, sizes, strict=True))
    ]


def transformer(rng, blocks):
    """Return the units of a transformer with random norms: an MLP has twice the parameters of an attention."""
    return [
        Unit(f"block{block:02d}.{part}", size, float(rng.uniform(1, 3)), uptake=1.0 + block, fisher=2.0)
        for block in range(blocks)
        for part, size in (("attention", 100), ("mlp", 200))
    ]


def size_of(units):
    return {unit.name: unit.num_parameters for unit in units}


def parameters(units, names):
    return sum(unit.num_parameters for unit in units if unit.name in names)

"""Curves of methods whose comparison at equal uptake is known."""

import numpy as np

from tests.analysis.curve_world import curves_of, world
from tgl.analysis.equal_uptake import MethodCurves, at_equal_uptake
from tgl.analysis.uptake import Curves

LEARNED = [0.0, 1.0, 2.0, 3.0]
STEEP, FLAT = [0.0, 1.0, 2.0, 4.0], [0.0, 0.2, 0.4, 0.8]
RATES = (0.1, 0.2, 0.3)


def tried(middle, others=None, rates=RATES):
    """Return the curves of a method by rate: `middle` at the second rate, `others` at the rest."""
    others = middle if others is None else others
    return {rate: middle if number == 1 else others for number, rate in enumerate(rates)}


# On validation every method forgets least at the second of three rates.
VALIDATION = tried(curves_of(LEARNED, FLAT), curves_of(LEARNED, STEEP))


def with_seeds(curves, number):
    """Return curves with this number of seeds, all like the first, unless they have as many already."""
    if curves.uptake.shape[1] == number:
        return curves
    return Curves(
        *(np.repeat(side[:, :1], number, 1) for side in (curves.uptake, curves.forgetting)), curves.weights
    )


def of(test, validation=None, steps=3):
    """Return curves of methods; test: by method one curve for all rates; validation: of some methods by rate."""
    number = next(iter(test.values())).uptake.shape[1]
    own = {
        name: {rate: with_seeds(curves, number) for rate, curves in by_rate.items()}
        for name, by_rate in (dict.fromkeys(test, VALIDATION) | (validation or {})).items()
    }
    return MethodCurves(own, {name: dict.fromkeys(own[name], curves) for name, curves in test.items()}, steps)


def compared(curves, methods=None, primary=0.7, reference="full"):
    """Return the table of comparisons with `reference`."""
    methods = [name for name in curves.test if name != reference] if methods is None else methods
    return at_equal_uptake(curves, [(name, reference) for name in methods], primary=primary)


def at(table, method, share=0.7):
    (row,) = table[(table["method"] == method) & (table["share"] == share)].to_dict("records")
    return row


def noisy(seed=0, sizes=(4, 20, 30), apart=0.0):
    """Return noisy test curves of full and of the method m."""
    full, own = world(np.random.default_rng(seed), *sizes, apart=apart)
    return {"full": full, "m": own}


def without_first_seed(curves):
    """Return curves whose first seed learns nothing."""
    uptake = curves.uptake.copy()
    uptake[:, 0] = uptake[:1, 0]
    return Curves(uptake, curves.forgetting, curves.weights)


def learns_less():
    return tried(curves_of([0.0, 0.1, 0.2, 0.3], FLAT))


def just_reached():
    """Return curves that reach 2.1 nats at the end, and without their first subject do not."""
    curves = curves_of([0.0, 0.7, 1.4, 2.05], FLAT)
    curves.uptake[-1, :, 0] -= 0.6
    return curves


def largest_rate():
    """Return validation curves that forget least at the largest rate."""
    return dict(zip(RATES, [curves_of(LEARNED, STEEP)] * 2 + [curves_of(LEARNED, FLAT)], strict=True))

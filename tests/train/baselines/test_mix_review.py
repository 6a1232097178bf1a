import numpy as np
import pytest

from tests.support.model_fixtures import BLOCK
from tests.train.baselines.periods import baseline_of
from tests.train.baselines.two_texts import NEW, rows_of, two_texts


@pytest.mark.parametrize(("ratio", "decay"), [(4.0, 0.5), (4.0, 0.7), (2.0, 1.0)])
def test_mix_review_shows_ratio_times_decay_to_the_pass_old_rows_for_each_new_one(ratio, decay):
    _, old = rows_of(baseline_of("mix_review", ratio=ratio, decay=decay), two_texts(), 400)
    passes = (np.cumsum(~old) - ~old) * BLOCK // len(NEW)  # over the new text, complete before each row
    for number in range(4):
        of_pass = old[passes == number]
        assert (~of_pass).sum() == 20
        expected = 20 * ratio * decay**number
        assert of_pass.sum() == pytest.approx(expected, abs=2 + ratio * decay**number)


def test_mix_review_s_default_is_the_paper_s_four_to_one_falling_by_a_factor_of_seven_tenths():
    found = [baseline_of("mix_review").old_to_new(number) for number in range(4)]
    assert found == pytest.approx([4.0, 2.8, 1.96, 1.372])

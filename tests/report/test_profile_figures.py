import functools
import re
from xml.etree import ElementTree

import pandas as pd
import pytest

from tgl.core.vocabulary import CONTROLS, PROFILED_KINDS, SALIENT_KINDS
from tgl.report.profile_figures import (
    COLOURS,
    LABELS,
    along_training,
    label,
    profile_by_block,
    ratio_by_denominator,
    write_profile_figures,
)

PARTS = ("attention", "mlp")
BLOCKS = 3
CONTROLLED = [f"{control}.{kind}" for kind in SALIENT_KINDS for control in CONTROLS]
DENOMINATORS = ("window", "matched_span", "unchanged")


def number_of(*parts):
    """Return a number from 0 to 1 that differs with what it is made from."""
    return sum((n + 1) * ord(c) for n, c in enumerate("".join(map(str, parts)))) % 997 / 997


def profile(
    groups=(*PROFILED_KINDS, *CONTROLLED),
    weights=("trained", "random"),
    seeds=(0,),
    denominators=DENOMINATORS,
):
    rows = []
    for seed in seeds:
        for weight in weights:
            for group in groups:
                for denominator in denominators:
                    if group == denominator:
                        continue
                    names = [(block, part) for block in range(BLOCKS) for part in PARTS] + [(-1, "all")]
                    for block, part in names:
                        value = 1 + number_of(seed, weight, group, denominator, block, part)
                        rows.append(
                            {
                                "weights": weight, "group": group, "denominator": denominator, "block": block,
                                "part": part, "sublayer": "all" if block < 0 else f"block{block:02d}.{part}",
                                "relative_norm": value, "low": value * 0.8, "high": value * 1.3, "seed": seed,
                            }
                        )  # fmt: skip
    return pd.DataFrame(rows)


def styles(svg):
    """Return the style of every shape, from well-formed XML."""
    shapes = [e for e in ElementTree.fromstring(svg).iter() if e.tag.rpartition("}")[2] in ("path", "use")]
    return [shape.get("style", "") for shape in shapes]


def bands(svg, group):
    colour = COLOURS[group.partition(".")[0]]
    return [style for style in styles(svg) if f"fill: {colour}" in style and "fill-opacity: 0.15" in style]


def lines(svg, group):
    """Return the lines of a group: kinds are drawn solid, controls dashed; legends draw theirs too."""
    colour = COLOURS[group.partition(".")[0]]
    return [style for style in styles(svg) if f"stroke: {colour}" in style and "fill: none" in style]


def panels(svg):
    return len(re.findall(r'<g id="axes_\d+">', svg))


def along(steps=(10, 100), **given):
    """Return rows of the table `along`: means over sublayers under trained weights."""
    rows = profile(weights=("trained",), **given)
    rows = rows[rows["sublayer"] == "all"].drop(columns=["sublayer", "weights", "block", "part"])
    return pd.concat([rows.assign(step=step, high=rows["high"] + 0.1 * n) for n, step in enumerate(steps)])


FIGURES = {
    "by block": lambda table: profile_by_block(table, "window"),
    "by denominator": ratio_by_denominator,
    "along training": lambda table: along_training(table[table["sublayer"] == "all"].assign(step=10)),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_the_same_numbers_give_the_same_bytes_and_others_others(name, seeds):
    table = profile(("updated", "unchanged", "shuffled.updated"), seeds=seeds)
    one = FIGURES[name](table)
    assert one == FIGURES[name](table.copy())
    assert one.startswith("<svg")
    ElementTree.fromstring(one)
    changed = table.assign(high=table["high"] * 1.01)
    assert FIGURES[name](changed) != one


@pytest.mark.parametrize("weights", [("trained", "random"), ("trained",)])
@pytest.mark.parametrize(
    ("others", "columns"),
    [((), 1), (("unchanged",), 1), (("unchanged", "shuffled.updated", "capitalised.new_entity"), 3)],
)
def test_there_is_a_panel_for_each_traced_kind_part_weights_and_other_group(weights, others, columns):
    table = profile(("updated", "new_entity", *others), weights=weights)
    assert panels(profile_by_block(table, "window")) == 2 * len(PARTS) * len(weights) * columns
    assert panels(ratio_by_denominator(table)) == len(DENOMINATORS)


@functools.cache
def whole_figure():
    return profile_by_block(profile(), "window")


@pytest.mark.parametrize("group", [*PROFILED_KINDS, *CONTROLS])
def test_every_group_has_its_band_and_line_in_every_panel_it_belongs_to(group):
    svg = whole_figure()
    # A traced kind is in every panel of its rows; unchanged facts and each control have one column.
    lines_of_panels = len(PARTS) * 2 * (1 if group in SALIENT_KINDS else 2)
    columns = 1 + len(CONTROLS) if group in SALIENT_KINDS else 1
    assert len(bands(svg, group)) == lines_of_panels * columns
    legends = 0 if group in SALIENT_KINDS else 1
    assert len(lines(svg, group)) == lines_of_panels * columns + legends


def test_a_panel_has_two_bands_at_most():
    axes = re.findall(r'<g id="axes_\d+">.*?(?=<g id="axes_|\Z)', whole_figure(), flags=re.DOTALL)
    assert len(axes) == 2 * 2 * len(PARTS) * (1 + len(CONTROLS))
    assert {found.count("fill-opacity: 0.15") for found in axes} == {2}


@pytest.mark.parametrize("missing", [*PROFILED_KINDS, *CONTROLS])
def test_a_group_that_was_not_measured_is_not_drawn_and_the_rest_is(missing):
    groups = [name for name in (*PROFILED_KINDS, *CONTROLLED) if name.partition(".")[0] != missing]
    svg = profile_by_block(profile(groups, weights=("trained",)), "window")
    assert bands(svg, missing) == lines(svg, missing) == []
    for group in {name.partition(".")[0] for name in groups} - {missing}:
        assert bands(svg, group), group
    assert COLOURS[missing] not in ratio_by_denominator(profile(groups, weights=("trained",)))


@pytest.mark.parametrize(
    ("kinds", "rows"), [(("new_entity",), 1), (("unchanged",), 1), (("updated", "new_entity"), 2)]
)
def test_a_profile_has_rows_of_panels_for_the_kinds_it_traces(kinds, rows):
    denominators = [name for name in DENOMINATORS if name != "unchanged" or name in kinds]
    table = profile(kinds, weights=("trained",), denominators=denominators)
    svg = profile_by_block(table, "window")
    assert panels(svg) == rows * len(PARTS)
    for kind in kinds:
        assert bands(svg, kind)


def test_several_seeds_are_averaged_and_the_band_is_the_widest():
    """Two seeds are drawn as one whose line is the mean and whose limits are the outermost."""
    table = profile(("updated", "unchanged", "shuffled.updated"), seeds=(0, 1))
    keys = ["weights", "group", "denominator", "block", "part", "sublayer"]
    by_hand = table.groupby(keys, sort=False).agg({"relative_norm": "mean", "low": "min", "high": "max"})
    by_hand = by_hand.reset_index()
    assert profile_by_block(table, "window") == profile_by_block(by_hand, "window")
    assert ratio_by_denominator(table) == ratio_by_denominator(by_hand)
    # Either seed alone is drawn differently.
    assert profile_by_block(table[table["seed"] == 0], "window") != profile_by_block(table, "window")


def test_only_rows_of_the_denominator_asked_for_are_drawn():
    table = profile(weights=("trained",))
    one = profile_by_block(table, "window")
    other = table["denominator"] != "window"
    table.loc[other, ["relative_norm", "low", "high"]] *= 3
    assert profile_by_block(table, "window") == one
    assert profile_by_block(table, "unchanged") != one


def test_the_mean_over_sublayers_is_no_block():
    table = profile(weights=("trained",))
    one = profile_by_block(table, "window")
    table.loc[table["block"] < 0, ["relative_norm", "low", "high"]] *= 50
    assert profile_by_block(table, "window") == one
    assert ratio_by_denominator(table) != ratio_by_denominator(profile(weights=("trained",)))


def test_the_figure_of_denominators_has_a_point_for_each_group_and_kind_of_weights():
    svg = ratio_by_denominator(profile())
    colour = COLOURS["shuffled"]
    uses = [u.get("style", "") for u in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}use")]
    filled = [style for style in uses if f"fill: {colour}" in style and f"stroke: {colour}" in style]
    hollow = [style for style in uses if "fill: #ffffff" in style and f"stroke: {colour}" in style]
    assert len(filled) == len(hollow) == len(SALIENT_KINDS) * len(DENOMINATORS)
    alone = ratio_by_denominator(profile(weights=("trained",)))
    assert "fill: #ffffff; stroke: " + colour not in alone


def test_the_figure_along_training_has_a_panel_for_each_denominator():
    svg = along_training(along())
    assert panels(svg) == len(DENOMINATORS)
    assert len(bands(svg, "updated")) == len(bands(svg, "shuffled")) == len(DENOMINATORS)
    assert len(bands(svg, "unchanged")) == len(DENOMINATORS) - 1  # not over itself
    assert panels(along_training(along(denominators=("window",)))) == 1
    assert bands(along_training(along(groups=("updated",))), "unchanged") == []


def test_without_updated_facts_the_controls_along_training_are_those_of_new_entities():
    svg = along_training(along(groups=("new_entity", "shuffled.new_entity")))
    assert len(bands(svg, "shuffled")) == len(DENOMINATORS)
    assert "shuffled answers (new entities)" in svg


def test_seeds_along_training_are_averaged_at_each_step_of_their_own():
    table = along(seeds=(0, 1))
    keys = ["group", "denominator", "step"]
    by_hand = table.groupby(keys, sort=False).agg({"relative_norm": "mean", "low": "min", "high": "max"})
    assert along_training(table) == along_training(by_hand.reset_index())
    assert along_training(table) != along_training(table.assign(step=110 - table["step"]))


def test_both_figures_are_written(tmp_path):
    table = profile(("updated", "shuffled.updated"), denominators=("matched_span", "unchanged"))
    write_profile_figures(table, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"profile.svg", "denominators.svg"}
    # Over the first denominator there is.
    assert (tmp_path / "profile.svg").read_text() == profile_by_block(table, "matched_span")
    assert (tmp_path / "denominators.svg").read_text() == ratio_by_denominator(table)


def test_every_group_of_a_profile_has_a_name_for_people():
    names = [label(group) for group in (*PROFILED_KINDS, "window", *CONTROLLED)]
    assert len(set(names)) == len(names)
    assert label("updated") == "updated facts"
    assert label("shuffled.updated") == "shuffled answers (updated facts)"
    assert label("frequency_matched.new_entity") == "whole words as frequent (new entities)"
    assert set(COLOURS) < set(LABELS)

import pandas as pd

from tgl.profiling.summary import summary

ROWS = [
    ("trained", "updated", "window", "all", 5.25, 4.5, 6.126),
    ("trained", "updated", "window", "block00.mlp", 9.0, 8.0, 10.0),
    ("trained", "updated", "unchanged", "all", 1.234, 1.1, 1.4),
    ("trained", "unchanged", "window", "all", 3.0, 2.0, 4.0),
    ("random", "updated", "window", "all", 2.0, 1.0, 3.0),
]
COLUMNS = ["weights", "group", "denominator", "sublayer", "relative_norm", "low", "high"]


def test_a_line_for_each_group_holds_the_mean_over_each_denominator():
    lines = summary(pd.DataFrame(ROWS, columns=COLUMNS)).split("\n")
    assert [line.split() for line in lines] == [
        ["weights", "group", "over", "window", "over", "unchanged"],
        ["trained", "updated", "5.25", "[4.50,", "6.13]", "1.23", "[1.10,", "1.40]"],
        ["trained", "unchanged", "3.00", "[2.00,", "4.00]", "-"],
        ["random", "updated", "2.00", "[1.00,", "3.00]", "-"],
    ]


def test_the_columns_line_up():
    lines = summary(pd.DataFrame(ROWS, columns=COLUMNS)).split("\n")
    assert len({len(line) for line in lines}) == 1
    assert (
        len({line.find(word) for line, word in zip(lines[1:3], ("updated", "unchanged"), strict=True)}) == 1
    )

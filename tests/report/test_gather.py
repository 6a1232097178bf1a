"""What a report reads from the folder of an experiment."""

from tests.report.result_folder import configuration, write_results
from tgl.core.tables.read import read_table
from tgl.core.tables.write import write_table
from tgl.report.gather import all_runs


def test_probes_without_a_subject_are_subjects_of_their_own(tmp_path):
    """As one subject, their choice would not be in any interval."""
    config = configuration()
    folder = write_results(tmp_path, config)
    asked = read_table(folder / "probes/probes.parquet", "probes").to_pandas()
    blank = asked.assign(subject="", answer_group=asked["id"])
    write_table(blank.to_dict("records"), folder / "probes/probes.parquet", "probes")
    for key, values in all_runs(folder, config).values().items():
        if key[0] != "text":
            assert len(values.weights) == 8, key  # eight test probes of a kind

"""Findings that several files of tests read."""

import pytest

from tests.report.score_world import losses, probes, runs_of, scores, steps
from tests.report.small_findings import GAINS
from tgl.config.report_settings import ReportConfig
from tgl.report.methods import findings


@pytest.fixture(scope="session")
def findings_found():
    table = scores(GAINS, 5)
    return findings(runs_of(table, losses(GAINS, 5), probes(), scored=steps(table)), ReportConfig())

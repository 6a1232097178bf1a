"""Findings of a small world whose answers are known."""

from tests.report.score_world import DATES, losses, probes, runs_of, scores, steps
from tgl.config.report_settings import ReportConfig
from tgl.report.methods import findings

GAINS = {"full": 0.0, "tgl_fp": 0.4, "random": 0.0, "full+ewc": -0.4}


def small(gains=GAINS, change=None, dates=DATES, seeds=2, asked=None, **settings):
    """Return findings of a smaller world, its scores changed by `change`.

    Of the settings, `report` are keys of the section report, `stepped` is whether steps were scored, and the others go
    to `scores`.
    """
    asked = probes(4) if asked is None else asked
    report, stepped = ReportConfig(**settings.pop("report", {})), settings.pop("stepped", True)
    table = scores(gains, seeds, asked, **settings)
    table = table if change is None else change(table)
    scored = steps(table) if stepped else None
    runs = runs_of(table, losses(gains, seeds), asked, dates=dates, scored=scored, kinds=report.uptake)
    return findings(runs, report)


def by_comparison(found):
    """Return the table at equal uptake by reference, method and share."""
    return found.equal_uptake.set_index(["reference", "method", "share"]).sort_index()


def summary(findings_found, kind, measure="perplexity"):
    found = findings_found.summary
    return found[(found["kind"] == kind) & (found["measure"] == measure)].set_index("method")

"""The report in a real browser: no console message, and tables that sort and filter."""

import html
import json
import re
import shutil

import pytest

from tests.report.result_folder import World, configuration, write_results
from tests.support.browser import needs_browser, opened
from tgl.report.stage import write_report

pytestmark = needs_browser

# Sorts the first column of numbers and filters the first long table, then reports in the title.
ACT = """
<script>
const long = [...document.querySelectorAll("table")].find((table) => table.rows.length > 13);
const column = [...long.rows[0].cells].findIndex((cell) => cell.classList.contains("n"));
const values = () => [...long.rows].slice(1).map((row) => numberOf(row.cells[column].textContent));
const sorted = (list) => list.every((value, place) => !place || !(value < list[place - 1]));
const before = values().length;
long.rows[0].cells[column].querySelector("button").click();
const rising = sorted(values());
long.rows[0].cells[column].querySelector("button").click();
const falling = sorted(values().reverse());
const field = document.querySelector("input[type=search]");
field.value = "no such words anywhere"; field.dispatchEvent(new Event("input"));
const left = [...long.rows].slice(1).filter((row) => !row.hidden).length;
document.title = `rows ${values().length === before} rising ${rising} falling ${falling} left ${left}`;
</script>
"""


# The cells of this table show two numbers each.
TWO_LINES = """
<script>
document.body.innerHTML = `<table><tr><th>a</th><th class="n">p</th></tr>
  <tr><td>x</td><td data-value="0.5">0.5<br>0.01</td></tr>
  <tr><td>y</td><td data-value="3e-05">3.0e-05<br>2.2e-04</td></tr>
  <tr><td>z</td><td data-value="0.02">0.02<br>0.9</td></tr></table>`;
const table = document.querySelector("table");
sortBy(table, table.rows[0].cells[1]);
document.title = [...table.rows].slice(1).map((row) => row.cells[0].textContent).join("");
</script>
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config = configuration()
    folder = write_results(tmp_path_factory.mktemp("run"), config, World())
    write_report(folder, config, folder / "report")
    return folder / "report"


@pytest.mark.parametrize("name", ["index", "examples", "probes"])
def test_a_page_logs_nothing_to_the_console_and_needs_no_other_file(folder, name, tmp_path):
    alone = tmp_path / f"{name}.html"
    shutil.copy(folder / f"{name}.html", alone)
    page, console = opened(f"file://{alone}", tmp_path / "browser")
    assert console == []
    assert "</html>" in page


def test_a_report_of_many_methods_and_blocks_stays_small_and_works(tmp_path):
    plans = ("full", "tgl_fp", "random", "inverse", "last")
    baselines = ("", "+replay", "+mix_review", "+recadam", "+ewc")
    config = configuration(
        methods=[plan + baseline for baseline in baselines for plan in plans],
        train={"learning_rates": [0.001, 0.002], "steps": 200, "score_at": [50, 100]}, model={"layers": 30},
    )  # fmt: skip
    folder = write_results(tmp_path / "run", config, World())
    write_report(folder, config, folder / "report")
    page = folder / "report" / "index.html"
    assert page.stat().st_size < 3_000_000
    shown, console = opened(f"file://{page}", tmp_path / "browser")
    assert console == []
    assert "full+mix_review" in shown


# Opens each chart, and calls `act` when all are drawn.
OPEN = """
<script>
const charts = [...document.querySelectorAll("details.live")];
charts.forEach((live) => { live.open = true; });
const chartOf = (live) => live.querySelector("canvas") && Chart.getChart(live.querySelector("canvas"));
const whenDrawn = (act) => (charts.every(chartOf) ? act() : setTimeout(whenDrawn, 20, act));
whenDrawn(() => { document.title = act(); });
</script>
"""

# Chooses nothing, then all, and another panel; returns what the numbers of lines are like.
CHOOSE = """
<script>
function act() {
  return charts.map((live) => {
    const chart = chartOf(live);
    const count = () => chart.data.datasets.filter((set) => !set.isLimit).length;
    const [all, none] = live.querySelectorAll(".choices button");
    const first = count(); none.click(); const empty = count(); all.click(); const whole = count();
    live.querySelector("input[type=checkbox]").click();
    const without = count();
    const panels = live.querySelector("select");
    let name = "";
    if (panels) {
      panels.selectedIndex = panels.options.length - 1; panels.dispatchEvent(new Event("change"));
      name = chart.data.datasets.some((set) => set.label.includes("new entities"));
    }
    return `${first > 0} ${empty} ${whole >= first} ${without < whole} ${name}`;
  }).join(", ");
}
</script>
"""


def acted(page, script, folder):
    """Return the title that a script gives the page, and what the browser logged."""
    path = folder / "acting.html"
    path.write_text(page.replace("</body>", script + OPEN + "</body>"), encoding="utf-8")
    shown, console = opened(f"file://{path}", folder / "browser", "--virtual-time-budget=5000")
    return html.unescape(re.search("<title>(.*?)</title>", shown)[1]), console


def test_pictures_open_and_groups_and_panels_can_be_chosen(folder, tmp_path):
    page = (folder / "index.html").read_text(encoding="utf-8")
    number = page.count('<script type="application/json" class="chart"')
    assert number >= 2
    title, console = acted(page, CHOOSE, tmp_path)
    assert console == []
    assert title.split(", ") == ["true 0 true true true"] + ["true 0 true true "] * (number - 1)


# A curve that turns back, with limits: are all points inside, what is shown next to a limit, and what by the keyboard?
CURVE = {
    "x": "a", "y": "b", "log": False, "groups": ["m"], "shown": ["m"], "panels": [], "source": "a table",
    "lines": [{"group": "m", "name": "m at 1", "panel": "", "colour": "#112233", "dashed": False,
               "x": [0, 1, 3, 4, 2], "y": [0, 1, 2, None, 4], "low": [-1, 0, 1, None, 3], "high": [1, 2, 3, None, 9]}],
}  # fmt: skip
HOVER = """
<script>
function act() {
  const canvas = charts[0].querySelector("canvas"), chart = chartOf(charts[0]), { x, y } = chart.scales;
  const inside = x.min <= 0 && x.max >= 4 && y.min <= -1 && y.max >= 9;
  // What the chart does with the mouse at this point; browsers without a window draw too few frames to move a mouse.
  const at = { x: x.getPixelForValue(2), y: y.getPixelForValue(8.9) };
  const found = Chart.Interaction.modes[chart.options.interaction.mode](chart, at);
  const label = (item) => chart.options.plugins.tooltip.callbacks.label(
    { dataset: chart.data.datasets[item.datasetIndex], dataIndex: item.index });
  for (let n = 0; n < 2; n++) canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
  return [inside, found.map(label).join(), charts[0].querySelector("[aria-live]").textContent].join("; ");
}
</script>
"""


def test_a_chart_shows_all_points_and_reads_them_to_the_mouse_and_the_keyboard(folder, tmp_path):
    page = (folder / "index.html").read_text(encoding="utf-8")
    chart = re.compile(r'(<script type="application/json" class="chart"[^>]*>).*?(</script>)', re.DOTALL)
    page = chart.sub(lambda match: match[1] + json.dumps(CURVE) + match[2], page, count=1)
    title, console = acted(page, HOVER, tmp_path)
    assert console == []
    assert title == "true; m at 1: 4 [3, 9] at 2; m at 1: 1 [0, 2] at 1"


@pytest.mark.parametrize(
    ("script", "title"),
    [(ACT, "rows true rising true falling true left 0"), (TWO_LINES, "yzx")],
    ids=["a column sorts and rows are filtered", "a cell with two numbers sorts by the first"],
)
def test_the_script_of_the_tables(script, title, folder, tmp_path):
    page = (folder / "index.html").read_text(encoding="utf-8").replace("</body>", script + "</body>")
    (tmp_path / "acting.html").write_text(page, encoding="utf-8")
    page, console = opened(f"file://{tmp_path}/acting.html", tmp_path / "browser")
    assert console == []
    assert re.search("<title>(.*?)</title>", page)[1] == title

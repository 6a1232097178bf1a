// Below a picture: the same lines to hover over, with a choice of groups and panels. Drawn when a reader opens it.
const inkOf = () => getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function datasetsOf(chart, chosen, panel) {
  const found = [];
  for (const line of chart.lines) {
    if (!chosen.has(line.group) || line.panel !== panel) continue;
    const colour = line.colour || inkOf();
    const points = (values) => line.x.map((x, place) => ({ x, y: values[place] }));
    const style = { borderColor: colour, backgroundColor: colour, borderWidth: 1.6, tension: 0 };
    found.push({ ...style, label: line.name, data: points(line.y), borderDash: line.dashed ? [4, 3] : [],
      pointRadius: line.x.length > 60 ? 0 : 2.5, low: line.low, high: line.high });
    if (!line.low) continue;
    const limit = { ...style, borderWidth: 0.6, borderDash: [2, 2], pointRadius: 0 };
    found.push({ ...limit, label: `${line.name}: upper limit`, data: points(line.high), isLimit: true });
    found.push({ ...limit, label: `${line.name}: lower limit`, data: points(line.low), isLimit: true,
      fill: "-1", backgroundColor: `${colour}22` });
  }
  return found;
}

// All points but those of limits, as Chart.js names them.
const pointsOf = (chart) => chart.data.datasets.flatMap((set, datasetIndex) => (set.isLimit ? []
  : chart.getDatasetMeta(datasetIndex).data.map((element, index) => ({ element, datasetIndex, index }))
    .filter(({ index }) => set.data[index].y !== null)));

Chart.Interaction.modes.nearestLine = (chart, event) => {
  const distance = ({ element }) => Math.hypot(element.x - event.x, element.y - event.y);
  const found = pointsOf(chart);
  return found.length ? [found.reduce((one, other) => (distance(other) < distance(one) ? other : one))] : [];
};

function textOf(set, index) {
  const number = (value) => Number(value.toPrecision(4)).toString();
  const limits = set.low ? ` [${number(set.low[index])}, ${number(set.high[index])}]` : "";
  return `${set.label}: ${number(set.data[index].y)}${limits} at ${number(set.data[index].x)}`;
}

function draw(canvas, chart, chosen, panel) {
  const title = (text) => ({ display: true, text, color: inkOf() });
  const isWhole = chart.lines.every((line) => line.x.every(Number.isInteger));
  const axis = (text, type, more) => ({ type, title: title(text), ticks: { color: inkOf(), ...more }, grid: { color: "#8884" } });
  return new Chart(canvas, {
    type: "line",
    data: { datasets: datasetsOf(chart, chosen, panel) },
    options: {
      animation: false, maintainAspectRatio: false,
      interaction: { mode: "nearestLine", intersect: false },
      scales: { x: axis(chart.x, "linear", isWhole ? { precision: 0 } : {}), y: axis(chart.y, chart.log ? "logarithmic" : "linear") },
      plugins: { legend: { display: false }, tooltip: { callbacks: { title: () => "", label: (item) => textOf(item.dataset, item.dataIndex) } } },
    },
  });
}

// The arrow keys go from point to point, and a screen reader reads each.
function addKeys(canvas, chart) {
  const spoken = element("p", { className: "note" });
  spoken.setAttribute("aria-live", "polite");
  let place = -1;
  canvas.tabIndex = 0;
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const found = pointsOf(chart);
    if (!step || !found.length) return;
    event.preventDefault();
    place = (place + step + found.length) % found.length;
    const { element: point, datasetIndex, index } = found[place];
    chart.tooltip.setActiveElements([{ datasetIndex, index }], { x: point.x, y: point.y });
    chart.update();
    spoken.textContent = textOf(chart.data.datasets[datasetIndex], index);
  });
  return spoken;
}

function choices(chart, chosen, changed) {
  const colourOf = (group) => chart.lines.find((line) => line.group === group)?.colour || "var(--ink)";
  const boxes = chart.groups.map((group) => {
    const box = element("input", { type: "checkbox", checked: chosen.has(group) });
    box.addEventListener("change", () => { chosen[box.checked ? "add" : "delete"](group); changed(); });
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = colourOf(group);
    return element("label", {}, box, swatch, group);
  });
  const all = (checked) => {
    const button = element("button", { type: "button", textContent: checked ? "all" : "none" });
    button.addEventListener("click", () => {
      for (const label of boxes) label.firstChild.checked = checked;
      chart.groups.forEach((group) => chosen[checked ? "add" : "delete"](group));
      changed();
    });
    return button;
  };
  return element("fieldset", { className: "choices" }, element("legend", { textContent: "Shown" }), ...boxes, all(true), all(false));
}

for (const source of document.querySelectorAll("script.chart")) {
  const chart = JSON.parse(source.textContent);
  const chosen = new Set(chart.shown);
  const canvas = element("canvas", {});
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${source.dataset.title}: ${chart.y} against ${chart.x}. The arrow keys read the points; ${chart.source} has the numbers.`);
  const body = element("div", {});
  const panels = element("select", {}, ...chart.panels.map((panel) => element("option", { textContent: panel })));
  panels.setAttribute("aria-label", "Panel");
  let drawn;
  const panel = () => (chart.panels.length ? panels.value : "");
  const changed = () => { drawn.data.datasets = datasetsOf(chart, chosen, panel()); drawn.update(); };
  panels.addEventListener("change", changed);
  const live = element("details", { className: "live" }, element("summary", { textContent: `${source.dataset.title}: hover and choose` }), body);
  live.addEventListener("toggle", () => {
    if (drawn || !live.open) return;
    body.append(...(chart.panels.length ? [panels] : []), element("div", { className: "canvas" }, canvas), choices(chart, chosen, changed));
    drawn = draw(canvas, chart, chosen, panel());
    body.append(addKeys(canvas, drawn));
  });
  source.after(live);
}

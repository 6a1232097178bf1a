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
      pointRadius: line.x.length > 60 ? 0 : 2.5, pointHitRadius: 8 });
    if (!line.low) continue;
    const limit = { ...style, borderWidth: 0.6, borderDash: [2, 2], pointRadius: 0, pointHitRadius: 0 };
    found.push({ ...limit, label: `${line.name}: upper limit`, data: points(line.high), isLimit: true });
    found.push({ ...limit, label: `${line.name}: lower limit`, data: points(line.low), isLimit: true,
      fill: "-1", backgroundColor: `${colour}22` });
  }
  return found;
}

function draw(canvas, chart, chosen, panel) {
  const title = (text) => ({ display: true, text, color: inkOf() });
  const isWhole = chart.lines.every((line) => line.x.every(Number.isInteger));
  const axis = (text, type, more) => ({ type, title: title(text), ticks: { color: inkOf(), ...more }, grid: { color: "#8884" } });
  return new Chart(canvas, {
    type: "line",
    data: { datasets: datasetsOf(chart, chosen, panel) },
    options: {
      animation: false, parsing: false, normalized: true, maintainAspectRatio: false,
      interaction: { mode: "nearest", intersect: false },
      scales: { x: axis(chart.x, "linear", isWhole ? { precision: 0 } : {}), y: axis(chart.y, chart.log ? "logarithmic" : "linear") },
      plugins: { legend: { display: false }, tooltip: { filter: (item) => !item.dataset.isLimit } },
    },
  });
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
  canvas.setAttribute("aria-label", `${source.dataset.title}: ${chart.y} against ${chart.x}. The tables have the numbers.`);
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
  });
  source.after(live);
}

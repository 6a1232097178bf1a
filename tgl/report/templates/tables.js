// Sort a table by a click on a header, and filter the rows of a long table.
const LONG = 12;
const valueOf = (row, column) => {
  const cell = row.cells[column];
  return (cell?.dataset.value ?? cell?.textContent ?? "").trim();
};
const numberOf = (text) => {
  const found = text.replace(/,/g, "").match(/^[×]?(-?\d[\d.]*(?:e[-+]?\d+)?)/i);
  return found ? Number(found[1]) : NaN;
};
const compare = (one, other) => {
  const [a, b] = [numberOf(one), numberOf(other)];
  if (!Number.isNaN(a) && !Number.isNaN(b)) return a - b;
  if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1; // text after numbers
  return one.localeCompare(other);
};

function sortBy(table, head) {
  const falling = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const rows = [...table.rows].slice(1);
  rows.sort((one, other) => compare(valueOf(one, head.cellIndex), valueOf(other, head.cellIndex)));
  if (falling) rows.reverse();
  rows.forEach((row) => row.parentElement.append(row));
}

function addFilter(table) {
  const field = document.createElement("input");
  field.type = "search";
  field.placeholder = "filter the rows";
  field.setAttribute("aria-label", "Filter the rows of the table below");
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of [...table.rows].slice(1)) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  (table.closest(".scroll") ?? table).before(field);
}

for (const table of document.querySelectorAll("table")) {
  const heads = table.rows[0] ? [...table.rows[0].cells].filter((cell) => cell.tagName === "TH") : [];
  if (!heads.length || table.rows.length < 3) continue;
  for (const head of heads) {
    if (!head.textContent.trim()) continue;
    const button = document.createElement("button");
    button.append(...head.childNodes);
    button.title = "sort by this column";
    button.addEventListener("click", () => sortBy(table, head));
    head.append(button);
  }
  if (table.rows.length > LONG) addFilter(table);
}

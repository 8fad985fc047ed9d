"use strict";
// Tables are sorted by their heads. A cell with data-order is sorted by that number, any other by its text.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, body = head.closest("table").tBodies[0];
    const column = head.cellIndex, numeric = head.classList.contains("number") || head.dataset.first === "descending";
    const now = head.getAttribute("aria-sort");
    const down = now ? now === "ascending" : numeric;
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const order = new Intl.Collator("en", {numeric: true}).compare;
    const rows = Array.from(body.rows, row => {
      const cell = row.cells[column];
      return {row, key: "order" in cell.dataset ? Number(cell.dataset.order) : cell.textContent};
    });
    rows.sort((a, b) => (down ? -1 : 1) * (typeof a.key === "number" ? a.key - b.key : order(a.key, b.key)));
    body.append(...rows.map(({row}) => row));
  });
}
// A row of findings is shown where it holds what is looked for, or is of the group that a button names.
const search = document.getElementById("search"), shown = document.getElementById("shown");
function filter() {
  const text = search.value.toLowerCase();
  const [, key, value] = /^(namespace|kind|rule):(.*)$/.exec(text) || [];
  let all = 0, left = 0;
  for (const row of document.querySelectorAll(".findings tbody tr")) {
    const holds = key ? row.dataset[key].toLowerCase() === value : row.textContent.toLowerCase().includes(text);
    row.hidden = !holds;
    all++;
    if (!row.hidden) left++;
  }
  shown.textContent = text ? `${left} of ${all} rows` : "";
}
if (search) {
  search.parentElement.hidden = false;
  search.addEventListener("input", filter);
  for (const button of document.querySelectorAll("td button")) {
    button.addEventListener("click", () => {
      search.value = button.dataset.find;
      filter();
      search.scrollIntoView({block: "start"});
    });
  }
}

// Rows of a table that follow a list, and stay the same elements while they are about the same thing, so that what has the
// focus keeps it.
// SPDX-License-Identifier: Apache-2.0

// job-9 before job-10
const collator = new Intl.Collator("en", { numeric: true });

export class Rows {
  // columns: { text(object) } or { fill(cell, object, row) }, with className, and heading: true for
  // what names the row.  Those that can be sorted have sort(object), which gives a number or a text.
  constructor(table, columns) {
    this.table = table;
    this.body = table.tBodies[0];
    this.columns = columns;
    this.rows = new Map();
    this.labels = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    // Where a narrow page shows it as lines it stays a table for those who hear it.
    table.setAttribute("role", "table");
    for (const group of [table.tHead, this.body]) group.setAttribute("role", "rowgroup");
    table.tHead.rows[0].setAttribute("role", "row");
    for (const cell of table.tHead.rows[0].cells) cell.setAttribute("role", "columnheader");
    this.sorted = null; // { column, down }
    this.list = [];
    columns.forEach((column, i) => { if (column.sort) this.makeSortable(table.tHead.rows[0].cells[i], column); });
  }

  makeSortable(cell, column) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...cell.childNodes);
    button.addEventListener("click", () => this.sortBy(column, cell));
    cell.append(button);
  }

  // Numbers from the largest on at first, texts from A; then the other way round; then as they come.
  sortBy(column, cell) {
    const first = this.list.length > 0 && typeof column.sort(this.list[0]) === "number";
    if (this.sorted === null || this.sorted.column !== column) this.sorted = { column, down: first };
    else if (this.sorted.down === first) this.sorted.down = !first;
    else this.sorted = null;
    for (const other of cell.parentElement.cells) other.removeAttribute("aria-sort");
    if (this.sorted) cell.setAttribute("aria-sort", this.sorted.down ? "descending" : "ascending");
    if (this.nameOf) this.update(this.list, this.nameOf);
    if (this.onSort) this.onSort();
  }

  inOrder(list) {
    if (this.sorted === null) return list;
    const { column, down } = this.sorted;
    const compare = (a, b) => (typeof a === "number" ? a - b : collator.compare(a, b));
    return [...list].sort((a, b) => (down ? -1 : 1) * compare(column.sort(a), column.sort(b)));
  }

  update(list, nameOf) {
    const kept = new Set();
    let before = this.body.firstElementChild;
    Object.assign(this, { list, nameOf });
    for (const object of this.inOrder(list)) {
      const name = nameOf(object);
      if (kept.has(name)) continue;
      kept.add(name);
      const row = this.rows.get(name) || this.make(name);
      if (row.element === before) before = before.nextElementSibling;
      else this.body.insertBefore(row.element, before);
      row.object = object;
      this.fill(row);
    }
    for (const [name, row] of this.rows) if (!kept.has(name)) this.drop(name, row);
    this.table.hidden = list.length === 0;
  }

  // What had the focus goes on in the row that follows, not at the top of the page.
  drop(name, row) {
    if (row.element.contains(document.activeElement)) {
      const next = row.element.nextElementSibling || row.element.previousElementSibling;
      const target = next && next.querySelector("a, button");
      if (target) target.focus();
    }
    row.element.remove();
    this.rows.delete(name);
  }

  make(name) {
    const element = document.createElement("tr");
    element.setAttribute("role", "row");
    const row = { element, object: null, cells: [] };
    for (const column of this.columns) {
      const cell = document.createElement(column.heading ? "th" : "td");
      if (column.heading) cell.scope = "row";
      cell.setAttribute("role", column.heading ? "rowheader" : "cell");
      cell.dataset.label = this.labels[row.cells.length];
      if (column.className) cell.className = column.className;
      element.append(cell);
      row.cells.push(cell);
    }
    this.rows.set(name, row);
    return row;
  }

  fill(row) {
    this.columns.forEach((column, i) => {
      if (column.fill) column.fill(row.cells[i], row.object, row);
      else setText(row.cells[i], column.text(row.object));
    });
  }
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// The only child with this tag, made where it is missing.
export function only(parent, tag, className) {
  let child = parent.firstElementChild;
  if (child === null) {
    child = document.createElement(tag);
    if (className) child.className = className;
    parent.append(child);
  }
  return child;
}

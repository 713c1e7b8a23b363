// Plots of the last minutes: lines over time, with a reading by mouse, finger or arrow keys.
// SPDX-License-Identifier: Apache-2.0

import { only, setText } from "./table.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 190, TOP = 10, BOTTOM = 24, RIGHT = 10;
const SPANS = [60, 120, 300, 600]; // seconds that the axis of time may have

function svg(tag, attributes, parent) {
  const element = document.createElementNS(SVG, tag);
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  if (parent) parent.append(element);
  return element;
}

function text(tag, className, content, parent) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = content;
  parent.append(element);
  return element;
}

// Marks at 1, 2 or 5 times a power of ten, four at most.
function linearScale(values) {
  const most = Math.max(1, ...values);
  const power = 10 ** Math.floor(Math.log10(most / 4));
  const step = Math.max(most <= 4 ? 1 : 0, [1, 2, 5, 10].map((n) => n * power).find((n) => n * 4 >= most * 0.9999));
  const marks = [];
  for (let i = 0; i * step < most + step * 0.9999; i++) marks.push(i * step);
  return { marks, place: (value) => value / marks[marks.length - 1] };
}

// Whole powers of ten.
function logScale(values) {
  const seen = values.filter((value) => value > 0);
  let low = seen.length ? Math.floor(Math.log10(Math.min(...seen))) : 3;
  let high = seen.length ? Math.ceil(Math.log10(Math.max(...seen))) : 6;
  while (high - low < 3) {
    high++;
    if (high - low < 3) low--;
  }
  const step = Math.ceil((high - low) / 5), marks = [];
  for (let power = low; power <= high; power += step) marks.push(10 ** power);
  return { marks, place: (value) => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low) };
}

function ago(seconds) {
  if (seconds === 0) return "now";
  return seconds >= 60 ? `−${seconds / 60} min` : `−${seconds} s`;
}

function agoInWords(seconds) {
  if (seconds === 0) return "now";
  const minutes = Math.floor(seconds / 60), rest = seconds % 60;
  return (minutes ? `${minutes} min ` : "") + (rest || !minutes ? `${rest} s ` : "") + "ago";
}

export class Plot {
  // series: { name, label, className }; format for what is read off, axis for its marks.
  constructor(parent, { title, unit, log, series, format, axis }) {
    Object.assign(this, { title, log, series, format, axis, columns: null, length: 0, picked: null });
    this.figure = document.createElement("figure");
    this.figure.className = "card plot";
    const caption = text("figcaption", "", "", this.figure);
    text("h3", "", title, caption);
    text("span", "unit", unit, caption);
    this.when = text("span", "when", "", caption);
    this.legend = this.figure.appendChild(document.createElement("ul"));
    this.values = series.map((one) => this.addToLegend(one));
    this.root = svg("svg", { role: "slider", tabindex: "0", "aria-label": title + ", reading", height: HEIGHT }, this.figure);
    this.grid = svg("g", { class: "grid" }, this.root);
    this.bands = series.map((one) => svg("path", { class: "band " + one.className }, this.root));
    this.lines = series.map((one) => svg("path", { class: "line " + one.className }, this.root));
    this.cross = svg("line", { class: "cross", visibility: "hidden" }, this.root);
    this.listen();
    parent.append(this.figure);
    new ResizeObserver(() => this.draw()).observe(this.figure);
  }

  addToLegend({ label, className }) {
    const item = this.legend.appendChild(document.createElement("li"));
    const sample = svg("svg", { width: 18, height: 8, "aria-hidden": "true" }, item);
    svg("path", { class: "line " + className, d: "M1 4H17" }, sample);
    text("span", "", label, item);
    return text("b", "", "–", item);
  }

  listen() {
    const pick = (event) => {
      const box = this.root.getBoundingClientRect();
      const share = (event.clientX - box.left - this.left) / (this.width - this.left - RIGHT);
      this.read(Math.round((1 - share) * this.span));
    };
    this.root.addEventListener("pointermove", pick);
    this.root.addEventListener("pointerdown", pick);
    this.root.addEventListener("pointerleave", () => this.read(null));
    this.root.addEventListener("blur", () => this.read(null));
    this.root.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: 1, ArrowDown: 1, ArrowRight: -1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
      if (step) this.read((this.picked || 0) + step, true);
      else if (event.key === "Home") this.read(this.span, true);
      else if (event.key === "End") this.read(0, true);
      else if (event.key === "Escape") this.read(null);
      else return;
      event.preventDefault();
    });
  }

  // Reads what was so many seconds ago; null: what is now.
  read(seconds, spoken) {
    this.picked = seconds === null ? null : Math.min(Math.max(seconds, 0), Math.max(this.length - 1, 0));
    this.showReading();
    if (spoken) this.root.setAttribute("aria-valuetext", this.inWords());
  }

  // end is the number of the next sample.
  update(columns, length, end) {
    Object.assign(this, { columns, length, end });
    this.draw();
  }

  at(name, secondsAgo) {
    const value = this.columns[name][this.length - 1 - secondsAgo];
    return value === undefined ? null : value;
  }

  // Where nothing ended in the last second, the last that did is shown.
  latest(name) {
    for (let i = 0; i < Math.min(this.length, 10); i++) if (this.at(name, i) !== null) return this.at(name, i);
    return null;
  }

  inWords() {
    const seconds = this.picked || 0;
    const readings = this.series.map(({ name, label }) => {
      const value = this.at(name, seconds);
      return `${label} ${value === null ? "none" : this.format(value)}`;
    });
    return `${agoInWords(seconds)}: ${readings.join(", ")}`;
  }

  showReading() {
    if (this.columns === null) return;
    const picked = this.picked;
    this.series.forEach(({ name }, i) => {
      const value = picked === null ? this.latest(name) : this.at(name, picked);
      setText(this.values[i], value === null ? "–" : this.format(value));
    });
    setText(this.when, picked === null ? "" : agoInWords(picked));
    this.cross.setAttribute("visibility", picked === null ? "hidden" : "visible");
    if (picked === null) return;
    const x = this.x(picked).toFixed(1);
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", TOP], ["y2", HEIGHT - BOTTOM]]) this.cross.setAttribute(name, value);
  }

  x(secondsAgo) {
    return this.left + (this.width - this.left - RIGHT) * (1 - secondsAgo / this.span);
  }

  y(value) {
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * this.scale.place(value);
  }

  draw() {
    // What is hidden has no width.
    if (this.columns === null || this.figure.clientWidth === 0) return;
    this.width = this.figure.clientWidth - 24;
    // On a phone the labels are larger (style.css), and fewer.
    this.narrow = matchMedia("(max-width: 760px)").matches;
    this.left = (this.log ? 54 : 42) + (this.narrow ? 10 : 0);
    this.span = SPANS.find((span) => this.length - 1 <= span) || SPANS[SPANS.length - 1];
    const shownValues = this.series.flatMap(({ name }) => this.columns[name].slice(-this.span - 1)).filter((value) => value !== null);
    this.scale = (this.log ? logScale : linearScale)(shownValues);
    this.root.setAttribute("width", this.width);
    this.root.setAttribute("aria-valuemin", -this.span);
    this.root.setAttribute("aria-valuemax", 0);
    this.root.setAttribute("aria-valuenow", -(this.picked || 0));
    if (!this.root.hasAttribute("aria-valuetext") || document.activeElement !== this.root)
      this.root.setAttribute("aria-valuetext", this.inWords());
    this.drawGrid();
    this.series.forEach(({ name }, i) => {
      const runs = this.runs(this.columns[name]);
      this.lines[i].setAttribute("d", runs.map((run) => this.line(run)).join(""));
      this.bands[i].setAttribute("d", runs.map((run) => this.band(run)).join(""));
    });
    this.showReading();
  }

  drawGrid() {
    const key = [this.width, this.left, this.span, ...this.scale.marks].join();
    if (this.gridKey === key) return;
    this.gridKey = key;
    this.grid.replaceChildren();
    for (const mark of this.scale.marks) {
      const y = this.y(mark).toFixed(1);
      svg("line", { x1: this.left, x2: this.width - RIGHT, y1: y, y2: y }, this.grid);
      svg("text", { x: this.left - 7, y: Number(y) + 4, "text-anchor": "end" }, this.grid).textContent = this.axis(mark);
    }
    for (let i = 0; i <= 4; i++) {
      const seconds = this.span * (1 - i / 4);
      if (this.width < (this.narrow ? 460 : 320) && i % 2) continue;
      const anchor = i === 4 ? "end" : i === 0 ? "start" : "middle";
      svg("text", { x: this.x(seconds).toFixed(1), y: HEIGHT - 6, "text-anchor": anchor }, this.grid).textContent = ago(seconds);
    }
  }

  // What there is, as points that are three pixels apart at least: each the mean of some seconds, the least and the most of
  // them.  A gap of more than five seconds begins another run.
  runs(values) {
    const size = Math.ceil((3 * this.span) / (this.width - this.left - RIGHT));
    const runs = [];
    let run = null, point = null, last = null;
    for (let i = Math.max(0, this.length - 1 - this.span); i < this.length; i++) {
      const value = values[i];
      if (value === null || value === undefined) continue;
      // Counted from the first sample that ever was, so that seconds that are together stay so.
      const number = Math.floor((this.end - this.length + i) / size);
      if (last === null || i - last > Math.max(5, size)) {
        runs.push(run = []);
        point = null;
      }
      if (point === null || point.number !== number) run.push(point = { number, count: 0, at: 0, sum: 0, least: value, most: value });
      point.count++;
      point.at += this.length - 1 - i;
      point.sum += this.log ? Math.log(Math.max(value, 1)) : value;
      point.least = Math.min(point.least, value);
      point.most = Math.max(point.most, value);
      last = i;
    }
    return runs;
  }

  place(point, value) {
    return `${this.x(point.at / point.count).toFixed(1)} ${this.y(value).toFixed(1)}`;
  }

  line(run) {
    const mean = (point) => (this.log ? Math.exp(point.sum / point.count) : point.sum / point.count);
    return "M" + run.map((point) => this.place(point, mean(point))).join("L") + (run.length === 1 ? "h.1" : "");
  }

  // From the least to the most, where points are of more than one second.
  band(run) {
    if (run.every((point) => point.least === point.most)) return "";
    const most = run.map((point) => this.place(point, point.most)), least = run.map((point) => this.place(point, point.least));
    return "M" + most.concat(least.reverse()).join("L") + "Z";
  }
}

// A small line without axes, for a row of a table.
export function spark(cell, values) {
  const root = only(cell, "span", "spark");
  let line = root.querySelector("path");
  if (line === null) {
    const picture = svg("svg", { width: 120, height: 20, "aria-hidden": "true" }, root);
    line = svg("path", { class: "line ready" }, picture);
  }
  const most = Math.max(1, ...values.map((value) => value || 0));
  let path = "";
  values.forEach((value, i) => {
    if (value === null) return;
    const x = 119 - (values.length - 1 - i) * 2, y = 18.5 - (value / most) * 17;
    path += `${path === "" || values[i - 1] === null ? "M" : "L"}${x} ${y.toFixed(1)}`;
  });
  line.setAttribute("d", path);
}

// One queue: its figures, plots, times, workers and keys.
// SPDX-License-Identifier: Apache-2.0

import { brief, count, bytes, duration, identity, rate, shown, tick } from "/format.js";
import { Plot } from "/plot.js";
import { Rows, only, setText } from "/table.js";
import { act, confirmed } from "/token.js";

const byId = (id) => document.getElementById(id);

const PAGE = 100, MOST = 1000; // keys that are asked for at first, and at most

export function stateOf(queue) {
  if (queue.error) return "error";
  if (queue.shut_down) return "shut down";
  return queue.paused ? "paused" : "open";
}

export function showState(element, queue) {
  const state = stateOf(queue);
  setText(element, state);
  element.className = "state " + state.replace(" ", "-");
}

async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(8000) });
  return { status: answer.status, body: await answer.json() };
}

// What the plots show, kept here so that the server need only tell what is new.
class Samples {
  constructor() {
    this.end = 0;
    this.columns = null;
  }

  add({ first, end, kept, samples }) {
    if (this.columns === null || first !== this.end) this.columns = samples;
    else for (const name in samples) this.columns[name] = this.columns[name].concat(samples[name]).slice(-kept);
    this.end = end;
  }

  get length() {
    return this.columns === null ? 0 : this.columns.ready.length;
  }
}

function makePlots(parent) {
  const depth = new Plot(parent, {
    title: "Depth", unit: "keys", format: count, axis: brief,
    series: [
      { name: "ready", label: "ready", className: "ready" },
      { name: "processing", label: "processing", className: "processing" },
      { name: "delayed", label: "delayed", className: "delayed" },
      { name: "buried", label: "buried", className: "buried" },
    ],
  });
  const flow = new Plot(parent, {
    title: "Throughput", unit: "keys a second", format: rate, axis: brief,
    series: [
      { name: "adds", label: "added", className: "ready" },
      { name: "dones", label: "done", className: "processing" },
      { name: "retries", label: "retried", className: "delayed" },
    ],
  });
  const latency = new Plot(parent, {
    title: "Latency", unit: "each second’s keys", log: true, format: duration, axis: tick,
    series: [
      { name: "queue_median_ns", label: "waited, median", className: "ready" },
      { name: "queue_p99_ns", label: "99 %", className: "ready dashed" },
      { name: "work_median_ns", label: "worked on, median", className: "processing" },
      { name: "work_p99_ns", label: "99 %", className: "processing dashed" },
    ],
  });
  return [depth, flow, latency];
}

// A button of a row: what it does is asked of the row when it is pressed.
function button(cell, name, label, handler) {
  let found = cell.querySelector(`[data-name=${name}]`);
  if (found !== null) return found;
  found = document.createElement("button");
  found.type = "button";
  found.dataset.name = name;
  found.textContent = label;
  found.addEventListener("click", handler);
  cell.append(found);
  return found;
}

function keyCell(cell, item) {
  setText(only(cell, "code", "key"), shown(item, "key"));
}

// How long it has been what it is.
function since(item) {
  if (item.state === "delayed") return "due in " + duration(item.due_in_ns);
  if (item.state === "processing" || item.state === "dirty") return duration(item.running_ns);
  return duration(item.waiting_ns);
}

function doing(worker) {
  if (worker.processing > 0) return worker.running_ns >= 0 ? "works, " + duration(worker.running_ns) : "works";
  return { key: "waits for a key", room: "waits for room", drain: "waits for the drain" }[worker.waiting] || "nothing";
}

export class QueueView {
  constructor(onChange) {
    this.path = null;
    this.queue = null;
    this.actions = false;
    this.limit = PAGE;
    this.onChange = onChange;
    this.section = byId("queue");
    this.plots = null;
    this.makeTables();
    this.listen();
  }

  makeTables() {
    const act = { className: "act", fill: (cell, item, row) => this.fillActions(cell, item, row) };
    const number = (text) => ({ className: "number", text });
    const wide = (text) => ({ className: "number wide", text });
    this.tables = {
      times: new Rows(byId("times"), [
        { heading: true, text: (one) => one.label }, number((one) => duration(one.p50_ns)), { className: "number mid", text: (one) => duration(one.p90_ns) },
        number((one) => duration(one.p99_ns)), number((one) => count(one.count))]),
      depth: new Rows(byId("depth"), [
        { heading: true, className: "number", text: (one) => String(one.priority) }, number((one) => count(one.keys)),
        { className: "fill", fill: (cell, one) => { only(cell, "span", "share").style.width = one.share + "%"; } }]),
      buried: new Rows(byId("buried"), [
        { heading: true, fill: keyCell }, number((item) => count(item.failures)), number((item) => count(item.crashes)),
        wide((item) => String(item.priority)), number(since), act]),
      workers: new Rows(byId("workers"), [
        { heading: true, text: (worker) => worker.pid === worker.tid ? `${worker.pid}` : `${worker.pid}/${worker.tid}` },
        { text: (worker) => shown(worker, "command") }, { text: doing }, number((worker) => count(worker.processing)),
        wide((worker) => count(worker.dones)), wide((worker) => count(worker.failed)), wide((worker) => count(worker.adds)),
        wide((worker) => duration(worker.age_ns))]),
      keys: new Rows(byId("keys"), [
        { heading: true, fill: keyCell }, { className: "key-state", text: (item) => item.state }, wide((item) => String(item.priority)),
        wide((item) => count(item.failures)), wide((item) => count(item.crashes)), { className: "number plain", text: since },
        { className: "wide", text: (item) => item.pid ? String(item.pid) : "" }, act]),
    };
  }

  listen() {
    let typing = 0;
    const again = () => {
      this.limit = PAGE;
      this.loadKeys();
    };
    byId("filter").addEventListener("submit", (event) => event.preventDefault());
    byId("search").addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(again, 200);
    });
    byId("state").addEventListener("change", again);
    byId("more").addEventListener("click", () => {
      this.limit = MOST;
      this.loadKeys();
    });
    byId("kick-all").addEventListener("click", () => this.kickAll());
    byId("pause").addEventListener("click", () => this.toggle(this.queue.paused ? "unpause" : "pause"));
    byId("shutdown").addEventListener("click", () => this.toggle(this.queue.shut_down ? "resume" : "shutdown"));
  }

  get url() {
    return "/api/queues/" + this.path;
  }

  // Another queue is to be shown; null: none.
  select(path) {
    if (path === this.path) return;
    this.path = path;
    this.samples = new Samples();
    this.limit = PAGE;
    this.section.hidden = true;
    this.tables.keys.update([], () => "");
    this.tables.buried.update([], () => "");
  }

  // Asks for what is new, and shows it; false if there is no such queue any more.
  async refresh(actions) {
    const path = this.path;
    if (path === null) return true;
    const { status, body } = await ask(`${this.url}?since=${this.samples.end}`);
    if (path !== this.path) return true;
    if (status !== 200) {
      this.section.hidden = true;
      return false;
    }
    const first = this.section.hidden;
    this.queue = body;
    this.actions = actions;
    this.section.hidden = false;
    if (body.history) this.samples.add(body.history);
    this.show();
    if (first) await this.refreshKeys();
    return true;
  }

  show() {
    const queue = this.queue;
    setText(byId("queue-title"), shown(queue, "name"));
    showState(byId("queue-state"), queue);
    byId("queue-actions").hidden = !this.actions;
    setText(byId("pause"), queue.paused ? "Unpause" : "Pause");
    setText(byId("shutdown"), queue.shut_down ? "Resume" : "Shut down");
    this.showTiles();
    if (this.plots === null) this.plots = makePlots(byId("plots"));
    const { columns, length, end } = this.samples;
    if (columns !== null) for (const plot of this.plots) plot.update(columns, length, end);
    this.showTimes();
    this.showDepth();
    this.tables.workers.update(queue.workers, (worker) => `${worker.slot} ${worker.pid} ${worker.tid}`);
    setText(byId("workers-note"), queue.workers_cut ? `The first ${queue.workers.length} of ${count(queue.attached)}.`
      : queue.workers.length === 0 ? "Nobody is attached." : "");
  }

  showTiles() {
    const queue = this.queue;
    const working = queue.workers.filter((worker) => worker.processing > 0).length;
    const tiles = [
      ["Ready", count(queue.ready), rate(queue.rates && queue.rates.adds) + " added"],
      ["Processing", count(queue.processing), queue.longest_ns > 0 ? "longest " + duration(queue.longest_ns) : "by nobody"],
      ["Delayed", count(queue.delayed), queue.delayed > 0 ? "next in " + duration(queue.next_due_in_ns) : "none is due"],
      ["Buried", count(queue.buried), `${count(queue.gave_up)} given up, ${count(queue.crash_buried)} crashed`],
      ["Done", count(queue.dones), rate(queue.rates && queue.rates.dones)],
      ["Handles", count(queue.attached), `${working} at work, ${queue.waiting} waiting`],
      ["Memory", bytes(queue.committed), `${count(queue.keys)} of ${brief(queue.capacity)} keys`],
    ];
    const list = byId("tiles");
    tiles.forEach(([name, value, note], i) => {
      let tile = list.children[i];
      if (tile === undefined) {
        tile = list.appendChild(document.createElement("div"));
        tile.append(document.createElement("dt"), document.createElement("dd"), document.createElement("dd"));
        tile.children[2].className = "note";
      }
      [name, value, note].forEach((text, n) => setText(tile.children[n], text));
    });
    list.children[3].classList.toggle("alarm", queue.buried > 0);
  }

  showTimes() {
    const { minute, always } = this.queue.latency;
    const list = [];
    if (minute) list.push({ label: "waited, last minute", ...minute.queue }, { label: "worked on, last minute", ...minute.work });
    list.push({ label: "waited, ever", ...always.queue }, { label: "worked on, ever", ...always.work },
      { label: "delayed, ever", ...always.delay });
    this.tables.times.update(list, (one) => one.label);
  }

  showDepth() {
    const most = Math.max(1, ...this.queue.depth.map((one) => one.keys));
    const list = this.queue.depth.slice(0, 12).map((one) => ({ ...one, share: Math.max(0.5, (100 * one.keys) / most) }));
    this.tables.depth.update(list, (one) => one.priority);
    byId("no-depth").hidden = list.length > 0;
  }

  // ---- Keys

  async refreshKeys() {
    if (this.path === null || this.section.hidden) return;
    await Promise.all([this.loadKeys(), this.loadBuried()]);
  }

  async items(query) {
    const path = this.path;
    const { status, body } = await ask(`${this.url}/items?${new URLSearchParams(query)}`);
    return status === 200 && path === this.path ? body : null;
  }

  async loadKeys() {
    const query = { search: byId("search").value, state: byId("state").value, limit: this.limit };
    const asked = JSON.stringify(query);
    this.asked = asked;
    const found = await this.items(query);
    if (found === null || asked !== this.asked) return;
    this.tables.keys.update(found.items, (item) => JSON.stringify(identity(item, "key")));
    const many = found.items.length, all = query.search === "" && query.state === "all";
    let note = many === 1 ? "1 key" : `${count(many)} keys`;
    if (found.cut === "limit") note = `The first ${note} found` + (all ? ` of ${count(found.keys)}` : "");
    if (found.cut === "time") note = `${note} among the first ${count(found.scanned)} of ${count(found.keys)}: the search was cut short`;
    setText(byId("keys-note"), note + ".");
    byId("more").hidden = found.cut !== "limit" || this.limit === MOST;
  }

  async loadBuried() {
    const found = this.queue.buried > 0 ? await this.items({ state: "buried", limit: PAGE }) : { items: [] };
    if (found === null) return;
    this.tables.buried.update(found.items, (item) => JSON.stringify(identity(item, "key")));
    const hidden = this.queue.buried - found.items.length;
    setText(byId("buried-note"), found.items.length === 0 && hidden <= 0 ? "No key is buried."
      : hidden > 0 ? `and ${count(hidden)} more` : "");
    byId("kick-all").hidden = !this.actions || found.items.length === 0;
  }

  // ---- Actions

  fillActions(cell, item, row) {
    const kick = item.state === "buried";
    if (!this.actions) return;
    if (kick) button(cell, "kick", "Kick", () => this.kick(row.object));
    else if (cell.querySelector("[data-name=kick]") !== null) cell.querySelector("[data-name=kick]").remove();
    button(cell, "remove", "Remove", () => this.remove(row.object));
    const key = shown(item, "key");
    for (const one of cell.children) one.setAttribute("aria-label", `${one.textContent} ${key}`);
  }

  async act(action, body, done) {
    if (!(await act(`${this.url}/${action}`, body, done))) return;
    await this.onChange();
    await this.refreshKeys();
  }

  kick(item) {
    const key = shown(item, "key");
    return this.act("kick", identity(item, "key"), (changed) => changed > 0 ? `Kicked ${key}.` : `${key} was not buried any more.`);
  }

  async kickAll() {
    if (await confirmed(`Make all ${count(this.queue.buried)} buried keys ready again?`, "Kick all"))
      await this.act("kick", { all: true }, (changed) => `Kicked ${count(changed)}.`);
  }

  async remove(item) {
    const key = shown(item, "key");
    if (await confirmed(`Cancel what is pending for the key ${key}, and forget its failures?`, "Remove"))
      await this.act("remove", identity(item, "key"), (changed) => changed > 0 ? `Removed ${key}.` : `${key} was gone already.`);
  }

  async toggle(action) {
    const name = shown(this.queue, "name");
    const words = { pause: "is paused", unpause: "is open", shutdown: "is shut down", resume: "is open" };
    if (action === "shutdown" && !(await confirmed(`Shut ${name} down? It will refuse further keys until it is resumed.`, "Shut down")))
      return;
    await this.act(action, {}, () => `${name} ${words[action]}.`);
  }
}

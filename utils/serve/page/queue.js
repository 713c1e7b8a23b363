// One queue: its figures, plots, times, workers and keys.
// SPDX-License-Identifier: Apache-2.0

import { brief, count, bytes, cutInTheMiddle, duration, identity, rate, shown, tick, visible } from "./format.js";
import { Plot } from "./plot.js";
import { Rows, only, setText } from "./table.js";
import { act, confirmed, get, post, tell } from "./token.js";

const byId = (id) => document.getElementById(id);

const PAGE = 100, MOST = 1000; // keys that are asked for at first, and at most
const FEW = 10; // buried keys and workers that are shown at first

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

// A long key is shown without its middle, until the button is pressed.
function keyCell(cell, item, row) {
  const whole = shown(item, "key"), short = cutInTheMiddle(whole);
  setText(only(cell, "code", "key"), short === null || row.isWhole ? whole : short);
  if (short === null) return;
  const toggle = button(cell, "whole", "", () => {
    row.isWhole = !row.isWhole;
    keyCell(cell, row.object, row);
  });
  toggle.className = "link";
  toggle.setAttribute("aria-expanded", String(Boolean(row.isWhole)));
  setText(toggle, row.isWhole ? "show less" : `show all ${count([...whole].length)} characters`);
}

// How long it has been what it is.
function since(item) {
  if (item.state === "delayed") return "due in " + duration(item.due_in_ns);
  if (item.state === "processing" || item.state === "dirty") return duration(item.running_ns);
  return duration(item.waiting_ns);
}

function howLong(item) {
  if (item.state === "delayed") return item.due_in_ns ?? -1;
  return (item.state === "processing" || item.state === "dirty" ? item.running_ns : item.waiting_ns) ?? -1;
}

function doing(worker) {
  if (worker.processing > 0) return worker.running_ns >= 0 ? "works, " + duration(worker.running_ns) : "works";
  return { key: "waits for a key", room: "waits for space", drain: "waits for the drain" }[worker.waiting] || "nothing";
}

// What a worker does, and on which key.
function doingCell(cell, worker) {
  setText(only(cell, "span"), doing(worker));
  cell.classList.toggle("alarm", worker.isLong);
  const key = cell.children[1] || cell.appendChild(document.createElement("code"));
  key.className = "key";
  const text = worker.item ? shown(worker.item, "key") : "";
  setText(key, cutInTheMiddle(text) ?? text);
  key.hidden = text === "";
}

// What stands in the page's line about a queue that does not go on.
function troubleOf(queue) {
  if (!queue.stuck) return "";
  const time = duration(queue.stuck.for_ns);
  const ready = queue.ready === 1 ? "1 key is ready" : `${count(queue.ready)} keys are ready`;
  if (queue.stuck.reason === "no worker") return `Stuck: ${ready}, and no worker has taken one for ${time}.`;
  if (queue.stuck.reason === "none done") {
    const busy = queue.processing === 0 ? "" : `; ${count(queue.processing)} in flight, the longest for ${duration(queue.longest_ns)}`;
    return `Stuck: ${ready}, and none was done for ${time}${busy}.`;
  }
  const worker = queue.workers.find((one) => one.isLong);
  return `A key has been in flight for ${time}` + (worker ? `, by process ${worker.pid} (${shown(worker, "command")}).` : ".");
}

// WORKQ_NEVER is below 0: of retries there are none then, and crashes have no limit.
function limit(number, never) {
  if (number < 0) return never;
  return number === 0 ? "no limit" : count(number);
}

// The options with which the queue was created, as `workq create` names them.
function optionsOf(queue) {
  return [
    ["capacity", `${count(queue.capacity)} keys`],
    ["key-max", `${count(queue.key_max)} bytes`],
    ["handles", count(queue.handles)],
    ["limiter", queue.limiter],
    ["max-retries", limit(queue.max_retries, "no retries")],
    ["max-crashes", limit(queue.max_crashes, "no limit")],
    ["give-up", queue.give_up],
    ["reap-interval", duration(queue.reap_interval_ns)],
    ["mode", queue.mode],
    ["metrics", queue.metrics ? "yes" : "no"],
  ];
}

export class QueueView {
  constructor(onChange) {
    this.path = null;
    this.queue = null;
    this.actions = false;
    this.limit = PAGE;
    this.allBuried = this.allWorkers = false;
    this.atWork = []; // keys in flight
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
        { heading: true, fill: keyCell, sort: (item) => shown(item, "key") },
        { ...number((item) => count(item.failures)), sort: (item) => item.failures },
        { ...number((item) => count(item.crashes)), sort: (item) => item.crashes },
        { ...wide((item) => String(item.priority)), sort: (item) => item.priority },
        { ...number(since), sort: howLong }, act]),
      workers: new Rows(byId("workers"), [
        { heading: true, text: (worker) => worker.pid === worker.tid ? `${worker.pid}` : `${worker.pid}/${worker.tid}`, sort: (worker) => worker.pid },
        { text: (worker) => shown(worker, "command"), sort: (worker) => shown(worker, "command") },
        { className: "doing", fill: doingCell, sort: (worker) => worker.running_ns },
        { className: "number mid", text: (worker) => count(worker.processing), sort: (worker) => worker.processing },
        { ...wide((worker) => count(worker.dones)), sort: (worker) => worker.dones },
        { ...wide((worker) => count(worker.failed)), sort: (worker) => worker.failed },
        { ...wide((worker) => count(worker.adds)), sort: (worker) => worker.adds },
        { ...wide((worker) => duration(worker.age_ns)), sort: (worker) => worker.age_ns }]),
      keys: new Rows(byId("keys"), [
        { heading: true, fill: keyCell, sort: (item) => shown(item, "key") },
        { className: "key-state", text: (item) => item.state, sort: (item) => item.state },
        { ...wide((item) => String(item.priority)), sort: (item) => item.priority },
        { ...wide((item) => count(item.failures)), sort: (item) => item.failures },
        { ...wide((item) => count(item.crashes)), sort: (item) => item.crashes },
        { className: "number plain", text: since, sort: howLong },
        { className: "wide", text: (item) => item.pid ? String(item.pid) : "", sort: (item) => item.pid ?? 0 }, act]),
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
    byId("buried-all").addEventListener("click", () => {
      this.allBuried = !this.allBuried;
      this.loadBuried();
    });
    byId("workers-all").addEventListener("click", () => {
      this.allWorkers = !this.allWorkers;
      this.showWorkers();
    });
    this.tables.workers.onSort = () => this.showWorkers();
    this.tables.keys.onSort = () => this.loadKeys();
    byId("kick-all").addEventListener("click", () => this.kickAll());
    byId("kick-found").addEventListener("click", () => this.actOnFound("kick"));
    byId("remove-found").addEventListener("click", () => this.actOnFound("remove"));
    byId("pause").addEventListener("click", () => this.toggle(this.queue.paused ? "unpause" : "pause"));
    byId("shutdown").addEventListener("click", () => this.toggle(this.queue.shut_down ? "resume" : "shutdown"));
  }

  get url() {
    return "api/queues/" + this.path;
  }

  // Another queue is to be shown; null: none.
  select(path) {
    if (path === this.path) return;
    this.path = path;
    this.samples = new Samples();
    this.limit = PAGE;
    this.allBuried = this.allWorkers = false;
    this.atWork = [];
    this.section.hidden = true;
    this.tables.keys.update([], () => "");
    this.tables.buried.update([], () => "");
  }

  // Asks for what is new, and shows it; false if there is no such queue any more.
  async refresh(actions) {
    const path = this.path;
    if (path === null) return true;
    const { status, body } = await get(`${this.url}?since=${this.samples.end}`);
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
    this.showWorkers();
    this.showOptions();
    const trouble = troubleOf(queue);
    setText(byId("stuck"), trouble);
    byId("stuck").hidden = trouble === "";
  }

  // Long runs first, then workers before handles that only add: so the server gives them.
  showWorkers() {
    const queue = this.queue;
    for (const worker of queue.workers) {
      worker.isLong = worker.processing > 0 && worker.running_ns >= queue.stuck_after_ns;
      worker.item = worker.processing > 0 ? this.atWork.find((item) => item.tid === worker.tid && item.pid === worker.pid) : null;
    }
    const all = queue.workers.filter((worker) => worker.isLong).concat(queue.workers.filter((worker) => !worker.isLong));
    queue.workers = all;
    const list = this.tables.workers.inOrder(all);
    this.tables.workers.update(this.allWorkers ? list : list.slice(0, FEW), (worker) => `${worker.slot} ${worker.pid} ${worker.tid}`);
    const left = list.length - FEW;
    setText(byId("workers-note"), list.length === 0 ? "No process is attached."
      : queue.workers_cut && this.allWorkers ? `The first ${list.length} of ${count(queue.attached)}.`
      : left > 0 && !this.allWorkers ? `and ${count(queue.attached - FEW)} more` : "");
    byId("workers-all").hidden = left <= 0;
    setText(byId("workers-all"), this.allWorkers ? `Show ${FEW}` : "Show all");
  }

  showOptions() {
    const list = byId("options");
    optionsOf(this.queue).forEach(([name, value], i) => {
      let one = list.children[i];
      if (one === undefined) {
        one = list.appendChild(document.createElement("div"));
        one.append(document.createElement("dt"), document.createElement("dd"));
      }
      setText(one.children[0], name);
      setText(one.children[1], value);
    });
  }

  showTiles() {
    const queue = this.queue;
    const working = queue.workers.filter((worker) => worker.processing > 0).length;
    const tiles = [
      ["Ready", count(queue.ready), rate(queue.rates && queue.rates.adds) + " added"],
      ["Processing", count(queue.processing), queue.longest_ns > 0 ? "longest " + duration(queue.longest_ns) : "none in flight"],
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
    list.children[0].classList.toggle("alarm", Boolean(queue.stuck) && queue.stuck.reason !== "long run");
    list.children[1].classList.toggle("alarm", queue.longest_ns >= queue.stuck_after_ns);
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
    await Promise.all([this.loadKeys(), this.loadBuried(), this.loadAtWork()]);
  }

  async loadAtWork() {
    const found = this.queue.processing > 0 ? await this.items({ state: "processing", limit: MOST }) : { items: [] };
    if (found === null) return;
    // Of a worker that has several, the one that it has had for longest.
    this.atWork = found.items.sort((a, b) => (b.running_ns ?? -1) - (a.running_ns ?? -1));
    this.showWorkers();
  }

  async items(query) {
    const path = this.path;
    const { status, body } = await get(`${this.url}/items?${new URLSearchParams(query)}`);
    return status === 200 && path === this.path ? body : null;
  }

  get filter() {
    return { search: byId("search").value, state: byId("state").value };
  }

  async loadKeys() {
    const query = { ...this.filter, limit: this.limit };
    const asked = JSON.stringify(query);
    this.asked = asked;
    const found = await this.items(query);
    if (found === null || asked !== this.asked) return;
    this.tables.keys.update(found.items, (item) => JSON.stringify(identity(item, "key")));
    const many = found.items.length, all = query.search === "" && query.state === "all";
    let note = many === 1 ? "1 key" : `${count(many)} keys`;
    if (found.cut === "limit") note = `The first ${note} found` + (all ? ` of ${count(found.keys)}` : "");
    if (found.cut === "time") note = `${note} among the first ${count(found.scanned)} of ${count(found.keys)}: the search was cut short`;
    if (found.cut !== null && this.tables.keys.sorted !== null) note += "; only these are sorted";
    setText(byId("keys-note"), note + ".");
    byId("more").hidden = found.cut !== "limit" || this.limit === MOST;
    const may = this.actions && !all && many > 0;
    byId("remove-found").hidden = !may;
    byId("kick-found").hidden = !may || !["all", "buried"].includes(query.state);
  }

  async loadBuried() {
    const limit = this.allBuried ? MOST : FEW;
    const found = this.queue.buried > 0 ? await this.items({ state: "buried", limit }) : { items: [] };
    if (found === null) return;
    this.tables.buried.update(found.items, (item) => JSON.stringify(identity(item, "key")));
    const hidden = this.queue.buried - found.items.length;
    setText(byId("buried-note"), found.items.length === 0 && hidden <= 0 ? "No key is buried."
      : hidden > 0 ? `and ${count(hidden)} more` : "");
    byId("buried-all").hidden = this.queue.buried <= FEW;
    setText(byId("buried-all"), this.allBuried ? `Show ${FEW}` : this.queue.buried > MOST ? `Show ${count(MOST)}` : "Show all");
    byId("kick-all").hidden = !this.actions || found.items.length === 0;
    setText(byId("kick-all"), `Kick all ${count(this.queue.buried)}`);
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

  // All keys that the search finds now, and no more than were confirmed: what comes meanwhile stays.
  async actOnFound(action) {
    const { search, state } = this.filter, url = this.url;
    const wanted = action === "kick" ? "buried" : state;
    const counted = await this.items({ search, state: wanted, limit: 1, count: true });
    if (counted === null) return;
    if (counted.found === 0) {
      tell(action === "kick" ? "None of the keys found is buried." : "No key is found any more.");
      return;
    }
    const words = [wanted === "all" ? "" : `that ${counted.found === 1 ? "is" : "are"} ${wanted}`,
      search === "" ? "" : `with “${visible(search)}” in the key`].filter((part) => part !== "").join(" and ");
    const keys = counted.found === 1 ? "the 1 key" : `${counted.cut === "time" ? "the first" : "all"} ${count(counted.found)} keys`;
    const verb = { kick: "Kick", remove: "Remove" }[action];
    if (!(await confirmed(`${verb} ${keys} ${words}?`, `${verb} ${count(counted.found)}`))) return;
    const found = { ...(search === "" ? {} : { search }), ...(wanted === "all" ? {} : { state: wanted }) };
    await this.changeFound(`${url}/${action}`, found, counted.found, { kick: "Kicked", remove: "Removed" }[action]);
    await this.onChange();
    await this.refreshKeys();
  }

  // In steps, of which the server bounds each.
  async changeFound(url, found, most, done) {
    let left = most, changed = 0, reply;
    do {
      reply = await post(url, { found, at_most: left });
      if (reply === null) return;
      changed += reply.changed;
      left -= reply.found;
      tell(`${done} ${count(changed)} of ${count(most)} keys${reply.more && left > 0 ? " so far" : ""}.`);
    } while (reply.more && reply.found > 0 && left > 0);
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

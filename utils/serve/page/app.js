// The page of `workq serve`: asks once a second, and shows all queues and one of them.
// SPDX-License-Identifier: Apache-2.0

import { count, rate, shown } from "/format.js";
import { spark } from "/plot.js";
import { QueueView, showState } from "/queue.js";
import { Rows, only, setText } from "/table.js";
import { askToken } from "/token.js";

const byId = (id) => document.getElementById(id);

const EACH_MS = 1000, KEYS_EACH = 3; // keys are asked for at every third time

let queues = [];
let actions = false;
let held = false;
let rounds = 0;
let timer = 0;
const view = new QueueView(refresh);

// ---- All queues

function nameCell(cell, queue) {
  const link = only(cell, queue.error ? "span" : "a", "name");
  setText(link, shown(queue, "name"));
  if (queue.error) return;
  link.href = "#/" + queue.path;
  if (queue.path === view.path) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
}

function stateCell(cell, queue) {
  showState(only(cell, "span"), queue);
  cell.title = queue.error || "";
  if (queue.error) setText(cell.children[1] || cell.appendChild(document.createElement("small")), queue.error);
}

const figure = (name) => (queue) => queue.error ? "" : count(queue[name]);
const flow = (name) => (queue) => queue.rates ? rate(queue.rates[name]) : "";

const table = new Rows(byId("queues"), [
  { heading: true, fill: nameCell },
  { fill: stateCell },
  { className: "number", text: figure("ready") },
  { className: "number mid", text: figure("processing") },
  { className: "number wide", text: figure("delayed") },
  { className: "number", text: figure("buried") },
  { className: "number wide", text: figure("attached") },
  { className: "number wide", text: flow("adds") },
  { className: "number wide", text: flow("dones") },
  { className: "wide", fill: (cell, queue) => spark(cell, queue.recent_ready || []) },
]);

function showQueues() {
  // A queue that breaks or is repaired gets another row.
  table.update(queues, (queue) => queue.path + (queue.error ? " error" : ""));
  for (const row of table.body.rows) row.classList.toggle("chosen", row.querySelector("[aria-current]") !== null);
  byId("no-queues").hidden = queues.length > 0;
  const box = byId("queues-box");
  // What scrolls must be reached by the keyboard.
  if (box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
}

// ---- Which one

function chosen() {
  const wanted = location.hash.startsWith("#/") ? location.hash.slice(2) : null;
  if (wanted !== null && queues.some((queue) => queue.path === wanted && !queue.error)) return wanted;
  if (queues.some((queue) => queue.path === view.path && !queue.error)) return view.path;
  return busiest();
}

function busiest() {
  const work = (queue) => (queue.rates ? queue.rates.adds + queue.rates.dones : 0) + queue.keys / 1e9;
  const whole = queues.filter((queue) => !queue.error);
  return whole.length === 0 ? null : whole.reduce((most, queue) => (work(queue) > work(most) ? queue : most)).path;
}

// ---- Asking

function say(text, bad) {
  setText(byId("status"), text);
  byId("status").classList.toggle("bad", Boolean(bad));
}

async function load() {
  const answer = await fetch("/api/queues", { signal: AbortSignal.timeout(8000) });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error);
  queues = body.queues;
  actions = body.actions;
  byId("unlock").hidden = !actions;
  view.select(chosen());
  showQueues();
  await view.refresh(actions);
  if (rounds % KEYS_EACH === 0) await view.refreshKeys();
}

async function refresh() {
  try {
    await load();
    say(held ? "Held" : "Live");
  } catch (error) {
    say("No answer; trying again", true);
  }
}

// A page that nobody looks at asks nothing.
async function round() {
  clearTimeout(timer);
  if (!held && !document.hidden) {
    await refresh();
    rounds++;
  }
  clearTimeout(timer);
  timer = setTimeout(round, EACH_MS);
}

byId("hold").addEventListener("click", () => {
  held = !held;
  byId("hold").setAttribute("aria-pressed", String(held));
  say(held ? "Held" : "Live");
});
byId("unlock").addEventListener("click", askToken);
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
document.addEventListener("visibilitychange", round);
window.addEventListener("hashchange", refresh);
round();

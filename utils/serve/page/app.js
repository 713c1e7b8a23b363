// The page of `workq serve`: asks once a second, and shows all queues and one of them.
// SPDX-License-Identifier: Apache-2.0

import { count, duration, rate, shown } from "./format.js";
import { spark } from "./plot.js";
import { QueueView, showState, stateOf } from "./queue.js";
import { Rows, only, setText } from "./table.js";
import { askToken, forgetReadToken, get, tell } from "./token.js";

const byId = (id) => document.getElementById(id);

const EACH_MS = 1000, KEYS_EACH = 3; // keys are asked for at every third time

let queues = [];
let actions = false;
let held = false;
let locked = false; // the server wants a token to read, and there is none
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

// What is wrong with a queue, in a few words.
function trouble(queue) {
  if (queue.error) return queue.error;
  if (!queue.stuck) return "";
  const time = duration(queue.stuck.for_ns);
  return { "no worker": `stuck: no worker for ${time}`, "none done": `stuck: none done for ${time}`,
    "long run": `a key runs for ${time}` }[queue.stuck.reason];
}

function stateCell(cell, queue) {
  showState(only(cell, "span"), queue);
  const text = trouble(queue);
  cell.title = text;
  if (text) setText(cell.children[1] || cell.appendChild(document.createElement("small")), text);
  else if (cell.children[1]) cell.children[1].remove();
}

function buriedCell(cell, queue) {
  setText(cell, queue.error ? "" : count(queue.buried));
  cell.classList.toggle("alarm", queue.buried > 0);
}

// Most urgent first where it is sorted from the top.
function urgency(queue) {
  return (queue.error ? 16 : 0) + (queue.stuck ? 8 : 0) + (queue.buried > 0 ? 4 : 0) + (queue.shut_down ? 2 : 0) + (queue.paused ? 1 : 0);
}

const figure = (name) => ({ text: (queue) => queue.error ? "" : count(queue[name]), sort: (queue) => queue[name] ?? -1 });
const flow = (name) => ({ text: (queue) => queue.rates ? rate(queue.rates[name]) : "", sort: (queue) => queue.rates ? queue.rates[name] : -1 });

const table = new Rows(byId("queues"), [
  { heading: true, fill: nameCell, sort: (queue) => shown(queue, "name") },
  { className: "state-cell", fill: stateCell, sort: urgency },
  { className: "number", ...figure("ready") },
  { className: "number mid", ...figure("processing") },
  { className: "number wide", ...figure("delayed") },
  { className: "number", fill: buriedCell, sort: (queue) => queue.buried ?? -1 },
  { className: "number wide", ...figure("attached") },
  { className: "number wide", ...flow("adds") },
  { className: "number wide", ...flow("dones") },
  { className: "wide", fill: (cell, queue) => spark(cell, queue.recent_ready || []) },
]);

function summary() {
  const number = (what) => queues.filter(what).length;
  const parts = [queues.length === 1 ? "1 queue" : `${count(queues.length)} queues`];
  const stuck = number((queue) => queue.stuck), buried = number((queue) => queue.buried > 0);
  const paused = number((queue) => stateOf(queue) === "paused"), broken = number((queue) => queue.error);
  if (stuck) parts.push(`${stuck} stuck`);
  if (buried) parts.push(`${buried} with buried keys`);
  if (paused) parts.push(`${paused} paused`);
  if (broken) parts.push(`${broken} not readable`);
  return parts.join(", ");
}

let seen = null; // the queue that was chosen when the list was last shown

// Scrolls the box, and not the page.
function scrollTo(box, row) {
  if (row === null) return;
  const head = box.querySelector("thead").offsetHeight;
  if (row.offsetTop - head < box.scrollTop) box.scrollTop = row.offsetTop - head;
  else box.scrollTop = Math.max(box.scrollTop, row.offsetTop + row.offsetHeight - box.clientHeight);
}

function showQueues() {
  // Stuck ones first, where nothing else is chosen.  A queue that breaks or is repaired gets another row.
  const list = queues.filter((queue) => queue.stuck).concat(queues.filter((queue) => !queue.stuck));
  table.update(list, (queue) => queue.path + (queue.error ? " error" : ""));
  for (const { element, object } of table.rows.values()) {
    element.classList.toggle("chosen", element.querySelector("[aria-current]") !== null);
    element.classList.toggle("stuck", Boolean(object.stuck || object.error));
  }
  setText(byId("summary"), queues.length > 0 ? summary() : "");
  byId("no-queues").hidden = queues.length > 0;
  const box = byId("queues-box");
  if (seen !== view.path) scrollTo(box, table.body.querySelector(".chosen"));
  seen = view.path;
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
  const { status, body } = await get("api/queues");
  if (status === 401) {
    lock();
    return;
  }
  if (status !== 200) throw new Error(body.error);
  queues = body.queues;
  actions = body.actions;
  byId("unlock").hidden = !actions;
  view.select(chosen());
  showQueues();
  await view.refresh(actions);
  if (rounds % KEYS_EACH === 0) await view.refreshKeys();
}

// Nothing is asked again before there is another token.
function lock() {
  const wrong = forgetReadToken();
  locked = true;
  byId("unlock").hidden = false;
  if (wrong) tell("That token is not valid here.", true);
  else unlock();
}

async function unlock() {
  if (!(await askToken(locked ? "read" : "act")) || !locked) return;
  locked = false;
  tell("");
  await refresh();
}

async function refresh() {
  if (locked) return;
  try {
    await load();
    if (locked) say("A token is needed", true);
    else say(held ? "Held" : "Live");
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
byId("unlock").addEventListener("click", unlock);
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
document.addEventListener("visibilitychange", round);
window.addEventListener("hashchange", refresh);
round();

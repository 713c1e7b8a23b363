// Figures, times and keys as text for people.
// SPDX-License-Identifier: Apache-2.0

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function count(number) {
  return grouped.format(number);
}

// Three digits that count, and what they count in.
function short(number, units, step) {
  let unit = 0;
  while (number >= step * 0.9995 && unit < units.length - 1) {
    number /= step;
    unit++;
  }
  const digits = number >= 99.95 || Number.isInteger(number) ? 0 : number >= 9.995 ? 1 : 2;
  return [number.toFixed(digits), units[unit]];
}

export function bytes(number) {
  return short(number, ["B", "KiB", "MiB", "GiB", "TiB"], 1024).join(" ");
}

// A number for the axis of a plot.
export function brief(number) {
  const [text, unit] = short(number, ["", "k", "M", "G"], 1000);
  return (text.includes(".") ? text.replace(/\.?0+$/, "") : text) + unit;
}

export function rate(perSecond) {
  if (perSecond === null || perSecond === undefined) return "–";
  if (perSecond === 0) return "0/s";
  if (perSecond < 0.1) return "< 0.1/s";
  return (perSecond < 10 ? perSecond.toFixed(1) : perSecond < 10000 ? count(perSecond) : brief(perSecond)) + "/s";
}

const SECOND = 1e9;

function two(large, largeUnit, small, smallUnit) {
  return `${large} ${largeUnit} ${String(small).padStart(2, "0")} ${smallUnit}`;
}

export function duration(ns) {
  if (ns === null || ns === undefined || ns < 0) return "–";
  if (ns < 60 * SECOND) return ns === 0 ? "0 s" : short(ns, ["ns", "µs", "ms", "s"], 1000).join(" ");
  const seconds = Math.floor(ns / SECOND), minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
  if (minutes < 60) return two(minutes, "min", seconds % 60, "s");
  if (hours < 48) return two(hours, "h", minutes % 60, "min");
  return two(Math.floor(hours / 24), "d", hours % 24, "h");
}

// A time for the axis of a plot: a power of ten.
export function tick(ns) {
  const [text, unit] = short(ns, ["ns", "µs", "ms", "s"], 1000);
  return text + " " + unit;
}

// What would not be seen, or would change how the rest is seen: control characters, and those that turn text around.
const unseen = /[\\\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu;

function escaped(character) {
  const code = character.codePointAt(0);
  if (character === "\\") return "\\\\";
  if (character === "\n") return "\\n";
  if (code < 0x80) return "\\x" + code.toString(16).padStart(2, "0");
  return "\\u{" + code.toString(16) + "}";
}

// Text of somebody else's as it can be read.
export function visible(text) {
  return text.replace(unseen, escaped);
}

// A long text with its middle left out; null if it is short.
export function cutInTheMiddle(text) {
  const characters = [...text];
  if (characters.length <= 200) return null;
  return characters.slice(0, 120).join("") + " … " + characters.slice(-60).join("");
}

// A name or key, which the server gives as text, or in hexadecimal where it is none.
export function shown(object, member) {
  if (object[member] !== undefined) return visible(object[member]);
  const pairs = (object[member + "_hex"] || "").match(/../g) || [];
  return pairs.map((pair) => {
    const code = parseInt(pair, 16);
    return code >= 0x20 && code < 0x7f && code !== 0x5c ? String.fromCharCode(code) : "\\x" + pair;
  }).join("");
}

// The same, to be distinguished and to be sent back.
export function identity(object, member) {
  return object[member] !== undefined ? { [member]: object[member] } : { [member + "_hex"]: object[member + "_hex"] };
}

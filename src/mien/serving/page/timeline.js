// One face over time: a line per expression that matters, named at its end.

import { fit } from "./canvas.js";
import { colourOf, dashesOf, legible, percent } from "./expressions.js";

const SECONDS = 60; // shown of what has no end
const GAP_SECONDS = 1.5; // a line breaks where its face was away for longer
const LEAST = 0.15; // expressions that never exceed it are left out
const NAME_HEIGHT = 15;
const MARGIN = { left: 48, top: 12, bottom: 24 };
const STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300]; // of the axis, in seconds

/** Returns a time in seconds as 1:05. */
export const clock = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

export class Timeline {
  #canvas;
  #context;
  #labels = [];
  #duration = null; // of a file; else the last minute is shown
  #histories = new Map(); // face → [{time, values}]
  #now = 0;
  #cursor = null;
  #face = null;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    new ResizeObserver(() => this.#draw()).observe(canvas);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.#draw());
  }

  /** Begins with nothing; of a file, which has a duration of at least so many seconds, all is shown. */
  reset(labels, duration = null) {
    this.#labels = labels;
    this.#duration = duration;
    this.#histories.clear();
    this.#now = 0;
    this.#cursor = null;
    this.#face = null;
    this.#draw();
  }

  /** The ids of all faces. */
  get faces() {
    return [...this.#histories.keys()];
  }

  /** Says how long a file is at least. */
  reach(seconds) {
    this.#duration = Math.max(this.#duration, seconds);
  }

  /** Takes the faces of a moment, in seconds. */
  add(time, faces) {
    this.#now = time;
    for (const face of faces) {
      if (!this.#histories.has(face.id)) this.#histories.set(face.id, []);
      this.#histories.get(face.id).push({ time, values: face.probabilities });
    }
    if (this.#duration !== null) {
      this.reach(time);
      return;
    }
    for (const [key, history] of this.#histories) {
      while (history.length && history[0].time < time - SECONDS - GAP_SECONDS) history.shift();
      if (!history.length) this.#histories.delete(key);
    }
  }

  /** Shows a face, or goes on with the one before; of a file, marks a moment, too. */
  show(id, cursor = null) {
    this.#face = id ?? this.#face ?? this.faces[0] ?? null;
    this.#cursor = cursor;
    this.#draw();
  }

  /** Returns the time at a point of the page. */
  timeAt(clientX) {
    const { left, right } = this.#plot(this.#canvas.clientWidth, this.#canvas.clientHeight);
    const part = (clientX - this.#canvas.getBoundingClientRect().left - left) / (right - left);
    const [from, to] = this.#window();
    return from + Math.max(0, Math.min(1, part)) * (to - from);
  }

  #window() {
    const isFile = this.#duration !== null;
    return isFile ? [0, Math.max(this.#duration, 0.1)] : [this.#now - SECONDS, this.#now];
  }

  #plot(width, height) {
    this.#context.font = "13px system-ui, sans-serif";
    const names = this.#labels.map((label) => this.#context.measureText(label).width);
    const right = width - Math.max(0, ...names) - 22;
    return { left: MARGIN.left, right, top: MARGIN.top, bottom: height - MARGIN.bottom };
  }

  #draw() {
    const context = this.#context;
    const { width, height } = fit(this.#canvas, context);
    if (!width) return;
    const style = getComputedStyle(this.#canvas);
    const theme = Object.fromEntries(
      ["card", "ink", "soft", "line"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
    );
    const plot = this.#plot(width, height);
    const [from, to] = this.#window();
    const x = (time) => plot.left + ((time - from) / (to - from)) * (plot.right - plot.left);
    const y = (probability) => plot.bottom - probability * (plot.bottom - plot.top);
    drawAxes(context, plot, x, y, theme, this.#ticks(plot, from, to));
    const history = this.#histories.get(this.#face) ?? [];
    const lines = this.#labels
      .map((label, index) => ({
        label,
        dashes: dashesOf(index),
        colour: legible(colourOf(label), theme.card),
      }))
      .filter(({ label }) => history.some(({ values }) => values[label] > LEAST));
    drawLines(context, lines, history, plot, x, y);
    if (this.#cursor !== null) drawCursor(context, x(this.#cursor), plot, theme.ink);
    if (lines.length) nameLines(context, lines, history.at(-1), plot, x, y, theme.ink);
  }

  /** Returns [{time, text}] for the axis of time. */
  #ticks(plot, from, to) {
    const most = Math.max(2, (plot.right - plot.left) / 90);
    const step = STEPS.find((seconds) => (to - from) / seconds <= most) ?? 600;
    const ticks = [];
    if (this.#duration !== null) {
      for (let time = 0; time <= to; time += step) ticks.push({ time, text: clock(time) });
      return ticks;
    }
    for (let ago = 0; ago <= SECONDS; ago += step) {
      ticks.push({ time: to - ago, text: ago ? `−${ago} s` : "now" });
    }
    return ticks;
  }
}

function drawLines(context, lines, history, plot, x, y) {
  context.save();
  context.beginPath();
  context.rect(plot.left, 0, plot.right - plot.left + 1, plot.bottom + 2);
  context.clip();
  context.lineWidth = 2.5;
  context.lineJoin = "round";
  for (const { label, dashes, colour } of lines) {
    context.strokeStyle = colour;
    context.setLineDash(dashes);
    context.beginPath();
    history.forEach(({ time, values }, place) => {
      const breaks = !place || time - history[place - 1].time > GAP_SECONDS;
      context[breaks ? "moveTo" : "lineTo"](x(time), y(values[label]));
    });
    context.stroke();
  }
  context.setLineDash([]);
  context.restore();
}

function drawCursor(context, place, plot, ink) {
  context.strokeStyle = ink;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(place, plot.top - 6);
  context.lineTo(place, plot.bottom);
  context.stroke();
}

function nameLines(context, lines, { time, values }, plot, x, y, ink) {
  const ends = lines.map(({ label, colour }) => {
    const from = y(values[label]);
    return { label, colour, from, at: from };
  });
  spread(ends, plot.top, plot.bottom);
  const end = Math.max(plot.left, Math.min(x(time), plot.right));
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const { label, colour, from, at } of ends) {
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(end, from);
    context.lineTo(end + 12, at);
    context.stroke();
    context.fillStyle = ink;
    context.fillText(label, end + 16, at);
  }
}

/** Moves names that would lie on one another apart, keeping their order. */
function spread(ends, top, bottom) {
  ends.sort((one, other) => one.at - other.at);
  ends.forEach((end, place) => {
    end.at = Math.max(end.at, place ? ends[place - 1].at + NAME_HEIGHT : top);
  });
  for (let place = ends.length - 1; place >= 0; place -= 1) {
    const limit = place === ends.length - 1 ? bottom : ends[place + 1].at - NAME_HEIGHT;
    ends[place].at = Math.min(ends[place].at, limit);
  }
}

function drawAxes(context, plot, x, y, theme, ticks) {
  context.strokeStyle = theme.line;
  context.fillStyle = theme.soft;
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const probability of [0, 0.5, 1]) {
    const height = Math.round(y(probability)) + 0.5;
    context.beginPath();
    context.moveTo(plot.left, height);
    context.lineTo(plot.right, height);
    context.stroke();
    context.fillText(percent(probability), plot.left - 7, height);
  }
  context.textBaseline = "alphabetic";
  for (const { time, text } of ticks) {
    const place = x(time);
    const half = context.measureText(text).width / 2;
    context.textAlign = "center";
    if (place - half < plot.left) context.textAlign = "left";
    else if (place + half > plot.right + 16) context.textAlign = "right";
    context.fillText(text, place, plot.bottom + 18);
  }
}

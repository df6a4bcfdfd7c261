// The last minute of one face: a line per expression, named at its end.

import { fit } from "./canvas.js";
import { colourOf, dashesOf, percent } from "./expressions.js";

const SECONDS = 60;
const GAP_SECONDS = 1.5; // a line breaks where its face was away for longer
const NAME_HEIGHT = 14;
const MARGIN = { left: 50, top: 12, bottom: 24 };

export class Timeline {
  #canvas;
  #context;
  #labels = [];
  #histories = new Map(); // face → [{time, values}]
  #now = 0;
  #face = null;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    new ResizeObserver(() => this.#draw()).observe(canvas);
  }

  /** Begins with nothing. */
  reset(labels) {
    this.#labels = labels;
    this.#histories.clear();
    this.#now = 0;
    this.#face = null;
    this.#draw();
  }

  /** Takes the faces of a moment, in seconds, and shows the one with this id, if there is one. */
  add(time, faces, id) {
    this.#now = time;
    for (const face of faces) {
      if (!this.#histories.has(face.id)) this.#histories.set(face.id, []);
      this.#histories.get(face.id).push({ time, values: face.probabilities });
    }
    for (const [key, history] of this.#histories) {
      while (history.length && history[0].time < time - SECONDS - GAP_SECONDS) history.shift();
      if (!history.length) this.#histories.delete(key);
    }
    this.show(id);
  }

  show(id) {
    this.#face = id ?? this.#face;
    this.#draw();
  }

  #draw() {
    const context = this.#context;
    const { width, height } = fit(this.#canvas, context);
    if (!width) return;
    context.font = "12px system-ui, sans-serif";
    const names = Math.max(0, ...this.#labels.map((label) => context.measureText(label).width));
    const plot = {
      left: MARGIN.left,
      right: width - names - 22,
      top: MARGIN.top,
      bottom: height - MARGIN.bottom,
    };
    const x = (time) => plot.right - ((this.#now - time) / SECONDS) * (plot.right - plot.left);
    const y = (probability) => plot.bottom - probability * (plot.bottom - plot.top);
    drawAxes(context, plot, y);
    const history = this.#histories.get(this.#face) ?? [];
    if (!history.length) return;
    context.save();
    context.beginPath();
    context.rect(plot.left, 0, plot.right - plot.left + 1, height);
    context.clip();
    context.lineWidth = 2;
    this.#labels.forEach((label, index) => {
      context.strokeStyle = colourOf(label);
      context.setLineDash(dashesOf(index));
      context.beginPath();
      history.forEach(({ time, values }, place) => {
        const breaks = !place || time - history[place - 1].time > GAP_SECONDS;
        context[breaks ? "moveTo" : "lineTo"](x(time), y(values[label]));
      });
      context.stroke();
    });
    context.restore();
    this.#nameLines(history.at(-1), plot, x, y);
  }

  #nameLines({ time, values }, plot, x, y) {
    const context = this.#context;
    const ends = this.#labels.map((label, index) => ({
      label,
      index,
      from: y(values[label]),
      at: y(values[label]),
    }));
    spread(ends, plot.top, plot.bottom);
    context.textAlign = "left";
    context.textBaseline = "middle";
    for (const { label, index, from, at } of ends) {
      context.strokeStyle = colourOf(label);
      context.lineWidth = 1.5;
      context.setLineDash(dashesOf(index));
      context.beginPath();
      context.moveTo(Math.max(plot.left, x(time)), from);
      context.lineTo(plot.right, from);
      context.stroke();
      context.setLineDash([]);
      context.beginPath();
      context.moveTo(plot.right, from);
      context.lineTo(plot.right + 12, at);
      context.stroke();
      context.fillStyle = "#e8eaed";
      context.fillText(label, plot.right + 16, at);
    }
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

function drawAxes(context, plot, y) {
  context.strokeStyle = "#39414a";
  context.fillStyle = "#b4bcc5";
  context.lineWidth = 1;
  context.setLineDash([]);
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const probability of [0, 0.25, 0.5, 0.75, 1]) {
    const height = Math.round(y(probability)) + 0.5;
    context.beginPath();
    context.moveTo(plot.left, height);
    context.lineTo(plot.right, height);
    context.stroke();
    if (probability % 0.5 === 0) context.fillText(percent(probability), plot.left - 7, height);
  }
  context.textBaseline = "alphabetic";
  const isWide = plot.right - plot.left > 420;
  for (let ago = 0; ago <= SECONDS; ago += isWide ? 10 : 20) {
    const place = plot.right - (ago / SECONDS) * (plot.right - plot.left);
    context.textAlign = ago === SECONDS ? "left" : ago ? "center" : "right";
    context.fillText(ago ? `−${ago} s` : "now", place, plot.bottom + 17);
  }
}

// The faces drawn over a picture: boxes, expressions, confidences.

import { fit } from "./canvas.js";
import { colourOf, inkOn, percent } from "./expressions.js";
import { arrange, leader } from "./labels.js";

const LABEL = { font: "600 14px system-ui, sans-serif", height: 23, padding: 7 };
const SMALL_LABEL = { font: "600 11px system-ui, sans-serif", height: 15, padding: 4 };
const MARGIN = 5; // from a label to other faces
const LIST_STEP = LABEL.height + 4;
const EXPORT_SIDE = 900; // pictures that are kept are drawn on as if they were so long on a page

/** A canvas that lies over the picture, or holds it too. */
export class Overlay {
  #canvas;
  #context;
  #places = [];
  #scene = { faces: [], size: null, mirrored: false, picture: null, chosen: null };

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /**
   * Draws anew.
   * @param {object} changes to the scene: `faces` with boxes in pixels of a picture of `size`
   *   {width, height}; whether the picture is shown `mirrored`; the `picture` itself, unless a
   *   video lies beneath; the id of the `chosen` face.
   */
  draw(changes = {}) {
    Object.assign(this.#scene, changes);
    const room = fit(this.#canvas, this.#context);
    this.#places = [];
    if (!this.#scene.size || !room.width) return;
    this.#places = paint(this.#context, room, this.#scene).places;
  }

  /** Returns the id of the face at a point of the page; undefined if none is there. */
  faceAt(clientX, clientY) {
    const bounds = this.#canvas.getBoundingClientRect();
    const [x, y] = [clientX - bounds.left, clientY - bounds.top];
    return this.#places.find(
      (place) =>
        x >= place.x && x <= place.x + place.width && y >= place.y && y <= place.y + place.height,
    )?.id;
  }

  /** Returns a canvas with the picture in its own size, drawn on; null if there is no picture. */
  annotated() {
    const { picture, size, faces } = this.#scene;
    if (!picture || !size) return null;
    const unit = Math.max(1, Math.max(size.width, size.height) / EXPORT_SIDE);
    const room = { width: size.width / unit, height: size.height / unit };
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    canvas.width = size.width;
    const scene = { ...this.#scene, chosen: null };
    const { isNumbered } = paint(context, room, scene); // once to know whether a list is needed
    const list = isNumbered ? (faces.length + 0.5) * LIST_STEP : 0;
    canvas.height = size.height + list * unit;
    context.scale(unit, unit);
    paint(context, room, scene);
    if (isNumbered) drawList(context, faces, room, list);
    return canvas;
  }
}

/** Draws a scene into a room from 0, 0; returns the faces' places, and whether only numbers fit. */
function paint(context, room, { faces, size, mirrored, picture, chosen }) {
  const scale = Math.min(room.width / size.width, room.height / size.height);
  const left = (room.width - size.width * scale) / 2;
  const top = (room.height - size.height * scale) / 2;
  if (picture) context.drawImage(picture, left, top, size.width * scale, size.height * scale);
  const places = faces.map((face) => {
    let [x1, y1, x2, y2] = face.box.map((value) => value * scale);
    if (mirrored) [x1, x2] = [size.width * scale - x2, size.width * scale - x1];
    return { id: face.id, x: left + x1, y: top + y1, width: x2 - x1, height: y2 - y1 };
  });
  const isOneOfMany = (face) => faces.length > 1 && face.id === chosen;
  faces.forEach((face, index) => drawBox(context, face, places[index], isOneOfMany(face)));
  return { places, isNumbered: drawLabels(context, faces, places, room, isOneOfMany) };
}

const lineOf = (place) => Math.max(2, Math.min(4, place.width / 40));

function drawBox(context, face, place, isChosen) {
  const line = lineOf(place);
  context.lineJoin = "round";
  context.setLineDash(face.uncertain ? [3 * line, 2 * line] : []);
  context.strokeStyle = "rgb(0 0 0 / 0.65)"; // so that the box is seen on any picture
  context.lineWidth = (isChosen ? 2 * line : line) + 2;
  context.strokeRect(place.x, place.y, place.width, place.height);
  context.strokeStyle = colourOf(face.expression);
  context.lineWidth = isChosen ? 2 * line : line;
  context.strokeRect(place.x, place.y, place.width, place.height);
  context.setLineDash([]);
}

/** Draws what is read on each face beside it, or their numbers; returns whether it is numbers. */
function drawLabels(context, faces, places, room, isChosen) {
  const boxes = places.map((place) => {
    const edge = lineOf(place) / 2;
    const [width, height] = [place.width + 2 * edge, place.height + 2 * edge];
    return { x: place.x - edge, y: place.y - edge, width, height };
  });
  const words = faces.map((face) => inWords(face, faces.length > 1));
  const numbers = faces.map((face) => String(face.id));
  const ways = [[words, LABEL, MARGIN]];
  if (faces.length > 1) {
    ways.push([numbers, LABEL, MARGIN]);
    for (const margin of [MARGIN, MARGIN / 2, 0]) ways.push([numbers, SMALL_LABEL, margin]);
  }
  let [texts, style, labels] = [];
  for (const [someTexts, someStyle, margin] of ways) {
    [texts, style] = [someTexts, someStyle];
    const sizes = texts.map((text) => sizeOf(context, text, style));
    labels = arrange(boxes, sizes, room, margin, texts === numbers);
    if (!labels.includes(null)) break;
  }
  labels.forEach((label, index) => {
    if (!label) return;
    const colour = colourOf(faces[index].expression);
    drawLeader(context, label, boxes[index], colour);
    drawLabel(context, texts[index], label, style, colour, isChosen(faces[index]));
  });
  return texts === numbers;
}

function sizeOf(context, text, { font, height, padding }) {
  context.font = font;
  return { width: Math.ceil(context.measureText(text).width) + 2 * padding, height };
}

const inWords = (face, isOneOfMany) =>
  `${isOneOfMany ? `${face.id}  ` : ""}${face.uncertain ? "uncertain: " : ""}` +
  `${face.expression} ${percent(face.confidence)}`;

function drawLeader(context, label, box, colour) {
  const { from, to } = leader(label, box);
  for (const [style, width] of [["rgb(0 0 0 / 0.65)", 4], [colour, 2]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
  }
}

function drawLabel(context, text, { x, y, width, height }, style, colour, isChosen) {
  context.font = style.font;
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(x, y, width, height, 4);
  context.fill();
  if (isChosen) {
    context.strokeStyle = inkOn(colour);
    context.lineWidth = 2;
    context.beginPath();
    context.roundRect(x + 2, y + 2, width - 4, height - 4, 3);
    context.stroke();
  }
  context.fillStyle = inkOn(colour);
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(text, x + style.padding, y + height / 2 + 0.5);
}

/** Draws what is read on each face below the picture. */
function drawList(context, faces, room, height) {
  context.fillStyle = "#ffffff";
  context.fillRect(0, room.height, room.width, height);
  faces.forEach((face, index) => {
    const number = String(face.id);
    const size = sizeOf(context, number, LABEL);
    const place = { x: 8, y: room.height + (index + 0.25) * LIST_STEP, ...size };
    drawLabel(context, number, place, LABEL, colourOf(face.expression), false);
    context.fillStyle = "#000000";
    context.fillText(inWords(face, false), 52, place.y + size.height / 2 + 0.5);
  });
}

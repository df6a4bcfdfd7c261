// The faces drawn over a picture: boxes, expressions, confidences.

import { fit } from "./canvas.js";
import { colourOf, percent } from "./expressions.js";

/** A canvas that lies over the picture, or holds it too. */
export class Overlay {
  #canvas;
  #context;
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
    const { faces, size, mirrored, picture, chosen } = this.#scene;
    const context = this.#context;
    const { width, height } = fit(this.#canvas, context);
    if (!size || !width) return;
    const scale = Math.min(width / size.width, height / size.height);
    const left = (width - size.width * scale) / 2;
    const top = (height - size.height * scale) / 2;
    if (picture) {
      context.drawImage(picture, left, top, size.width * scale, size.height * scale);
    }
    this.places = faces.map((face) => {
      let [x1, y1, x2, y2] = face.box.map((value) => value * scale);
      if (mirrored) [x1, x2] = [size.width * scale - x2, size.width * scale - x1];
      return { id: face.id, x: left + x1, y: top + y1, width: x2 - x1, height: y2 - y1 };
    });
    faces.forEach((face, index) => {
      drawFace(context, face, this.places[index], width, faces.length > 1 && face.id === chosen);
    });
  }

  /** Returns the id of the face at a point of the page; undefined if none is there. */
  faceAt(clientX, clientY) {
    const bounds = this.#canvas.getBoundingClientRect();
    const [x, y] = [clientX - bounds.left, clientY - bounds.top];
    return this.places?.find(
      (place) =>
        x >= place.x && x <= place.x + place.width && y >= place.y && y <= place.y + place.height,
    )?.id;
  }
}

function drawFace(context, face, place, canvasWidth, isChosen) {
  const colour = colourOf(face.expression);
  const line = Math.max(2, Math.min(4, place.width / 40));
  context.lineJoin = "round";
  context.setLineDash(face.uncertain ? [3 * line, 2 * line] : []);
  context.strokeStyle = "rgb(0 0 0 / 0.65)"; // so that the box is seen on any picture
  context.lineWidth = line + 2;
  context.strokeRect(place.x, place.y, place.width, place.height);
  context.strokeStyle = colour;
  context.lineWidth = isChosen ? line + 1 : line;
  context.strokeRect(place.x, place.y, place.width, place.height);
  context.setLineDash([]);

  const mark = isChosen ? "▸ " : "";
  const doubt = face.uncertain ? "uncertain: " : "";
  const text = `${mark}${doubt}${face.expression} ${percent(face.confidence)}`;
  context.font = "600 14px system-ui, sans-serif";
  const width = Math.ceil(context.measureText(text).width) + 14;
  const height = 23;
  const x = Math.max(0, Math.min(place.x - line / 2, canvasWidth - width));
  const y = place.y - line / 2 >= height ? place.y - line / 2 - height : place.y;
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(x, y, width, height, 4);
  context.fill();
  context.fillStyle = inkOn(colour);
  context.textBaseline = "middle";
  context.fillText(text, x + 7, y + height / 2 + 0.5);
}

/** Returns black or white, whichever stands out more from a colour `#rrggbb`. */
function inkOn(colour) {
  const linear = (place) => (parseInt(colour.slice(place, place + 2), 16) / 255) ** 2.2;
  const luminance = 0.2126 * linear(1) + 0.7152 * linear(3) + 0.0722 * linear(5);
  return luminance > 0.179 ? "#000" : "#fff";
}

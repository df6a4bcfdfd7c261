// What is read on the faces: a list to choose one from, and a headline and bars of that one.

import { colourOf, inkOn, percent } from "./expressions.js";

export const LARGEST = "largest";
const SPEAK_SECONDS = 4; // screen readers hear of changes, but no more often

const byId = (id) => document.getElementById(id);
const area = ({ box: [x1, y1, x2, y2] }) => (x2 - x1) * (y2 - y1);
const doubtful = (face) => `${face.expression}${face.uncertain ? "?" : ""}`;

export class Reading {
  #bars = new Map();
  #choice = LARGEST;
  #options = new Map(); // face or LARGEST → its elements
  #spoken = { text: "", at: -Infinity };

  /** @param {function} onChoose called when somebody chooses a face. */
  constructor(onChoose) {
    byId("faces").onchange = (event) => {
      this.#choice = event.target.value;
      onChoose();
    };
  }

  /** Makes a bar for each expression; no face is chosen any more. */
  reset(labels) {
    this.#choice = LARGEST;
    this.#bars.clear();
    const items = labels.map((label) => {
      const [item, name, track, fill, value] = make("li", "name", "track", "fill", "value");
      name.textContent = label;
      name.title = label;
      fill.style.backgroundColor = colourOf(label);
      track.append(fill);
      item.append(name, " ", track, " ", value);
      this.#bars.set(label, { item, fill, value });
      return item;
    });
    byId("bars").replaceChildren(...items);
    this.show(null);
  }

  /** Chooses a face by its id, or the largest one. */
  choose(id) {
    this.#choice = String(id);
  }

  /**
   * Shows the chosen face, or the largest; returns it, or undefined.
   * @param {object[]?} facesRead those in sight; null: nothing was read.
   * @param {number[]} others ids of faces that can be chosen, too.
   */
  show(facesRead, others = []) {
    const faces = facesRead ?? [];
    const largest = faces.reduce((a, b) => (!a || area(b) > area(a) ? b : a), undefined);
    this.#offer(faces, others, largest);
    const isAway = this.#isAway(faces) && this.#choice !== LARGEST && others.length;
    const chosen = faces.find(({ id }) => String(id) === this.#choice);
    const face = chosen ?? (isAway ? undefined : largest);
    byId("headline").classList.toggle("none", !face);
    byId("headline").textContent = face
      ? `${doubtful(face)} ${percent(face.confidence)}`
      : isAway
        ? `Face ${this.#choice} is away`
        : facesRead
          ? "No face in sight"
          : "Nothing read yet";
    byId("doubt").textContent = face?.uncertain
      ? "Uncertain: more likely wrong than right."
      : "";
    for (const [label, { item, fill, value }] of this.#bars) {
      const probability = face?.probabilities[label] ?? 0;
      item.classList.toggle("best", face?.expression === label);
      fill.style.width = `${100 * probability}%`;
      value.textContent = face ? percent(probability) : "–";
    }
    this.#speak(face, faces.length);
    return face ?? (isAway ? { id: Number(this.#choice) } : undefined);
  }

  #isAway(faces) {
    return this.#choice !== LARGEST && !faces.some(({ id }) => String(id) === this.#choice);
  }

  /** Lists the faces; elements that stay are kept, so that the keyboard's focus is. */
  #offer(faces, others, largest) {
    const ids = new Set([...faces.map(({ id }) => id), ...others]);
    if (this.#choice !== LARGEST) ids.add(Number(this.#choice));
    const keys = [LARGEST, ...[...ids].sort((one, other) => one - other).map(String)];
    for (const key of keys) {
      if (!this.#options.has(key)) this.#options.set(key, makeOption(key));
    }
    for (const key of this.#options.keys()) {
      if (!keys.includes(key)) this.#options.delete(key);
    }
    const elements = keys.map((key) => this.#options.get(key).element);
    const list = byId("faces");
    const isSame = elements.every((element, place) => element === list.children[place]);
    if (!isSame || elements.length !== list.children.length) list.replaceChildren(...elements);
    byId("face-choice").hidden = keys.length < 3;
    for (const [key, option] of this.#options) {
      option.input.checked = key === this.#choice;
      if (key !== LARGEST) fillOption(option, faces.find(({ id }) => String(id) === key));
      else option.name.textContent = largest ? `the largest: ${largest.id}` : "the largest";
    }
  }

  #speak(face, count) {
    if (!face && !this.#spoken.text) return;
    let text = face ? `${face.expression}${face.uncertain ? ", uncertain" : ""}` : "no face";
    if (face && count > 1) text = `${count} faces. Face ${face.id}: ${text}`;
    const now = performance.now() / 1000;
    if (text === this.#spoken.text || now - this.#spoken.at < SPEAK_SECONDS) return;
    this.#spoken = { text, at: now };
    byId("spoken").textContent = text;
  }
}

function make(tag, ...classes) {
  const elements = classes.map((name) => {
    const element = document.createElement(["name", "value"].includes(name) ? "span" : "div");
    element.className = name;
    return element;
  });
  return [document.createElement(tag), ...elements];
}

function makeOption(key) {
  const [element, name, value, level] = make("label", "name", "value", "level");
  const input = document.createElement("input");
  const number = document.createElement("span");
  [input.type, input.name, input.value] = ["radio", "face", key];
  element.className = "face";
  number.className = "number";
  number.textContent = key === LARGEST ? "" : key;
  number.hidden = key === LARGEST;
  element.append(input, number, " ", name, " ", value, level);
  return { element, input, number, name, value, level };
}

function fillOption({ element, number, name, value, level }, face) {
  element.classList.toggle("away", !face);
  const colour = face ? colourOf(face.expression) : "#767676";
  number.style.backgroundColor = colour;
  number.style.color = inkOn(colour);
  name.textContent = face ? doubtful(face) : "away";
  value.textContent = face ? percent(face.confidence) : "";
  level.style.backgroundColor = colour;
  level.style.width = `${100 * (face?.confidence ?? 0)}%`;
}

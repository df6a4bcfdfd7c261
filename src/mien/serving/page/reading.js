// What is read on one face: a headline, a bar per expression, and which face it is.

import { colourOf, percent } from "./expressions.js";

export const LARGEST = "largest";
const SPEAK_SECONDS = 4; // screen readers hear of changes, but no more often

const byId = (id) => document.getElementById(id);
const area = ({ box: [x1, y1, x2, y2] }) => (x2 - x1) * (y2 - y1);

export class Reading {
  #bars = new Map();
  #choice = LARGEST;
  #options = "";
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
      const item = document.createElement("li");
      const [name, track, fill, value] = ["span", "div", "div", "span"].map((tag) =>
        document.createElement(tag),
      );
      [name.className, track.className] = ["name", "track"];
      [fill.className, value.className] = ["fill", "value"];
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
    byId("faces").value = this.#choice;
  }

  /** Shows the chosen face, or the largest; returns it, or undefined. Null: nothing was read. */
  show(facesRead) {
    const faces = facesRead ?? [];
    const ids = faces.map((face) => face.id).sort((one, other) => one - other);
    this.#offer(ids);
    const largest = faces.reduce((a, b) => (!a || area(b) > area(a) ? b : a), undefined);
    const face = faces.find(({ id }) => String(id) === this.#choice) ?? largest;
    byId("headline").classList.toggle("none", !face);
    byId("headline").textContent = face
      ? `${face.expression}${face.uncertain ? "?" : ""} ${percent(face.confidence)}`
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
    this.#speak(face);
    return face;
  }

  #offer(ids) {
    const isAway = this.#choice !== LARGEST && !ids.some((id) => String(id) === this.#choice);
    const options = [new Option("the largest", LARGEST), ...ids.map((id) => new Option(id, id))];
    if (isAway) options.push(new Option(`${this.#choice} (away)`, this.#choice));
    const names = options.map((option) => option.text).join();
    if (names === this.#options) return; // a list that is open would close
    this.#options = names;
    byId("faces").replaceChildren(...options);
    byId("faces").value = this.#choice;
    byId("face-choice").hidden = options.length < 3;
  }

  #speak(face) {
    if (!face && !this.#spoken.text) return;
    const text = face ? `${face.expression}${face.uncertain ? ", uncertain" : ""}` : "no face";
    const now = performance.now() / 1000;
    if (text === this.#spoken.text || now - this.#spoken.at < SPEAK_SECONDS) return;
    this.#spoken = { text, at: now };
    byId("spoken").textContent = text;
  }
}

// How each expression looks: the colours of mien/labels.py, and a dash pattern, so that lines are
// told apart without colour too.

const COLOURS = {
  angry: "#d55e00",
  disgust: "#009e73",
  fear: "#9467bd",
  happy: "#f0e442",
  sad: "#0072b2",
  surprise: "#e69f00",
  neutral: "#999999",
};
const OTHER = "#c8c8c8"; // labels of the user's own
const LINE_CONTRAST = 3; // WCAG's least for what is no text
const DASHES = [[], [9, 4], [2, 3], [12, 3, 2, 3], [5, 5], [14, 5], [6, 2, 2, 2, 2, 2]];

export const colourOf = (label) => COLOURS[label] ?? OTHER;

export const dashesOf = (index) => DASHES[index % DASHES.length];

/** Returns how bright a colour `#rrggbb` is, 0 to 1 (WCAG's relative luminance). */
function luminance(colour) {
  const linear = (place) => (parseInt(colour.slice(place, place + 2), 16) / 255) ** 2.2;
  return 0.2126 * linear(1) + 0.7152 * linear(3) + 0.0722 * linear(5);
}

/** Returns black or white, whichever stands out more from a colour. */
export const inkOn = (colour) => (luminance(colour) > 0.179 ? "#000000" : "#ffffff");

/** Returns a colour, mixed with black or white until a line of it stands out from a ground. */
export function legible(colour, ground) {
  const ink = inkOn(ground);
  for (let part = 0; ; part += 0.05) {
    const mixed = `#${[1, 3, 5].map((place) => mixedByte(colour, ink, place, part)).join("")}`;
    const [less, more] = [luminance(mixed), luminance(ground)].sort((a, b) => a - b);
    if (part >= 1 || (more + 0.05) / (less + 0.05) >= LINE_CONTRAST) return mixed;
  }
}

function mixedByte(one, other, place, part) {
  const [a, b] = [one, other].map((colour) => parseInt(colour.slice(place, place + 2), 16));
  return Math.round(a + (b - a) * Math.min(part, 1)).toString(16).padStart(2, "0");
}

export const percent = (probability) => `${Math.round(100 * probability)} %`;

/** Returns the most probable expression, its probability, and whether that is uncertain. */
export function mostProbable(probabilities, minConfidence) {
  const [expression, confidence] = Object.entries(probabilities).reduce((best, each) =>
    each[1] > best[1] ? each : best,
  );
  return { expression, confidence, uncertain: confidence < minConfidence };
}

/** Returns a face with what is shown of it: in moving pictures the smoothed probabilities. */
export function shown(face, index, minConfidence) {
  const probabilities = face.smoothed ?? face.probabilities;
  const id = face.track_id ?? index + 1;
  return { ...face, id, probabilities, ...mostProbable(probabilities, minConfidence) };
}

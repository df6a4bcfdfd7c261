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
const DASHES = [[], [9, 4], [2, 3], [12, 3, 2, 3], [5, 5], [14, 5], [6, 2, 2, 2, 2, 2]];

export const colourOf = (label) => COLOURS[label] ?? OTHER;

export const dashesOf = (index) => DASHES[index % DASHES.length];

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

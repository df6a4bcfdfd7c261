// Where the labels of faces go: beside their faces, never on a face or on one another.

const NEAR = 12; // from one ring of places around a face to the next, and
const FAR = 260; // the farthest, in the page's pixels
const DIRECTIONS = 16;

const overlap = (one, other) =>
  one.x < other.x + other.width &&
  other.x < one.x + one.width &&
  one.y < other.y + other.height &&
  other.y < one.y + one.height;

const between = (least, value, most) => Math.max(least, Math.min(value, most));

/**
 * Returns a place {x, y, width, height} for each label; null where there is none.
 * @param {object[]} boxes of the faces, {x, y, width, height}.
 * @param {object[]} sizes of their labels, {width, height}.
 * @param {object} room for all of them, {width, height} from 0, 0.
 * @param {number} margin to other faces at least, so that it is plain whose label it is.
 * @param {boolean} farther whether labels may lie away from their faces, to be joined by a line.
 */
export function arrange(boxes, sizes, room, margin, farther) {
  const wide = boxes.map((box) => ({
    x: box.x - margin,
    y: box.y - margin,
    width: box.width + 2 * margin,
    height: box.height + 2 * margin,
  }));
  const labels = [];
  return boxes.map((box, index) => {
    const size = sizes[index];
    const taken = [...wide.with(index, box), ...labels];
    for (const corner of corners(box, size, room, farther)) {
      const place = { ...corner, ...size };
      if (isInside(place, room) && !taken.some((other) => overlap(place, other))) {
        labels.push(place);
        return place;
      }
    }
    return null;
  });
}

function isInside({ x, y, width, height }, room) {
  return x >= 0 && y >= 0 && x + width <= room.width && y + height <= room.height;
}

/** Yields upper left corners for a label, the best first. */
function* corners(box, { width, height }, room, farther) {
  const [right, bottom] = [box.x + box.width, box.y + box.height];
  for (const y of [box.y - height, bottom]) {
    for (const x of [box.x, right - width]) yield { x: between(0, x, room.width - width), y };
  }
  for (const x of [right, box.x - width]) {
    for (const y of [box.y, bottom - height]) yield { x, y: between(0, y, room.height - height) };
  }
  if (!farther) return;
  const [middleX, middleY] = [box.x + box.width / 2, box.y + box.height / 2];
  for (let away = NEAR; away <= FAR; away += NEAR) {
    for (let turn = 0; turn < DIRECTIONS; turn += 1) {
      const angle = (2 * Math.PI * turn) / DIRECTIONS - Math.PI / 2; // upwards first
      const x = middleX + Math.cos(angle) * (box.width / 2 + away) - width / 2;
      const y = middleY + Math.sin(angle) * (box.height / 2 + away) - height / 2;
      yield { x, y };
    }
  }
}

/** Returns the point of a box nearest to the middle of a label, and that middle. */
export function leader(place, box) {
  const from = { x: place.x + place.width / 2, y: place.y + place.height / 2 };
  const x = between(box.x, from.x, box.x + box.width);
  const y = between(box.y, from.y, box.y + box.height);
  return { from, to: { x, y } };
}

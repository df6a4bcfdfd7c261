// The rows of this sitting, as flat as the CSV that mien itself writes.

const BLOCK = 1000; // rows that are joined, so that hours of them stay small

export function csvColumns(labels) {
  return [
    ...["source", "frame", "time_seconds", "track_id", "x1", "y1", "x2", "y2"],
    ...["detection_score", "expression", "confidence", "uncertain"],
    ...labels.map((label) => `p_${label}`),
    ...labels.map((label) => `smoothed_${label}`),
    ...["error", "schema_version", "mien_version", "model"],
  ];
}

/** Keeps the rows; numbers frames, times and faces on when the server counts from 0 again. */
export class Sitting {
  #labels;
  #blocks = [];
  #rows = [];
  #server = { frame: -1 }; // the last frame as the server counts
  #last = { frame: -1, track: 0 }; // and as we do
  #base = { frame: 0, time: 0, track: 0 };
  #began = null;
  count = 0;

  constructor(labels) {
    this.#labels = labels;
  }

  /** Returns a result with this sitting's numbers, once its rows are kept. */
  add(result, source) {
    if (result.frame !== undefined) result = this.#numberedOn(result);
    const place = [source, result.frame, result.time_seconds];
    const empty = Array(9 + 2 * this.#labels.length);
    const faces = result.faces ?? [];
    const rest = [result.error, result.schema_version, result.mien_version, result.model];
    for (const face of faces) this.#keep([...place, ...this.#cells(face), ...rest]);
    if (!faces.length) this.#keep([...place, ...empty, ...rest]);
    return result;
  }

  csv() {
    return [line(csvColumns(this.#labels)), ...this.#blocks, ...this.#rows].join("");
  }

  #numberedOn(result) {
    const now = performance.now() / 1000;
    this.#began ??= now - result.time_seconds;
    if (result.frame <= this.#server.frame) {
      const time = now - this.#began - result.time_seconds;
      this.#base = { frame: this.#last.frame + 1, time, track: this.#last.track };
    }
    this.#server.frame = result.frame;
    const faces = (result.faces ?? []).map((face) => {
      const track_id = face.track_id + this.#base.track;
      this.#last.track = Math.max(this.#last.track, track_id);
      return { ...face, track_id };
    });
    const frame = (this.#last.frame = this.#base.frame + result.frame);
    const time_seconds = Number((this.#base.time + result.time_seconds).toFixed(6));
    return { ...result, frame, time_seconds, faces };
  }

  #cells(face) {
    return [
      ...[face.track_id, ...face.box, face.detection_score],
      ...[face.expression, face.confidence, face.uncertain],
      ...this.#labels.map((label) => face.probabilities[label]),
      ...this.#labels.map((label) => face.smoothed?.[label]),
    ];
  }

  #keep(cells) {
    this.#rows.push(line(cells));
    this.count += 1;
    if (this.#rows.length >= BLOCK) this.#blocks.push(this.#rows.splice(0).join(""));
  }
}

function line(cells) {
  return `${Array.from(cells, cell).join(",")}\n`;
}

function cell(value) {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// The page: what is shown when, and what the buttons do.

import { Camera, explain, listCameras, whyNoCamera } from "./camera.js";
import { percent, shown } from "./expressions.js";
import { askKey } from "./key.js";
import { Overlay } from "./overlay.js";
import { askAbout, decode } from "./photo.js";
import { LARGEST, Reading } from "./reading.js";
import { Sitting } from "./rows.js";
import { Connection, getInfo } from "./server.js";
import { Timeline } from "./timeline.js";

const FRAME_MS = 1000 / 15; // at most so often
const ANSWER_MS = 15_000; // a server that is silent for longer is taken for gone
const CAMERA_SOURCE = "camera"; // what the rows of this browser's camera are called

const byId = (id) => document.getElementById(id);
const camera = new Camera(byId("video"));
const overlay = new Overlay(byId("overlay"));
const timeline = new Timeline(byId("timeline"));
const reading = new Reading(() => showFaces());

let info = null; // what the server says of itself
let labels = ""; // of its model, joined
let sitting = null;
let connection = null;
let view = "welcome"; // or "camera", "live", "photo"
let isPaused = false;
let faces = null; // as last shown; null before anything is read

// ---- What the page says ----

function setStatus(state, text) {
  byId("status").dataset.state = state;
  byId("status").textContent = text;
}

function tellProblem(text) {
  byId("problem").hidden = !text;
  byId("problem").textContent = text ?? "";
}

function setCurtain(text) {
  byId("curtain").hidden = !text;
  byId("curtain").textContent = text ?? "";
}

function takeInfo(latest) {
  info = latest;
  const { name, labels: latestLabels } = info.model;
  byId("about").textContent =
    `mien ${info.version}, model ${name}, detector ${info.detector}. Confidences are calibrated ` +
    `on labelled faces; below ${percent(info.min_confidence)} an expression is marked uncertain.`;
  if (latestLabels.join() === labels) return;
  if (sitting?.count) tellProblem("The server has another model now: the rows begin anew.");
  labels = latestLabels.join();
  sitting = new Sitting(latestLabels);
  reading.reset(latestLabels);
  timeline.reset(latestLabels);
  countRows();
}

function countRows() {
  const { count } = sitting;
  byId("download").disabled = !count;
  byId("count").textContent = count
    ? `${count.toLocaleString("en")} ${count === 1 ? "row" : "rows"} of this sitting, kept in ` +
      "this page until you leave it."
    : "No rows yet.";
}

/** Shows one of the views, running. */
function setView(next) {
  connection?.close();
  connection = null;
  view = next;
  isPaused = false;
  const isMoving = view === "camera" || view === "live";
  byId("welcome").hidden = view !== "welcome";
  byId("stage").classList.toggle("welcoming", view === "welcome");
  byId("video").hidden = view !== "camera";
  byId("overlay").hidden = view === "welcome";
  byId("pause").disabled = !isMoving;
  byId("pause").textContent = "Pause";
  byId("stop").hidden = !camera.isOn;
  byId("camera-choice").hidden = info?.mode === "live";
  byId("mirror-choice").hidden = view !== "camera";
  byId("back").hidden = view !== "photo";
  setCurtain(null);
  overlay.draw({ faces: [], size: null, picture: null, mirrored: false });
  faces = null;
  reading.choose(LARGEST);
  showFaces();
  if (view === "camera") connection = sendCamera();
  else if (view === "live") connection = watchServer();
  else setStatus("good", "The server is ready");
}

function setSize({ width, height }) {
  byId("stage").style.setProperty("--ratio", width / height);
}

// ---- Faces ----

function takeResult(result, source) {
  const numbered = sitting.add(result, source);
  countRows();
  faces = (numbered.faces ?? []).map((face, index) => shown(face, index, info.min_confidence));
  const chosen = reading.show(faces);
  if (result.frame !== undefined) timeline.add(numbered.time_seconds, faces, chosen?.id);
  return { faces, size: result.width && result, chosen: chosen?.id };
}

function showFaces() {
  const chosen = reading.show(faces)?.id;
  if (view !== "photo") timeline.show(chosen);
  overlay.draw({ chosen });
  byId("overlay").classList.toggle("choosable", faces?.length > 1);
}

byId("overlay").onclick = (event) => {
  const id = overlay.faceAt(event.clientX, event.clientY);
  if (id === undefined || !(faces?.length > 1)) return;
  reading.choose(id);
  showFaces();
};

// ---- This browser's camera ----

async function startCamera(id) {
  tellProblem(whyNoCamera());
  if (whyNoCamera()) return;
  byId("start").disabled = true;
  let problem = null;
  try {
    await camera.start(id, () => endCamera("The camera was disconnected."));
  } catch (error) {
    problem = explain(error);
  }
  byId("start").disabled = false;
  if (problem) {
    endCamera(problem);
    return;
  }
  byId("mirror").checked = camera.facesUser;
  setMirrored();
  setView("camera");
  if (document.activeElement === document.body) byId("pause").focus();
  await offerCameras();
}

function endCamera(problem) {
  camera.stop();
  setView("welcome");
  tellProblem(problem);
  byId("start").focus();
}

/** Sends frames, each once the one before is answered; returns the connection. */
function sendCamera() {
  let timer = null;
  let sentAt = 0;
  let turn = 0; // counts openings, so that a frame made for one is not sent in the next

  async function sendFrame(ofTurn) {
    sentAt = performance.now();
    const frame = await camera.frame();
    if (ofTurn !== turn || !stream.isOpen) return;
    if (frame === null) timer = setTimeout(() => sendFrame(ofTurn), FRAME_MS);
    else {
      stream.send(frame);
      timer = setTimeout(() => stream.restart(), ANSWER_MS);
    }
  }

  const stream = openConnection("v1/stream", {
    opened() {
      clearTimeout(timer);
      turn += 1;
      sendFrame(turn);
    },
    message(text) {
      clearTimeout(timer);
      const mirrored = byId("mirror").checked;
      const scene = takeResult(JSON.parse(text), CAMERA_SOURCE);
      overlay.draw({ ...scene, mirrored, picture: null });
      const pause = Math.max(0, sentAt + FRAME_MS - performance.now());
      const now = turn;
      timer = setTimeout(() => sendFrame(now), pause);
    },
    closed() {
      clearTimeout(timer);
      turn += 1;
    },
  });
  return stream;
}

function setMirrored() {
  byId("video").classList.toggle("mirrored", byId("mirror").checked);
  overlay.draw({ mirrored: byId("mirror").checked });
}

async function offerCameras() {
  const cameras = await listCameras();
  const options = cameras.map(({ id, name }) => new Option(name, id));
  byId("cameras").replaceChildren(
    ...(options.length ? options : [new Option("Default camera", "")]),
  );
  if (camera.id) byId("cameras").value = camera.id;
}

byId("video").onresize = () => {
  setSize({ width: byId("video").videoWidth, height: byId("video").videoHeight });
};
byId("start").onclick = () => startCamera(byId("cameras").value);
byId("stop").onclick = () => endCamera(null);
byId("mirror").onchange = setMirrored;
byId("cameras").onchange = () => camera.isOn && startCamera(byId("cameras").value);
navigator.mediaDevices?.addEventListener("devicechange", offerCameras);

// ---- The server's camera ----

function watchServer() {
  let text = ""; // of the frame whose picture comes next
  let last = ""; // of the frame before
  let isDrawing = false;

  async function drawFrame(blob) {
    const isNew = text !== last; // after an interruption the last frame may come again
    last = text;
    const result = JSON.parse(text);
    const scene = isNew ? takeResult(result, result.source) : { size: result };
    if (isDrawing) return;
    isDrawing = true;
    try {
      const picture = await createImageBitmap(blob);
      setSize(result);
      if (connection === stream) overlay.draw({ ...scene, mirrored: false, picture });
    } finally {
      isDrawing = false;
    }
  }

  const stream = openConnection("v1/live", {
    opened() {},
    message(data) {
      if (typeof data !== "string") {
        drawFrame(data);
        return;
      }
      const { state, error } = JSON.parse(data);
      if (state === "running") {
        text = data;
        setCurtain(null);
        setStatus("good", `Showing ${info.camera}`);
      } else if (state === "reconnecting") {
        setStatus("lost", "The camera dropped; the server is trying again");
        setCurtain(error);
      } else {
        setStatus("good", `${info.camera} has ended`);
        setCurtain(error ?? "The file has ended.");
      }
    },
    closed() {},
  });
  return stream;
}

// ---- Both ----

function openConnection(path, { opened, message, closed }) {
  setStatus("wait", "Connecting …");
  return new Connection(path, {
    info: takeInfo,
    open() {
      setStatus("good", "Connected");
      setCurtain(null);
      opened();
    },
    message,
    lost(reason, seconds) {
      closed();
      faces = null; // what was last read is no longer true
      showFaces();
      overlay.draw({ faces: [] });
      const text = `${reason} Trying again in ${seconds} s …`;
      setStatus("lost", text);
      setCurtain(text);
    },
    askKey,
    noKey() {
      const text = "This server asks for a key.";
      if (camera.isOn) endCamera(text);
      else setStatus("lost", `${text} Reload the page to give it.`);
    },
  });
}

byId("pause").onclick = () => {
  isPaused = !isPaused;
  byId("pause").textContent = isPaused ? "Resume" : "Pause";
  if (isPaused) {
    connection.close();
    byId("video").pause();
    setStatus("wait", "Paused");
    setCurtain(view === "camera" ? "Paused. Nothing is sent." : "Paused.");
  } else {
    setCurtain(null);
    if (view === "camera") byId("video").play();
    connection = view === "camera" ? sendCamera() : watchServer();
  }
};

byId("download").onclick = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([sitting.csv()], { type: "text/csv" }));
  link.download = `mien-${new Date().toISOString().slice(0, 19).replaceAll(/[T:]/g, "-")}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};

// ---- Photos ----

async function readPhoto(file) {
  tellProblem(null);
  setView("photo");
  setCurtain(`Reading ${file.name} …`);
  try {
    if (!info) takeInfo(await getInfo());
    const [result, picture] = await Promise.all([askAbout(file, info), decode(file)]);
    if (view !== "photo") return;
    setSize(result);
    overlay.draw({ ...takeResult(result, file.name), mirrored: false, picture });
    byId("overlay").classList.toggle("choosable", faces.length > 1);
    setCurtain(picture ? null : "This browser cannot show this kind of picture.");
  } catch (error) {
    setCurtain(null);
    const isOffline = error instanceof TypeError || error.name === "TimeoutError"; // fetch's
    tellProblem(isOffline ? "The server cannot be reached; try again later." : error.message);
  }
}

byId("photo").onchange = (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // so that the same one can be chosen again
  if (file) readPhoto(file);
};

byId("back").onclick = () => {
  tellProblem(null);
  const home = info?.mode === "live" ? "live" : "welcome";
  setView(camera.isOn ? "camera" : home);
  byId(view === "welcome" ? "start" : "pause").focus();
};

const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
window.ondragover = (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  byId("drop").hidden = false;
};
window.ondragleave = (event) => {
  if (event.relatedTarget === null) byId("drop").hidden = true;
};
window.ondrop = (event) => {
  byId("drop").hidden = true;
  if (!holdsFiles(event)) return;
  event.preventDefault();
  readPhoto(event.dataTransfer.files[0]);
};

// ---- Beginning ----

async function begin() {
  byId("host").textContent = location.host;
  for (let pause = 0.5; info === null; pause = Math.min(2 * pause, 8)) {
    try {
      takeInfo(await getInfo());
    } catch {
      setStatus("lost", `The server cannot be reached. Trying again in ${pause} s …`);
      await new Promise((resolve) => setTimeout(resolve, pause * 1000));
    }
  }
  if (info.mode === "live") {
    setView("live");
    return;
  }
  setView("welcome");
  tellProblem(whyNoCamera());
  await offerCameras();
}

begin();

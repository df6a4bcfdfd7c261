// The page: what is shown when, and what the buttons do.

import { Camera, explain, listCameras, whyNoCamera } from "./camera.js";
import { percent, shown } from "./expressions.js";
import { askAboutVideo, isVideo } from "./film.js";
import { askKey } from "./key.js";
import { Overlay } from "./overlay.js";
import { askAbout, decode } from "./photo.js";
import { Player } from "./player.js";
import { LARGEST, Reading } from "./reading.js";
import { Sitting } from "./rows.js";
import { Connection, getInfo } from "./server.js";
import { clock, Timeline } from "./timeline.js";

const CANNOT_PLAY = "This browser cannot play this kind of video; what was read is below.";
const FRAME_MS = 1000 / 15; // at most so often
const ANSWER_MS = 15_000; // a server that is silent for longer is taken for gone
const CLAIMS_MS = 8000; // to read what the page claims, before it folds
const CAMERA_SOURCE = "camera"; // what the rows of this browser's camera are called

const byId = (id) => document.getElementById(id);
const camera = new Camera(byId("video"));
const overlay = new Overlay(byId("overlay"));
const minute = new Timeline(byId("minute"));
const course = new Timeline(byId("course"));
const reading = new Reading(() => showFaces());
const player = new Player({
  size: setSize,
  moment(moment) {
    if (view !== "video") return;
    course.reach(player.duration);
    faces = moment?.faces ?? null;
    showFaces({ faces: faces ?? [], size: moment?.size ?? null });
  },
  cannotPlay() {
    if (byId("progress").hidden) setCurtain(CANNOT_PLAY);
  },
});

let info = null; // what the server says of itself
let labels = ""; // of its model, joined
let sitting = null;
let connection = null;
let view = "welcome"; // or "camera", "live", "photo", "video"
let file = null; // that is looked at: {rows, stop}
let mayFold = true; // what the page claims, once, when something was read
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
  minute.reset(latestLabels);
  countRows();
}

function countRows() {
  const { count } = file ? (file.rows ?? { count: 0 }) : sitting;
  byId("download").disabled = !count;
  const where = file ? "this file" : "this sitting, kept in this page until you leave it";
  byId("count").textContent = count
    ? `${count.toLocaleString("en")} ${count === 1 ? "row" : "rows"} of ${where}.`
    : "No rows yet.";
}

/** Shows one of the views, running; nothing goes on of the one before. */
function setView(next) {
  connection?.close();
  connection = null;
  closeFile();
  view = next;
  isPaused = false;
  for (const element of document.querySelectorAll("[data-in]")) {
    element.hidden = !element.dataset.in.split(" ").includes(view);
  }
  byId("stage").classList.toggle("welcoming", view === "welcome");
  byId("video").hidden = view !== "camera";
  byId("overlay").hidden = view === "welcome";
  byId("pause").textContent = "Pause";
  byId("stop").hidden = !camera.isOn;
  byId("back").textContent = `Close the ${view}`;
  setCurtain(null);
  faces = null;
  reading.choose(LARGEST);
  showFaces({ faces: [], size: null, picture: null, mirrored: false });
  if (sitting) countRows();
  if (view === "camera") connection = sendCamera();
  else if (view === "live") connection = watchServer();
  else setStatus("good", "The server is ready");
}

function foldClaims() {
  if (!mayFold || !faces?.length) return;
  mayFold = false;
  setTimeout(() => (byId("claims").open = false), Math.max(0, CLAIMS_MS - performance.now()));
}

function setSize({ width, height }) {
  byId("stage").style.setProperty("--ratio", width / height);
}

// ---- Faces ----

const shownFaces = (result) =>
  (result.faces ?? []).map((face, index) => shown(face, index, info.min_confidence));

function takeResult(result, source) {
  const numbered = sitting.add(result, source);
  faces = shownFaces(numbered);
  if (result.frame !== undefined) minute.add(numbered.time_seconds, faces);
  countRows();
  return { faces, size: result.width && result };
}

/** Shows the faces in sight, and what changes in the scene they are in. */
function showFaces(scene = {}) {
  const chosen = reading.show(faces, view === "video" ? course.faces : [])?.id;
  if (view === "video") course.show(chosen, player.time);
  else if (view !== "photo") minute.show(chosen);
  overlay.draw({ ...scene, chosen });
  byId("overlay").classList.toggle("choosable", faces?.length > 1);
  foldClaims();
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
      showFaces({ ...scene, mirrored, picture: null });
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
      if (connection === stream) showFaces({ ...scene, mirrored: false, picture });
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
      showFaces({ faces: [] });
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

function download(blob, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  const now = new Date().toISOString().slice(0, 19).replaceAll(/[T:]/g, "-");
  link.download = `mien-${now}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

byId("download").onclick = () => {
  download(new Blob([(file?.rows ?? sitting).csv()], { type: "text/csv" }), "csv");
};
byId("save").onclick = () => overlay.annotated().toBlob((blob) => download(blob, "png"));

// ---- Files: photos and videos ----

async function readFile(chosen) {
  tellProblem(null);
  setView(isVideo(chosen) ? "video" : "photo");
  const ours = (file = { rows: null, stop: new AbortController() });
  setCurtain(`Reading ${chosen.name} …`);
  try {
    if (!info) takeInfo(await getInfo());
    if (ours !== file) return;
    file.rows = new Sitting(info.model.labels);
    countRows();
    await (view === "video" ? readVideo(chosen, ours) : readPhoto(chosen, ours));
  } catch (error) {
    if (ours !== file) return;
    setCurtain(null);
    const isOffline = error instanceof TypeError || error.name === "TimeoutError"; // fetch's
    tellProblem(isOffline ? "The server cannot be reached; try again later." : error.message);
    setStatus(isOffline ? "lost" : "good", isOffline ? "The server is gone" : "Not read");
  } finally {
    if (ours === file) byId("progress").hidden = true;
  }
}

async function readPhoto(chosen, ours) {
  const [result, picture] = await Promise.all([askAbout(chosen, info), decode(chosen)]);
  if (ours !== file) return;
  file.rows.add(result, chosen.name);
  setSize(result);
  showFaces({ ...takeResult(result, chosen.name), mirrored: false, picture });
  setCurtain(picture ? null : "This browser cannot show this kind of picture.");
  byId("save").disabled = !picture;
  setStatus("good", "The photo was read");
}

async function readVideo(chosen, ours) {
  course.reset(info.model.labels, 0);
  player.open(chosen);
  byId("progress").removeAttribute("value");
  byId("progress").hidden = false;
  setCurtain(`Sending ${chosen.name} …`);
  setStatus("wait", "The video is being read");
  for await (const page of askAboutVideo(chosen, info, file.stop.signal)) {
    if (ours !== file) return;
    if (page.state === "started") player.reach(page.duration_seconds ?? 0);
    else if (page.state === "running") takeMoment(page, chosen.name);
    else if (page.error) tellProblem(`${chosen.name}: ${page.error}`);
  }
  setStatus("good", "The video was read");
  setCurtain(player.canPlay ? null : CANNOT_PLAY);
}

function takeMoment(result, name) {
  file.rows.add(result, name);
  countRows();
  if (result.error) tellProblem(result.error.replace("video", name));
  const { time_seconds: time, width, height } = result;
  if (time === undefined) return;
  const moment = { time, faces: shownFaces(result), size: { width, height } };
  course.add(time, moment.faces);
  player.add(moment);
  const whole = Math.min(player.duration, info.limits.max_video_seconds);
  byId("progress").value = whole ? Math.min(1, time / whole) : 0;
  setCurtain(`Reading ${name}: ${clock(time)} of ${clock(whole)}`);
}

function closeFile() {
  file?.stop.abort();
  file = null;
  byId("save").disabled = true;
  byId("progress").hidden = true;
  player.close();
  course.reset([], 0);
}

byId("course").onclick = (event) => player.goTo(course.timeAt(event.clientX));

byId("file").onchange = (event) => {
  const [chosen] = event.target.files;
  event.target.value = ""; // so that the same one can be chosen again
  if (chosen) readFile(chosen);
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
  readFile(event.dataTransfer.files[0]);
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
  if (view !== "welcome") return; // somebody was quicker
  setView(info.mode === "live" ? "live" : "welcome");
  if (view === "live") return;
  tellProblem(whyNoCamera());
  await offerCameras();
}

begin();

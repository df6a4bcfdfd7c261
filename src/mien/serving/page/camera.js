// The browser's cameras.

const LONGEST_SIDE = 640; // of what is sent, at most
const QUALITY = 0.85;

/** Returns why there can be no camera on this page, or null. */
export function whyNoCamera() {
  if (!window.isSecureContext) {
    return (
      "Browsers give pages a camera only over https or from the same machine, and this page came " +
      `over http from ${location.hostname}. Open it there as http://localhost, or put https ` +
      "in front of the server. Photos can be read meanwhile."
    );
  }
  if (!navigator.mediaDevices?.getUserMedia) {
    return "This browser gives pages no camera. Photos can be read meanwhile.";
  }
  return null;
}

/** Returns in plain words why a camera did not start. */
export function explain(error) {
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return (
        "The camera is blocked for this page. Allow it in the browser’s site settings (the icon " +
        "beside the address), and in those of the system, then start again."
      );
    case "NotFoundError":
    case "OverconstrainedError":
      return "No camera was found. Connect one, then start again; or choose a photo.";
    case "NotReadableError":
    case "AbortError":
      return (
        "The camera cannot be used: another program may have it. Close that program, then start " +
        "again."
      );
    default:
      return `The camera did not start (${error.name}: ${error.message}).`;
  }
}

/** A camera shown in a video element. */
export class Camera {
  #video;
  #stream = null;
  #canvas = document.createElement("canvas");

  constructor(video) {
    this.#video = video;
  }

  get isOn() {
    return this.#stream !== null;
  }

  /** Whether it looks at whoever sits before the screen, as far as browsers tell. */
  get facesUser() {
    return this.#settings.facingMode !== "environment";
  }

  get id() {
    return this.#settings.deviceId;
  }

  get #settings() {
    return this.#stream?.getVideoTracks()[0].getSettings() ?? {};
  }

  /** Starts a camera, the default one if no id is given; `onEnd` is called if it goes away. */
  async start(id, onEnd) {
    this.stop();
    const video = { width: { ideal: 1280 }, height: { ideal: 720 } };
    if (id) video.deviceId = { exact: id };
    else video.facingMode = "user";
    const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    this.#stream = stream;
    stream.getVideoTracks()[0].onended = () => {
      if (this.#stream === stream) onEnd();
    };
    this.#video.srcObject = stream;
    await this.#video.play();
  }

  stop() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.#video.srcObject = null;
  }

  /** Returns the present frame as JPEG, 640 pixels long at most; null if there is none yet. */
  async frame() {
    const { videoWidth, videoHeight } = this.#video;
    if (!videoWidth || this.#video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return null;
    const scale = Math.min(1, LONGEST_SIDE / Math.max(videoWidth, videoHeight));
    this.#canvas.width = Math.round(videoWidth * scale);
    this.#canvas.height = Math.round(videoHeight * scale);
    const context = this.#canvas.getContext("2d");
    context.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    return new Promise((resolve) => this.#canvas.toBlob(resolve, "image/jpeg", QUALITY));
  }
}

/** Returns [{id, name}] of the cameras; they have names once one was allowed. */
export async function listCameras() {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  return devices
    .filter((device) => device.kind === "videoinput" && device.deviceId)
    .map((device, index) => ({ id: device.deviceId, name: device.label || `Camera ${index + 1}` }));
}

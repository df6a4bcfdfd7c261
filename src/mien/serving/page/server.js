// The server: what it says of itself, its key, and a WebSocket that comes back by itself.

const FIRST_PAUSE = 0.5; // seconds, doubled after each attempt
const LAST_PAUSE = 8;
const INFO_SECONDS = 5;
const SUBPROTOCOL = "mien.v1";

let key = null; // in memory only

/** Returns the headers that show the key, if there is one. */
export const keyHeaders = () => (key === null ? {} : { "X-API-Key": key });

export async function getInfo() {
  const response = await fetch("v1/info", { signal: AbortSignal.timeout(INFO_SECONDS * 1000) });
  if (!response.ok) throw new Error(`it answered ${response.status}`);
  return response.json();
}

/** Asks for the key, with `ask(isWrong)`, until the server accepts one; false if nobody gives it. */
export async function ensureKey(info, ask) {
  if (!info.api_key_required) return true;
  for (let isWrong = false; ; isWrong = true) {
    if (key === null) key = await ask(isWrong);
    if (key === null) return false;
    const response = await fetch("openapi.json", { headers: keyHeaders() });
    if (response.status !== 401) return true;
    key = null;
  }
}

/** Keeps a WebSocket open until it is closed, and says how that goes. */
export class Connection {
  #path;
  #on;
  #socket = null;
  #wanted = true;
  #wake = () => {};

  /**
   * @param {string} path of the WebSocket.
   * @param {object} on `info(info)` before each opening, `open()`, `message(data)`,
   *   `lost(reason, seconds)`, `askKey(isWrong)`, `noKey()`.
   */
  constructor(path, on) {
    this.#path = path;
    this.#on = on;
    this.#run();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  send(data) {
    this.#socket.send(data);
  }

  /** Opens anew, where the server does not answer any more. */
  restart() {
    this.#socket?.close();
  }

  close() {
    this.#wanted = false;
    this.#socket?.close();
    this.#wake();
  }

  async #run() {
    let pause = FIRST_PAUSE;
    while (this.#wanted) {
      const reason = await this.#once(() => {
        pause = FIRST_PAUSE;
      });
      if (!this.#wanted) return;
      this.#on.lost(reason, pause);
      await new Promise((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, pause * 1000);
      });
      pause = Math.min(2 * pause, LAST_PAUSE);
    }
  }

  /** Returns why the connection ended, once it has. */
  async #once(opened) {
    try {
      const info = await getInfo();
      if (!this.#wanted) return "";
      this.#on.info(info);
      if (!(await ensureKey(info, this.#on.askKey))) {
        this.close();
        this.#on.noKey();
        return "";
      }
    } catch {
      return "The server cannot be reached.";
    }
    if (!this.#wanted) return "";
    return this.#open(opened);
  }

  #open(opened) {
    const url = new URL(this.#path, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, [SUBPROTOCOL, ...keyProtocols()]);
    socket.binaryType = "blob";
    this.#socket = socket;
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      opened();
      this.#on.open();
    };
    socket.onmessage = (event) => this.#wanted && this.#on.message(event.data);
    return new Promise((resolve) => {
      socket.onclose = (event) => {
        this.#socket = null;
        const isBusy = event.code === 1013 || !wasOpen; // it has just told its info
        resolve(isBusy ? "The server takes no further client now." : "The connection was lost.");
      };
    });
  }
}

function keyProtocols() {
  if (key === null) return [];
  const bytes = String.fromCharCode(...new TextEncoder().encode(key));
  const text = btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return [`mien.key.${text}`];
}

// A video of this browser's, and the moments of it that the server read.

import { nearest } from "./film.js";
import { clock } from "./timeline.js";

const byId = (id) => document.getElementById(id);

/** Shows a video with its own controls; goes through its moments without it where it must. */
export class Player {
  #on;
  #video = byId("film");
  #moments = [];
  #duration = 0;
  #canPlay = false;
  #isDue = false;

  /**
   * @param {object} on `size({width, height})` once it is known, `moment(moment)` whenever another
   *   may be shown, undefined where there is none, and `cannotPlay()`.
   */
  constructor(on) {
    this.#on = on;
    const video = this.#video;
    video.onloadedmetadata = () => this.#begin();
    video.onerror = () => this.#giveUp();
    video.onplay = video.onpause = () => {
      byId("play").textContent = video.paused ? "Play" : "Pause";
      this.showSoon();
    };
    video.onseeked = () => this.showSoon();
    byId("play").onclick = () => (video.paused ? video.play() : video.pause());
    byId("scrub").oninput = () => this.goTo(Number(byId("scrub").value));
  }

  get canPlay() {
    return this.#canPlay;
  }

  get duration() {
    return this.#duration;
  }

  /** The time that the video is at, in seconds, or would be if this browser could play it. */
  get time() {
    return this.#canPlay ? this.#video.currentTime : Number(byId("scrub").value);
  }

  open(file) {
    this.close();
    this.#canPlay = true;
    byId("play").disabled = false;
    this.#video.src = URL.createObjectURL(file);
  }

  close() {
    this.#canPlay = false;
    this.#moments = [];
    this.#duration = 0;
    byId("scrub").value = byId("scrub").max = 0;
    if (!this.#video.src) return;
    URL.revokeObjectURL(this.#video.src);
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  /** Takes the next moment {time, faces, size}. */
  add(moment) {
    this.#moments.push(moment);
    if (!this.#canPlay && this.#moments.length === 1) this.#on.size(moment.size);
    this.reach(moment.time);
    this.showSoon();
  }

  /** Says how long the video is at least. */
  reach(seconds) {
    this.#duration = Math.max(this.#duration, seconds);
    byId("scrub").max = this.#duration;
  }

  goTo(time) {
    byId("scrub").value = time;
    if (this.#canPlay) this.#video.currentTime = time;
    this.showSoon();
  }

  /** Shows the moment with the screen's next frame, and those after it while the video plays. */
  showSoon() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#show();
      if (!this.#video.paused) this.showSoon();
    });
  }

  #show() {
    const [time, whole] = [clock(this.time), clock(this.#duration)];
    byId("scrub").value = this.time;
    byId("scrub").setAttribute("aria-valuetext", `${time} of ${whole}`);
    byId("moment").textContent = `${time} / ${whole}`;
    this.#on.moment(nearest(this.#moments, this.time));
  }

  #begin() {
    const { videoWidth: width, videoHeight: height, duration } = this.#video;
    if (!width) {
      this.#giveUp(); // it would play the sound alone
      return;
    }
    this.#on.size({ width, height });
    if (Number.isFinite(duration)) this.reach(duration);
    this.showSoon();
  }

  #giveUp() {
    if (!this.#canPlay) return;
    this.#canPlay = false;
    byId("play").disabled = true;
    if (this.#moments.length) this.#on.size(this.#moments[0].size);
    this.#on.cannotPlay();
  }
}

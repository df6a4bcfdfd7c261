// One video: what the server reads in it, line by line, and its moments.

import { send } from "./photo.js";

const VIDEO = /\.(3gp|avi|flv|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|ogv|ts|webm|wmv)$/i;
const NEAR_SECONDS = 0.3; // a moment farther away is none; they are 0.2 s apart

export const isVideo = (file) => file.type.startsWith("video/") || VIDEO.test(file.name);

/** Yields what the server says of a video, as it says it; errors say in words why it does not. */
export async function* askAboutVideo(file, info, signal) {
  const response = await send("v1/video", file, file, info.limits.max_video_bytes, info, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let isEnded = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const page = JSON.parse(line);
      isEnded = page.state === "ended";
      yield page;
    }
  }
  if (!isEnded) throw new Error(`The server stopped reading ${file.name}.`);
}

/** Returns the moment {time, …} nearest to a time, of some in order; undefined if none is near. */
export function nearest(moments, time) {
  let [low, high] = [0, moments.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (moments[middle].time < time) low = middle + 1;
    else high = middle;
  }
  const near = [moments[low - 1], moments[low]].filter(Boolean);
  near.sort((one, other) => Math.abs(one.time - time) - Math.abs(other.time - time));
  return near.find((moment) => Math.abs(moment.time - time) <= NEAR_SECONDS);
}

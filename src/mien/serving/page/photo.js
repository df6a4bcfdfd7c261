// One photo: what the server reads in it, and its pixels.

import { askKey } from "./key.js";
import { ensureKey, keyHeaders } from "./server.js";

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Returns the server's result; errors say in words why there is none. */
export async function askAbout(file, info) {
  const body = new FormData();
  body.append("file", file, file.name);
  const response = await send("v1/predict", file, body, info.limits.max_bytes, info);
  return (await response.json()).results[0];
}

/** Returns the server's answer to a file; errors say in words why there is none. */
export async function send(path, file, body, limit, info, signal) {
  if (file.size > limit) {
    const sizes = [file.size, limit].map(megabytes);
    throw new Error(`${file.name} has ${sizes[0]}; this server takes up to ${sizes[1]}.`);
  }
  if (!(await ensureKey(info, askKey))) throw new Error("This server asks for a key.");
  const response = await fetch(path, { method: "POST", headers: keyHeaders(), body, signal });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Error(`${file.name} was not read: ${problem.detail ?? response.statusText}`);
  }
  return response;
}

/** Returns the picture, upright; null if this browser cannot decode it. */
export const decode = (file) => createImageBitmap(file).catch(() => null);

// The worker's end of runtime.mjs.
import { boot } from "./boot.mjs";

let python;

self.onmessage = async ({ data: { id, kind, values } }) => {
  try {
    if (kind === "boot") {
      python = await boot();
      self.postMessage({ id });
    } else {
      self.postMessage({ id, value: await python.call(...values) });
    }
  } catch (error) {
    self.postMessage({ id, error: String(error?.stack ?? error) });
  }
};

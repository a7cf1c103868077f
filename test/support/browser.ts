import { existsSync } from "node:fs";

/** A Chromium of the system, or the one that STEPPE_CHROMIUM names; null if there is none. */
export const chromium = [process.env.STEPPE_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"].find((path) => path !== undefined && path !== "" && existsSync(path)) ?? null;

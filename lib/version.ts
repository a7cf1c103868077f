import { readFileSync } from "node:fs";

const { version, description } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string; description: string };

/** The package's version and what it says of itself. */
export { description, version };

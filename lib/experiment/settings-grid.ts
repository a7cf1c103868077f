/** Where a configuration names none. */
export const defaultTuneSeed = 1000;

type Options = Readonly<Record<string, unknown>>;

/** One combination of the lists in a method's `tune`. */
export interface Setting {
  /** By path in the method's options: { "rho": 0.1, "base.lr": 0.05 }. */
  values: Record<string, unknown>;
  /** The method's options with them in their places. */
  options: object;
  /** "rho=0.1,base.lr=0.05": a name for a folder. */
  name: string;
}

/** All combinations of a method's lists, the last list changing fastest; none for a method that is not tuned. */
export function gridOf(method: object): Setting[] {
  const { tune, ...fixed } = method as Options & { tune?: Readonly<Record<string, readonly unknown[]>> };
  if (tune === undefined) return [];
  const combinations = Object.entries(tune).reduce<Record<string, unknown>[]>((before, [path, list]) => before.flatMap((values) => list.map((value) => ({ ...values, [path]: value }))), [{}]);
  return combinations.map((values) => settingOf(fixed, values));
}

/** A method's options with tuned values in their places. */
export function settingOf(method: object, values: Record<string, unknown>): Setting {
  const { tune: _, ...fixed } = method as Options;
  const options = Object.entries(values).reduce<Options>((made, [path, value]) => placed(made, path.split("."), value), fixed);
  const name = Object.entries(values).map(([path, value]) => `${path}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`).join(",");
  return { values, options, name: name.replace(/[^\w.,+=-]/g, "_") };
}

function placed(options: Options, [key, ...rest]: string[], value: unknown): Options {
  return { ...options, [key!]: rest.length === 0 ? value : placed((options[key!] ?? {}) as Options, rest, value) };
}

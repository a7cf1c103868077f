/** A part's name within a module at a path; "" is the module itself. */
export function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** The entries without those whose value came before. */
export function unique<T>(entries: [string, T][]): [string, T][] {
  const seen = new Set<T>();
  return entries.filter(([, value]) => !seen.has(value) && seen.add(value));
}

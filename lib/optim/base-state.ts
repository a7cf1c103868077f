/** A length that depends on how far the optimizer has come. */
const any = null;

type Shape = readonly (number | null)[];

/** State that is one number per parameter, or, of L-BFGS, one number. */
const numbers = ["step", "eta", "mu", "mu_product", "func_evals", "n_iter", "t", "H_diag", "prev_loss"];

/** State that is not of its parameter's shape; `all` is the number of elements of all parameters together. */
const others: Readonly<Record<string, (shape: readonly number[], all: number) => Shape>> = {
  // torch.optim.Adafactor keeps the dimension that it reduces.
  row_var: (shape) => [...shape.slice(0, -1), 1],
  col_var: (shape) => [...shape.slice(0, -2), 1, ...shape.slice(-1)],
  // Hugging Face's drops it.
  exp_avg_sq_row: (shape) => shape.slice(0, -1),
  exp_avg_sq_col: (shape) => [...shape.slice(0, -2), ...shape.slice(-1)],
  // L-BFGS has all parameters in one vector.
  d: (_, all) => [all],
  prev_flat_grad: (_, all) => [all],
  old_dirs: (_, all) => [any, all],
  old_stps: (_, all) => [any, all],
  ro: () => [any],
};

/**
 * What is wrong with a shape for a base optimizer's state, in words: "[3, 1]" is expected, or null if nothing is.
 *
 * @param name of the state: "exp_avg"
 * @param all elements of all parameters together
 */
export function expectedShape(name: string, shape: readonly number[], parameter: readonly number[], all: number): string | null {
  const wanted: Shape = numbers.includes(name) ? [] : (others[name]?.(parameter, all) ?? parameter);
  const fits = wanted.length === shape.length && wanted.every((length, i) => length === any || length === shape[i]);
  return fits ? null : `[${wanted.map((length) => length ?? "any").join(", ")}]`;
}

/** State that is one number per parameter. */
const numbers = ["step", "eta", "mu", "mu_product"];

/** State of a matrix that is less than the matrix. */
const reduced: Readonly<Record<string, (shape: readonly number[]) => number[]>> = {
  // torch.optim.Adafactor keeps the dimension that it reduces.
  row_var: (shape) => [...shape.slice(0, -1), 1],
  col_var: (shape) => [...shape.slice(0, -2), 1, ...shape.slice(-1)],
  // Hugging Face's drops it.
  exp_avg_sq_row: (shape) => shape.slice(0, -1),
  exp_avg_sq_col: (shape) => [...shape.slice(0, -2), ...shape.slice(-1)],
};

/** The shape that a base optimizer's state of this name ("exp_avg") has for a parameter of this shape. */
export function stateShape(name: string, shape: readonly number[]): readonly number[] {
  if (numbers.includes(name)) return [];
  return reduced[name]?.(shape) ?? shape;
}

import type { SavedMeasure } from "../flatness/index.js";
import { isShareOf } from "../train/metric-names.js";
import type { Table } from "./csv.js";
import type { Line, ReportRun } from "./runs.js";

/** How the page draws a figure's numbers: see client.js. */
export type Drawing =
  | { kind: "lines"; x: string; y: string; xLabel: string; yLabel: string; percent?: boolean; log?: boolean; points?: boolean; noisy?: boolean }
  | { kind: "eigenvalues" }
  | { kind: "surfaces" };

/** A figure: its numbers are a table with the columns "run", "method", "seed" and its own. */
export interface Figure {
  id: string;
  title: string;
  /** What is seen, in a sentence. */
  caption: string;
  section: "curves" | "flatness";
  wide?: boolean;
  drawing: Drawing;
  numbers: Table;
}

type Reading = (run: ReportRun) => readonly (readonly [x: number, y: number])[];

/** The figures that the runs have numbers for. */
export function figuresOf(runs: readonly ReportRun[]): Figure[] {
  return [...curves(runs), ...flatness(runs)];
}

function curves(runs: readonly ReportRun[]): Figure[] {
  const figures: Figure[] = [];
  const add = (id: string, title: string, caption: string, y: string, read: Reading, more: Partial<Figure["drawing"]> = {}) => {
    const x = runs.some((run) => run.records.some((line) => number(line["step"]) === null)) && id.startsWith("record") ? "epoch" : "step";
    const rows = runs.flatMap((run) => read(run).map(([at, value]) => [run.name, run.method, run.seed, at, value]));
    if (rows.length === 0) return;
    const drawing = { kind: "lines", x, y, xLabel: x, yLabel: title.toLowerCase(), ...more } as Drawing;
    figures.push({ id, title, caption, section: "curves", drawing, numbers: { columns: ["run", "method", "seed", x, y], rows } });
  };
  const steps = (key: string): Reading => (run) => pairs(run.steps, key);
  const records = (key: string): Reading => (run) => pairs(run.records, key);

  const fromSteps = runs.some((run) => run.steps.length > 0);
  if (fromSteps) add("step-loss", "Training loss", "The loss of each step that was logged, at the weights before the step.", "loss", steps("loss"), { noisy: true });
  else add("record-loss", "Training loss", "The mean over each epoch.", "loss", records("loss"));
  add("record-validationLoss", "Validation loss", "On the validation data, in evaluation mode.", "validationLoss", records("validationLoss"));
  const known = ["kind", "epoch", "step", "loss", "seconds", "validationLoss", "msPerStep", "method"];
  for (const key of namesIn(runs.flatMap((run) => run.records)).filter((name) => !known.includes(name))) {
    const values = runs.flatMap((run) => pairs(run.records, key).map(([, value]) => value));
    add(`record-${key}`, words(key), "On the validation data.", key, records(key), { percent: isShareOf(key, values) });
  }
  add("step-gradNorm", "Gradient norm", "The length of the loss's gradient before clipping.", "gradNorm", steps("gradNorm"), { noisy: true });
  const hasRadius = runs.some((run) => run.steps.some((line) => number(line["rho"])));
  if (hasRadius) add("step-rho", "Radius ρ", "How far the weights are moved before the gradient is taken.", "rho", steps("rho"));
  add("step-rise", "Rise to the perturbed point", "The loss at the perturbed weights over that at the weights: what the method makes small.", "rise", (run) =>
    run.steps.flatMap((line) => {
      const [x, loss, perturbed] = [number(line["step"]), number(line["loss"]), number(line["perturbedLoss"])];
      return x === null || loss === null || perturbed === null ? [] : [[x, perturbed - loss] as const];
    }),
    { noisy: true },
  );
  add("step-lr", "Learning rate", "Of the first parameter group.", "lr", steps("lr"));
  if (fromSteps) add("step-ms", "Time per step", "Milliseconds from call to result, on the training thread.", "ms", steps("ms"), { noisy: true });
  else add("record-ms", "Time per step", "Milliseconds, the median so far.", "msPerStep", records("msPerStep"));
  return figures;
}

function flatness(runs: readonly ReportRun[]): Figure[] {
  const all = runs.flatMap((run) => run.measures.map((measure) => ({ run, measure })));
  const figures: Figure[] = [];
  const add = <M extends SavedMeasure["measure"]>(
    measure: M,
    fits: (measure: Extract<SavedMeasure, { measure: M }>) => boolean,
    figure: Omit<Figure, "section" | "numbers">,
    columns: readonly string[],
    rowsOf: (measure: Extract<SavedMeasure, { measure: M }>) => (number | null)[][],
  ) => {
    const found = all.filter((each): each is { run: ReportRun; measure: Extract<SavedMeasure, { measure: M }> } => each.measure.measure === measure && fits(each.measure as never));
    // Of several of one run, a column says which.
    const several = found.some(({ run }, i) => found.findIndex((each) => each.run === run) !== i);
    const rows = found.flatMap(({ run, measure: one }) => rowsOf(one).map((row) => [several ? `${run.name} (${one.name})` : run.name, run.method, run.seed, ...row]));
    const set = [...new Set(found.map(({ measure: one }) => one.set).filter((each) => each !== null))].join("; ");
    if (rows.length > 0) figures.push({ ...figure, caption: `${figure.caption}${set === "" ? "" : ` Measured on ${set}.`}`, section: "flatness", numbers: { columns: ["run", "method", "seed", ...columns], rows } });
  };
  const finite = (value: number) => (Number.isFinite(value) ? value : null);
  add("hessianEigenvalues", () => true, { id: "eigenvalues", title: "Largest eigenvalues", caption: "Of the loss's Hessian at the last weights; smaller is flatter.", drawing: { kind: "eigenvalues" } }, ["rank", "eigenvalue"], (one) =>
    one.result.map((value, i) => [i + 1, finite(value)]),
  );
  add(
    "spectralDensity",
    () => true,
    { id: "spectrum", title: "Spectrum of the Hessian", caption: "The density of its eigenvalues, with a logarithmic scale.", drawing: { kind: "lines", x: "eigenvalue", y: "density", xLabel: "eigenvalue", yLabel: "density", log: true } },
    ["eigenvalue", "density"],
    (one) => one.result.eigenvalues.map((value, i) => [value, one.result.density[i]!]),
  );
  add(
    "landscape",
    (one) => !Array.isArray(one.result.loss[0]),
    { id: "landscape-1d", title: "Loss along a random direction", caption: "The same direction for the same seed, with filters as long as the weights'; 0 is the trained net.", drawing: { kind: "lines", x: "distance", y: "loss", xLabel: "distance along the direction", yLabel: "loss", points: true } },
    ["distance", "loss"],
    (one) => one.result.coordinates.map((at, i) => [at, finite(one.result.loss[i] as number)]),
  );
  add(
    "interpolate",
    () => true,
    { id: "interpolation", title: "Loss between two minima", caption: "Along the straight line from one net's weights (0) to another's (1).", drawing: { kind: "lines", x: "t", y: "loss", xLabel: "from 0 to 1", yLabel: "loss", points: true } },
    ["t", "loss"],
    (one) => one.result.coordinates.map((at, i) => [at, finite(one.result.loss[i]!)]),
  );
  add(
    "landscape",
    (one) => Array.isArray(one.result.loss[0]),
    { id: "landscape-2d", title: "Loss around the minimum", caption: "Along two random directions, one scale of colours for all; the trained net is in the middle.", wide: true, drawing: { kind: "surfaces" } },
    ["a", "b", "loss"],
    (one) => one.result.coordinates.flatMap((a, i) => one.result.coordinates.map((b, j) => [a, b, finite((one.result.loss as number[][])[i]![j]!)])),
  );
  return figures;
}

/** Where a line's numbers stand: its step, or its epoch where it has none. */
function pairs(lines: readonly Line[], key: string): [number, number][] {
  return lines.flatMap((line) => {
    const [x, y] = [number(line["step"]) ?? number(line["epoch"]), number(line[key])];
    return x === null || y === null ? [] : [[x, y] as [number, number]];
  });
}

export function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** Keys that hold numbers, in the order in which they come first. */
function namesIn(lines: readonly Line[]): string[] {
  return [...new Set(lines.flatMap((line) => Object.keys(line).filter((key) => number(line[key]) !== null)))];
}

/** "testAccuracy" → "Test accuracy" */
export function words(key: string): string {
  const spaced = key.replace(/([a-z0-9])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

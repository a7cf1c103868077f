import { expectedTensor } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { Metric } from "./metric.js";

/** Two lists of numbers, predictions and targets, [N] or [N, 1]. */
abstract class Paired implements Metric {
  protected predictions: number[] = [];
  protected targets: number[] = [];

  reset(): void {
    this.predictions = [];
    this.targets = [];
  }

  update(predictions: Tensor, targets: Tensor): void {
    const [a, b] = [numbers(predictions, "predictions"), numbers(targets, "targets")];
    if (a.length !== b.length) throw expectedTensor(`${a.length} numbers`, "targets", targets);
    this.predictions.push(...a);
    this.targets.push(...b);
  }

  abstract compute(): number;
}

function numbers(tensor: unknown, name: string): number[] {
  const fits = tensor instanceof Tensor && (tensor.dim() === 1 || (tensor.dim() === 2 && tensor.shape[1] === 1));
  if (!fits) throw expectedTensor("a tensor of shape [N] or [N, 1]", name, tensor);
  return tensor.reshape([-1]).to("float64").toArray() as number[];
}

function correlation(x: readonly number[], y: readonly number[]): number {
  if (x.length < 2) return NaN;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  x.forEach((value, i) => {
    const [dx, dy] = [value - mx, y[i]! - my];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  });
  return xx === 0 || yy === 0 ? NaN : Math.max(-1, Math.min(1, xy / Math.sqrt(xx * yy)));
}

/** Ranks from 1; equal values share their mean rank. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const result = Array<number>(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let i = start; i < end; i++) result[order[i]!] = (start + end + 1) / 2;
    start = end;
  }
  return result;
}

/** Pearson's correlation of predictions and targets, from -1 to 1; NaN where one of them is constant. */
export class PearsonCorrelation extends Paired {
  compute(): number {
    return correlation(this.predictions, this.targets);
  }
}

/** Spearman's rank correlation, from -1 to 1; equal values share their mean rank. NaN where one side is constant. */
export class SpearmanCorrelation extends Paired {
  compute(): number {
    return correlation(ranks(this.predictions), ranks(this.targets));
  }
}

import { currentAutocast, isAutocastEnabled } from "../autocast.js";
import { backends } from "../backends.js";
import { expected, expectedTensor } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { count, flag, or, probability, requireTensors } from "./arguments.js";
import { uniform_ } from "./init.js";
import { Module } from "./module.js";
import { emptyParameter, factory } from "./parameter.js";
import type { Factory, Parameter } from "./parameter.js";
import { PackedSequence } from "./utils/packed-sequence.js";

/** The arguments of recurrent layers, but for what only some have. */
export const recurrentArguments = {
  inputSize: count,
  hiddenSize: count,
  /** Layers on top of each other. */
  numLayers: or(count, 1),
  bias: or(flag, true),
  /** Whether input and output are [batch, sequence, features] rather than [sequence, batch, features]. */
  batchFirst: or(flag, false),
  /** Probability with which outputs of all layers but the last are zeroed in training. */
  dropout: or(probability, 0),
  /** Whether a second direction reads the sequence from its end. */
  bidirectional: or(flag, false),
  ...factory,
};

export interface RecurrentSettings extends Factory {
  inputSize: number;
  hiddenSize: number;
  numLayers: number;
  bias: boolean;
  batchFirst: boolean;
  dropout: number;
  bidirectional: boolean;
  projSize?: number;
}

/** So many layers over all steps of the sequences: the output and the states after them. */
export type Run = (input: Tensor, batchSizes: Tensor | null, states: Tensor[], weights: Tensor[], layers: { numLayers: number; dropout: number }) => [output: Tensor, ...states: Tensor[]];

const isOnGpu = ({ device }: Tensor): boolean => device.startsWith("cuda");

/**
 * As autocast gives it to cuDNN: in float16, whatever its dtype. Autocast itself would copy the weights into one block of memory that no
 * operator makes, which a recorded step cannot do again.
 */
function forCudnn(tensor: Tensor): Tensor {
  const lowers = isOnGpu(tensor) && tensor.dtype === "float32" && currentAutocast("cuda").enabled === true && backends.cudnn.enabled;
  return lowers ? tensor.to("float16") : tensor;
}

/** What recurrent layers share: their parameters, and all forms of input that they take. */
export abstract class Recurrent extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bias: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  readonly projSize: number;
  readonly #weightNames: string[] = [];

  /**
   * @param owner the layer's name in messages
   * @param gates how many times hiddenSize the weights are high
   * @param stateNames the names of its states
   */
  constructor(
    private readonly owner: string,
    gates: number,
    private readonly stateNames: readonly string[],
    settings: RecurrentSettings,
  ) {
    super();
    const { inputSize, hiddenSize, numLayers, bias, batchFirst, dropout, bidirectional, projSize = 0 } = settings;
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = numLayers;
    this.bias = bias;
    this.batchFirst = batchFirst;
    this.dropout = dropout;
    this.bidirectional = bidirectional;
    this.projSize = projSize;
    const output = this.#outputSize;
    for (let layer = 0; layer < numLayers; layer++) {
      const input = layer === 0 ? inputSize : output * this.#directions;
      for (const suffix of bidirectional ? [`l${layer}`, `l${layer}_reverse`] : [`l${layer}`]) {
        const add = (name: string, ...shape: number[]) => {
          this.#weightNames.push(`${name}_${suffix}`);
          Reflect.set(this, `${name}_${suffix}`, emptyParameter(shape, settings));
        };
        add("weight_ih", gates * hiddenSize, input);
        add("weight_hh", gates * hiddenSize, output);
        if (bias) add("bias_ih", gates * hiddenSize);
        if (bias) add("bias_hh", gates * hiddenSize);
        if (projSize > 0) add("weight_hr", projSize, hiddenSize);
      }
    }
    this.resetParameters();
  }

  get #directions(): number {
    return this.bidirectional ? 2 : 1;
  }

  get #outputSize(): number {
    return this.projSize > 0 ? this.projSize : this.hiddenSize;
  }

  /** Draws the initial values anew: uniform in ±1/√hiddenSize. */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.hiddenSize);
    for (const weight of this.parameters()) uniform_(weight, -bound, bound);
  }

  /**
   * Brings any input to the form that LibTorch takes, and the results back.
   *
   * @param input [sequence, batch, inputSize], [batch, sequence, inputSize] with `batchFirst`, [sequence, inputSize], or packed
   * @param states before the sequence, zeros if there are none; without a batch dimension where the input has none
   */
  protected over<Input extends Tensor | PackedSequence>(input: Input, states: Tensor[] | null, run: Run): [output: Input, states: Tensor[]];
  protected over(input: Tensor | PackedSequence, states: Tensor[] | null, run: Run): [output: Tensor | PackedSequence, states: Tensor[]] {
    const weights = this.#weightNames.map((name) => Reflect.get(this, name) as Parameter);
    const layers = (data: Tensor, batchSizes: Tensor | null, before: Tensor[]) => this.#layers(run, forCudnn(data), batchSizes, before.map(forCudnn), weights.map(forCudnn));
    if (input instanceof PackedSequence) {
      const { data, batchSizes, sortedIndices, unsortedIndices, lengths } = input;
      this.#check(data, 2, weights[0]!);
      const ordered = (order: Tensor | null) => (state: Tensor) => (order === null ? state : state.indexSelect(1, order));
      const placed = this.#checked(states, lengths.length, data).map(ordered(sortedIndices));
      const [output, ...after] = layers(data, batchSizes, placed);
      return [new PackedSequence(output, batchSizes, sortedIndices, unsortedIndices, lengths), after.map(ordered(unsortedIndices))];
    }
    requireTensors(`nn.${this.constructor.name}`, { input });
    if (states !== null && !(Array.isArray(states) && states.every((state) => state instanceof Tensor))) throw expected("tensors", `the hidden state of nn.${this.constructor.name}`, states);
    if (input.dim() === 2) {
      const batchDim = this.batchFirst ? 0 : 1;
      const [output, after] = this.over(input.unsqueeze(batchDim), states?.map((state) => state.unsqueeze(1)) ?? null, run);
      return [output.squeeze(batchDim), after.map((state) => state.squeeze(1))];
    }
    this.#check(input, 3, weights[0]!);
    const [output, ...after] = layers(input, null, this.#checked(states, input.shape[this.batchFirst ? 0 : 1]!, input));
    return [output, after];
  }

  /** All layers: one after the other where outputs between them are dropped on a GPU, since cuDNN draws that from a number that it reads. */
  #layers(run: Run, input: Tensor, batchSizes: Tensor | null, states: Tensor[], weights: Tensor[]): [output: Tensor, ...states: Tensor[]] {
    const { numLayers, dropout } = this;
    if (!this.training || dropout === 0 || numLayers === 1 || !isOnGpu(input)) return run(input, batchSizes, states, weights, { numLayers, dropout });
    const own = weights.length / numLayers;
    const after: Tensor[][] = states.map(() => []);
    let output = input;
    for (let layer = 0; layer < numLayers; layer++) {
      const before = states.map((state) => state.narrow(0, layer * this.#directions, this.#directions));
      const data = layer === 0 ? output : torch.dropout(output, dropout, true);
      const [next, ...left] = run(data, batchSizes, before, weights.slice(layer * own, (layer + 1) * own), { numLayers: 1, dropout: 0 });
      output = next;
      left.forEach((state, i) => after[i]!.push(state));
    }
    return [output, ...after.map((each) => torch.cat(each))];
  }

  #check(input: Tensor, dims: 2 | 3, weight: Tensor): void {
    if (input.dim() !== dims || input.shape.at(-1) !== this.inputSize) {
      throw expectedTensor(`${dims === 3 ? "2 or 3" : "2"} dimensions, the last ${this.inputSize}`, `the input of ${this.owner}`, input);
    }
    if (input.dtype !== weight.dtype && !isAutocastEnabled()) throw expected(`${weight.dtype}, as the weights,`, `the input of ${this.owner}`, input.dtype);
  }

  #checked(given: Tensor[] | null, batch: number, { dtype, device }: Tensor): Tensor[] {
    const depth = this.numLayers * this.#directions;
    return this.stateNames.map((name, i) => {
      const shape = [depth, batch, i === 0 ? this.#outputSize : this.hiddenSize];
      if (given === null) return torch.zeros(shape, { dtype, device });
      const state = given[i];
      if (String(state?.shape) !== String(shape)) {
        throw expectedTensor(`shape [${shape.join(", ")}]`, `the ${name} of ${this.owner}`, state);
      }
      return state!;
    });
  }

  protected override extraRepr(): string {
    const parts = [`${this.inputSize}, ${this.hiddenSize}`];
    if (this.projSize !== 0) parts.push(`projSize=${this.projSize}`);
    if (this.numLayers !== 1) parts.push(`numLayers=${this.numLayers}`);
    if (!this.bias) parts.push("bias=false");
    if (this.batchFirst) parts.push("batchFirst=true");
    if (this.dropout !== 0) parts.push(`dropout=${this.dropout}`);
    if (this.bidirectional) parts.push("bidirectional=true");
    return parts.join(", ");
  }
}

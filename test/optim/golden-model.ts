import { nn } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

/** A layer as the golden cases describe it: the name of PyTorch's class with its constructor's arguments. */
export type LayerSpec = { type: string; unused?: boolean } & Record<string, unknown>;

type Layer = nn.Module & { forward(x: Tensor): Tensor };

/** The last layer's output at the last time step of the LSTM before it, [N, hidden] of [N, T, hidden]. */
class Last extends nn.Module {
  forward(x: Tensor): Tensor {
    return x.select(1, -1);
  }
}

/** Gives the outputs alone, under the LSTM's own names. */
class Outputs extends nn.LSTM {
  // @ts-expect-error in a Sequential it is a layer of one tensor
  override forward(x: Tensor): Tensor {
    return super.forward(x)[0];
  }
}

/** Its parameters exist; the forward pass leaves it out. */
function leftOut(layer: Layer): Layer {
  return Object.defineProperty(layer, "forward", { value: (x: Tensor) => x, enumerable: false });
}

export function buildModel(layers: readonly LayerSpec[]): nn.Sequential {
  return new nn.Sequential(
    ...layers.map(({ type, unused, ...args }) => {
      const options = Object.fromEntries(Object.entries(args).map(([name, value]) => [name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()), value]));
      const classes = nn as unknown as Record<string, new (options?: object) => Layer>;
      const made = type === "Last" ? new Last() : type === "LSTM" ? (new Outputs(options as never) as unknown as Layer) : new classes[type]!(options);
      return unused === true ? leftOut(made) : made;
    }),
  );
}

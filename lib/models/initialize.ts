import * as nn from "../nn/index.js";

/** Initial values of Hugging Face's encoders: weights normal, biases 0; the row of padding is 0. */
export function initialize(model: nn.Module, std: number): void {
  for (const module of model.modules()) {
    if (module instanceof nn.Linear) {
      nn.init.normal_(module.weight, { std });
      if (module.bias !== null) nn.init.zeros_(module.bias);
    } else if (module instanceof nn.Embedding) {
      nn.init.normal_(module.weight, { std });
      if (module.paddingIdx !== null) nn.init.zeros_(module.weight.detach().select(0, module.paddingIdx));
    }
  }
}

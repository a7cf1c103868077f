import type { Architecture } from "./architecture.js";
import { huggingFaceImageArchitectures } from "./huggingface/index.js";
import { languageArchitectures } from "./language-architectures.js";
import { leNetArchitectures } from "./lenet.js";
import { mlpArchitectures } from "./mlp.js";
import type { PretrainedModel } from "./pretrained-model.js";
import { cifarResNetArchitectures } from "./resnet-cifar.js";
import { resNetArchitectures } from "./resnet.js";
import { vggArchitectures } from "./vgg.js";
import { viTArchitectures } from "./vit.js";
import { wideResNetArchitectures } from "./wide-resnet.js";

// Every model that models.fromPretrained knows, by the name of Hugging Face's class, or of torchvision's or timm's function.

export const architectures = {
  ...mlpArchitectures,
  ...leNetArchitectures,
  ...resNetArchitectures,
  ...cifarResNetArchitectures,
  ...wideResNetArchitectures,
  ...vggArchitectures,
  ...viTArchitectures,
  ...huggingFaceImageArchitectures,
  ...languageArchitectures,
} satisfies Record<string, Architecture>;

/** The name of a model that `fromPretrained` knows. */
export type ArchitectureName = keyof typeof architectures;

/** The class of the model of this name. */
export type ModelOf<Name> = Name extends ArchitectureName ? ReturnType<(typeof architectures)[Name]["build"]> : PretrainedModel;

import { languageArchitecture } from "../language-model.js";
import { ResNetForImageClassification, ResNetModel } from "./resnet.js";
import { ViTForImageClassification, ViTModel } from "./vit.js";
import { newName } from "./vit-names.js";

export { imageProcessor } from "./image-processor.js";
export type { ImageProcessor } from "./image-processor.js";
export { ResNetForImageClassification, ResNetModel } from "./resnet.js";
export type { ResNetConfigInput, ResNetOutput } from "./resnet.js";
export { ViTForImageClassification, ViTModel } from "./vit.js";
export type { ViTConfigInput, ViTInputs, ViTOutput } from "./vit.js";
export type { ImageInputs } from "./image-model.js";

const vit = { prefix: "vit", rename: newName };
const resnet = { prefix: "resnet" };

/** Image models by the names of Hugging Face's classes. */
export const huggingFaceImageArchitectures = {
  ViTModel: languageArchitecture("vit", ViTModel, { ...vit, standing: true }),
  ViTForImageClassification: languageArchitecture("vit", ViTForImageClassification, { ...vit, ignored: /(^|\.)pooler\./ }),
  ResNetModel: languageArchitecture("resnet", ResNetModel, { ...resnet, standing: true }),
  ResNetForImageClassification: languageArchitecture("resnet", ResNetForImageClassification, resnet),
};

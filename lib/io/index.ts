export { loadSafetensors, safetensorsMetadata, saveSafetensors } from "./safetensors.js";
export { loadTorch } from "./torch-file.js";
export type { TorchValue } from "./torch-file.js";

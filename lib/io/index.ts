export { loadSafetensors, safetensorsMetadata, saveSafetensors } from "./safetensors.js";

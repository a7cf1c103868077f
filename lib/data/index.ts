export { digits } from "./digits.js";
export { fashionMnist, fashionMnistFolder } from "./fashion-mnist.js";
export { readIdx } from "./idx.js";
export { Loader, loader } from "./loader.js";
export { TensorDataset } from "./tensor-dataset.js";
export type { ImageClasses, LabelledImages } from "./image-classes.js";
export type { LoaderOptions } from "./loader.js";
export type { Dataset } from "./tensor-dataset.js";

export { ConvNet } from "./convnet.js";

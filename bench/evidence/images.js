import { data, nn, torch } from "../../dist/index.js";
import { classify } from "./classifier.js";
import { evaluate } from "./training.js";

/** A convnet without batch norm: shards would have statistics of their own, and scales of weights would mean nothing. */
class SmallNet extends nn.Module {
  /** @param size height and width of the images, a multiple of 2 */
  constructor(size, width) {
    super();
    const quarter = Math.ceil(size / 4);
    this.conv1 = new nn.Conv2d(1, width, 3, { stride: 2, padding: 1 });
    this.conv2 = new nn.Conv2d(width, 2 * width, 3, { stride: 2, padding: 1 });
    this.fc1 = new nn.Linear(2 * width * quarter ** 2, 10 * width);
    this.fc2 = new nn.Linear(10 * width, 10);
  }

  /** Logits [N, 10] of images [N, 1, size, size]. */
  forward(images) {
    const c1 = this.conv1.forward(images).relu(); // [N, width, size/2, size/2]
    const c2 = this.conv2.forward(c1).relu(); // [N, 2·width, size/4, size/4]
    return this.fc2.forward(this.fc1.forward(c2.flatten(1)).relu());
  }
}

/**
 * Fashion-MNIST, each `pool` × `pool` pixels averaged to one: the first 50,000 training images to draw from, the other 10,000 for
 * validation, and the test images.
 */
export async function prepare({ device, validation, noise, pool }) {
  const smaller = ({ tensors: [images, labels] }) => new data.TensorDataset(pool === 1 ? images : nn.functional.avgPool2d(images, pool), labels);
  const files = await data.fashionMnist();
  const [all, test] = [smaller(files.train), smaller(files.test)];
  const held = all.slice(50_000, 50_000 + validation);
  return {
    pool: all.slice(0, 50_000),
    // Nobody who has wrong labels has right ones to tune by.
    validation: data.labelNoise(held, { rate: noise, classes: 10, seed: 0 }).to(device),
    test: test.to(device),
  };
}

/**
 * The seed draws the images, the wrong labels, the weights and the order of the batches.
 *
 * @returns when tuning, the error on the validation labels; else test accuracy and loss, the share of training images that get their
 *   own, perhaps wrong, label, and flatness on the first of them
 */
export async function run({ phase, setting, seed }, { method, base, sets, settings }) {
  const { device, perClass, noise, pool, width, flatness } = settings;
  const drawn = data.fractionPerClass(sets.pool, { perClass, seed });
  const [mixed] = data.randomSplit(drawn, [drawn.length], { seed }); // the pool's order, mixed: its first images are of all classes alike
  const set = data.labelNoise(mixed, { rate: noise, classes: 10, seed }).to(device);
  torch.manualSeed(seed);
  const model = new SmallNet(28 / pool, width).to(device);
  const loss = (x, y) => nn.functional.crossEntropy(model.forward(x), y);
  const correct = (x, y) => model.forward(x).argmax(1).eq(y).to("float32").mean();
  const options = { ...method, ...(setting.rho === null ? {} : { rho: setting.rho }), base: { ...base, lr: setting.lr } };
  const validate = (validation) => 1 - evaluate(model, validation, correct);
  return classify(model, { phase, loss, correct, options, training: { ...settings, seed }, validate, flatness }, { ...sets, train: set });
}

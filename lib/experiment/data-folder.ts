import { imageFolder, subset } from "../data/index.js";
import type { Dataset, ImageFolder } from "../data/index.js";
import { SteppeError } from "../errors.js";
import { torch } from "../torch.js";
import type { ImageFolderConfig } from "./config.js";
import { choose } from "./data-sets.js";
import type { Batch, Sets } from "./data-sets.js";
import { imageTransforms } from "./data-images.js";

/** Folders of images, a folder per class in each part; decoded batch by batch. */
export async function loadFolders(config: ImageFolderConfig, at: (path: string) => string): Promise<Sets> {
  const { size, channels = 3, fit } = config;
  const open = (path: string) => imageFolder(at(path), { size, channels, ...(fit && { fit }) });
  const train = await open(config.train);
  const other = async (path: string | undefined) => {
    if (path === undefined) return undefined;
    const folder = await open(path);
    if (String(folder.classes) !== String(train.classes)) {
      throw new SteppeError("ARGUMENT", `Expected the classes of ${train.root} (${train.classes.join(", ")}) in ${folder.root} but received ${folder.classes.join(", ")}.`);
    }
    return folder;
  };
  const [validation, test] = [await other(config.validation), await other(config.test)];
  const classes = train.classes.length;
  const chosen = choose(train.labels, classes, config);
  const split = chosen.validation === null ? validation : subset<Batch>(train, chosen.validation);
  const [height, width] = typeof size === "number" ? [size, size] : size;
  return {
    kind: "classes",
    train: config.labelNoise === undefined ? subset<Batch>(train, chosen.train) : relabelled(train, chosen.train, chosen.labels),
    ...(split && { validation: split }),
    ...(test && { test }),
    facts: { classes, shape: [channels, height, width] },
    ...imageTransforms(config, classes),
  };
}

/** Some images, with labels in place of their own. */
function relabelled(folder: ImageFolder, indices: readonly number[], labels: readonly number[]): Dataset<Batch> {
  const [places, given] = [indices, labels].map((numbers) => torch.tensor([...numbers], { dtype: "int64" }));
  return {
    length: indices.length,
    batch: async (some) => {
      const [images] = await folder.batch(places!.indexSelect(0, some));
      return [images, given!.indexSelect(0, some)];
    },
  };
}

import { expect, test } from "vitest";
import { data } from "../../lib/index.js";

function counts(labels: Iterable<number | bigint>): number[] {
  const result = Array<number>(10).fill(0);
  for (const label of labels) result[Number(label)]!++;
  return result;
}

// The values expected here are those of scikit-learn's load_digits().
test("the 1,797 digits, split where the documentation says", async () => {
  const { name, classes, train, test } = await data.digits();
  expect(name).toBe("digits");
  expect(classes).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  expect([train.length, test.length]).toEqual([1437, 360]);
  const [images, labels] = train.tensors;
  expect([images.shape, images.dtype, labels.shape, labels.dtype]).toEqual([[1437, 1, 8, 8], "float32", [1437], "int64"]);
  expect(images.select(0, 0).select(0, 0).mul(16).toArray()).toEqual([
    [0, 0, 5, 13, 9, 1, 0, 0],
    [0, 0, 13, 15, 10, 15, 5, 0],
    [0, 3, 15, 2, 0, 11, 8, 0],
    [0, 4, 12, 0, 0, 8, 8, 0],
    [0, 5, 8, 0, 0, 9, 8, 0],
    [0, 4, 11, 0, 1, 12, 7, 0],
    [0, 2, 14, 5, 10, 12, 0, 0],
    [0, 0, 6, 13, 10, 0, 0, 0],
  ]);
  expect(labels.narrow(0, 0, 10).toArray()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(test.tensors[1].select(0, 359).item()).toBe(8);
  expect(images.sum({ dtype: "float64" }).item()).toBe((561718 - 112346) / 16);
  expect(test.tensors[0].sum({ dtype: "float64" }).item()).toBe(112346 / 16);
  expect(counts(labels.toTypedArray())).toEqual([143, 146, 142, 146, 144, 145, 144, 143, 141, 143]);
  expect(counts(test.tensors[1].toTypedArray())).toEqual([35, 36, 35, 37, 37, 37, 37, 36, 33, 37]);
});

test("no options", async () => {
  await expect(data.digits({ dtype: "uint8" } as never)).rejects.toThrow('Expected nothing in options but received "dtype".');
});

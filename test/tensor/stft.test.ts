import { beforeAll, describe, expect, test } from "vitest";
import { torch } from "../../lib/index.js";
import { distance, needsPython, python, runPython, unpack, type Packed } from "../support/python.js";

// LibTorch has two operators of this name; PyTorch's function calls the one that centres.

const x = torch.arange(64, { dtype: "float64" }).sin();
const window = torch.hannWindow(16, { dtype: "float64" });

test("is centred unless it is told otherwise", () => {
  expect(torch.stft(x, 16, { window, returnComplex: true }).shape).toEqual([9, 17]);
  expect(x.stft(16, 4, 16, window, { returnComplex: true }).shape).toEqual([9, 17]);
  expect(torch.stft(x, 16, { window, center: false, returnComplex: true }).shape).toEqual([9, 13]);
});

test("istft gives back what it was of", () => {
  const back = torch.istft(torch.stft(x, 16, { window, returnComplex: true }), 16, { window });
  expect(back.shape).toEqual([64]);
  expect(distance(back, x)).toBeLessThan(1e-12);
});

describe.skipIf(python === null)(`beside ${needsPython}`, () => {
  const options = [
    ["default", {}],
    ["padMode", { padMode: "constant" }],
    ["center", { center: false }],
    ["normalized, onesided", { normalized: true, onesided: false }],
  ] as const;
  let theirs: Packed[];
  beforeAll(() => {
    const script = `x = torch.arange(64, dtype=torch.float64).sin()
w = torch.hann_window(16, dtype=torch.float64)
python = lambda options: {"pad_mode" if name == "padMode" else name: value for name, value in options.items()}
outputs = [pack(torch.view_as_real(torch.stft(x, 16, window=w, return_complex=True, **python(options)))) for _, options in inputs]`;
    theirs = runPython<Packed[]>(script, options);
  });

  test.each(options.map(([name, given], i) => ({ name, given, i })))("$name", ({ given, i }) => {
    const found = torch.viewAsReal(torch.stft(x, 16, { window, returnComplex: true, ...given }));
    expect(distance(found, unpack(theirs[i]!))).toBeLessThan(1e-12);
  });
});

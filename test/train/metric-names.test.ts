import { expect, test } from "vitest";
import { isBetterWhenSmaller } from "../../lib/train/metric-names.js";

test.each(["loss", "validationLoss", "perplexity", "calibrationError", "mse", "rmse", "MAE", "validationMse", "valNll", "valNLLMean", "test_wer", "cer-2", "rmse of x"])("less is better: %s", (name) => expect(isBetterWhenSmaller(name)).toBe(true));

test.each(["accuracy", "f1", "pearson", "cancer", "maestro", "valMaestro", "answer"])("more is better: %s", (name) => expect(isBetterWhenSmaller(name)).toBe(false));

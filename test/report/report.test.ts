import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium as browsers } from "playwright-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { data, flatness, metrics, nn, optim, torch, train } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { chromium } from "../support/browser.js";
import { temporaryFolder } from "../support/folder.js";

torch.setNumThreads(1);

const evil = `<script>document.title = "taken"</script>"'&amp;`;

type Options = train.FitOptions<[Tensor, Tensor]>;

/** Two methods, two seeds each, with measures; the second method's name is one that must not be taken for HTML. */
async function runs(root: string): Promise<void> {
  const generator = new torch.Generator().manualSeed(5);
  const x = torch.randn([64, 4], { generator });
  const set = new data.TensorDataset(x, x.narrow(1, 0, 3).argmax(1));
  for (const [label, method] of [["SGD", { method: "none" }], [evil, { method: "sam", rho: 0.05 }]] as const) {
    for (const seed of [0, 1]) {
      torch.manualSeed(seed);
      const model = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 3));
      const loss = (input: Tensor, target: Tensor) => nn.functional.crossEntropy(model.forward(input), target);
      const folder = join(root, method.method, `seed-${seed}`);
      await train.fit({
        model,
        label,
        loss,
        optimizer: optim.create(model, { ...method, base: { name: "sgd", lr: 0.1 } } as optim.OptimizerOptions) as optim.Optimizer,
        data: { train: data.loader(set, { batchSize: 8, shuffle: true, seed }), validation: data.loader(set, { batchSize: 32 }) } as unknown as Options["data"],
        metrics: { accuracy: new metrics.Accuracy() },
        epochs: 4,
        logEvery: 1,
        folder,
        progress: false,
      });
      const batches = [...data.loader(set, { batchSize: 64 })] as unknown as [Tensor, Tensor][];
      flatness.save(folder, "sharpness", await flatness.sharpness(model, loss, batches, { rho: 0.1, steps: 3 }), { options: { rho: 0.1 } });
      flatness.save(folder, "hessianEigenvalues", await flatness.hessianEigenvalues(model, loss, batches, { k: 3 }));
      flatness.save(folder, "spectralDensity", await flatness.spectralDensity(model, loss, batches, { steps: 5, samples: 1, points: 50 }));
      flatness.save(folder, "landscape", await flatness.landscape(model, loss, batches, { dimensions: 1, points: 7 }), { name: "landscape-1d", set: "64 points" });
      flatness.save(folder, "landscape", await flatness.landscape(model, loss, batches, { points: 5 }), { name: "landscape-2d" });
    }
  }
}

/** CSV with quoted cells, as RFC 4180 has it. */
function parse(text: string): Record<string, string>[] {
  const cells = [...text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/g)].map(([, quoted, plain, end]) => ({ value: quoted?.replaceAll('""', '"') ?? plain!, end: end! }));
  const rows: string[][] = [[]];
  for (const { value, end } of cells) {
    rows.at(-1)!.push(value);
    if (end === "\n") rows.push([]);
  }
  rows.pop();
  const [columns, ...rest] = rows as [string[], ...string[][]];
  return rest.map((row) => Object.fromEntries(row.map((cell, i) => [columns[i]!, cell])));
}

const linesOf = (folder: string) =>
  readFileSync(join(folder, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, number | string>);

describe.skipIf(chromium === null)(`a report in a browser${chromium === null ? ": skipped, no Chromium" : ""}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await browsers.launch({ executablePath: chromium!, args: ["--no-sandbox"] });
  });
  afterAll(() => browser.close());

  /** Opens a file, and notes what it asks for and complains about. */
  async function open(file: string, options: BrowserContextOptions = {}): Promise<{ page: Page; requests: string[]; complaints: string[] }> {
    const page = await (await browser.newContext(options)).newPage();
    const requests: string[] = [];
    const complaints: string[] = [];
    page.on("request", (request) => void requests.push(request.url()));
    page.on("console", (message) => void (["error", "warning"].includes(message.type()) && complaints.push(message.text())));
    page.on("pageerror", (error) => void complaints.push(String(error)));
    await page.goto(pathToFileURL(file).href);
    await page.waitForSelector(".chart svg");
    return { page, requests, complaints };
  }

  test("draws every figure from numbers that are those of the run folders, and asks for nothing", async () => {
    const root = join(temporaryFolder(), "runs");
    await runs(root);
    const file = join(root, "out", "report.html");
    const report = train.report(root, file, { title: `Two methods ${evil}` });
    expect(report).toMatchObject({ path: file, runs: 4, methods: ["SGD", evil] });
    expect(report.figures).toEqual(["Training loss", "Validation loss", "Accuracy", "Gradient norm", "Radius ρ", "Rise to the perturbed point", "Learning rate", "Time per step", "Largest eigenvalues", "Spectrum of the Hessian", "Loss along a random direction", "Loss around the minimum"]);

    const { page, requests, complaints } = await open(file);
    expect(complaints).toEqual([]);
    expect(requests.filter((url) => !url.startsWith("data:"))).toEqual([pathToFileURL(file).href]);
    expect(await page.title()).toBe(`Two methods ${evil}`);

    // A heavy line for each method, and in figures of several runs a light one for each of them.
    const paths = (id: string) => page.locator(`#chart-${id} g[aria-label="line"] path`).evaluateAll((all) => all.map((each) => [each.getAttribute("stroke"), (each.getAttribute("d") ?? "").split(/[LC]/).length]));
    expect(await paths("record-accuracy")).toEqual([...["var(--c0)", "var(--c0)", "var(--c1)", "var(--c1)"], ...["var(--c0)", "var(--c1)"]].map((stroke) => [stroke, 4]));
    expect(new Set((await paths("step-loss")).map(([, points]) => points))).toEqual(new Set([32]));
    expect(await page.locator("#chart-eigenvalues circle").count()).toBe(12);
    expect(await page.locator('#chart-landscape-2d svg[role="img"]').count()).toBe(4);
    expect(await page.locator('#chart-landscape-2d g[aria-label="contour"] path').count()).toBeGreaterThan(20);

    // The downloads hold what metrics.jsonl and the measures hold, to the last digit.
    const numbers = async (id: string) => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(`button[data-csv="${id}"]`)]);
      return parse(readFileSync(await download.path(), "utf8"));
    };
    const folders = ["none", "sam"].flatMap((method) => [0, 1].map((seed) => ({ folder: join(root, method, `seed-${seed}`), run: `runs/${method}/seed-${seed}`, method: method === "none" ? "SGD" : evil, seed: String(seed) })));
    const wanted = (kind: string, key: string, read = (line: Record<string, number | string>) => line[key]) =>
      folders.flatMap(({ folder, ...run }) => linesOf(folder).filter((line) => line["kind"] === kind && read(line) !== undefined).map((line) => ({ ...run, step: String(line["step"]), [key]: String(read(line)) })));
    expect(await numbers("step-loss")).toEqual(wanted("step", "loss"));
    expect(await numbers("step-gradNorm")).toEqual(wanted("step", "gradNorm"));
    expect(await numbers("step-rho")).toEqual(wanted("step", "rho"));
    expect(await numbers("step-ms")).toEqual(wanted("step", "ms"));
    expect(await numbers("step-rise")).toEqual(wanted("step", "rise", ({ loss, perturbedLoss }) => (perturbedLoss === undefined ? (undefined as never) : (perturbedLoss as number) - (loss as number))));
    expect(await numbers("record-accuracy")).toEqual(wanted("record", "accuracy"));
    const eigenvalues = folders.flatMap(({ folder, ...run }) => (flatness.load(folder).find(({ measure }) => measure === "hessianEigenvalues")!.result as number[]).map((value, i) => ({ ...run, rank: String(i + 1), eigenvalue: String(value) })));
    expect(await numbers("eigenvalues")).toEqual(eigenvalues);
    const surfaces = folders.flatMap(({ folder, ...run }) => {
      const { coordinates, loss } = flatness.load(folder).find(({ name }) => name === "landscape-2d")!.result as flatness.Landscape;
      return coordinates.flatMap((a, i) => coordinates.map((b, j) => ({ ...run, a: String(a), b: String(b), loss: String((loss as number[][])[i]![j]) })));
    });
    expect(await numbers("landscape-2d")).toEqual(surfaces);
    const last = folders.map(({ folder }) => linesOf(folder).filter((line) => line["kind"] === "record").at(-1)!);
    expect((await numbers("comparison")).map(({ accuracy, validationLoss }) => [accuracy, validationLoss])).toEqual(last.map(({ accuracy, validationLoss }) => [String(accuracy), String(validationLoss)]));

    // The table of methods: means, and the difference between the pairs of one seed.
    const [a, b] = [0, 2].map((i) => [last[i]!["accuracy"] as number, last[i + 1]!["accuracy"] as number]) as [number[], number[]];
    const percent = (value: number) => `${(100 * value).toFixed(2)} %`.replace("-", "−");
    const cellOf = (table: number, column: string) =>
      page.locator("table.comparison").nth(table).evaluate((element, name) => {
        const rows = [...element.querySelectorAll("tr")].map((row) => [...row.children]);
        const at = rows[0]!.findIndex((cell) => cell.textContent.startsWith(name));
        return rows.slice(1).map((row) => row[at]!.querySelector("b")!.textContent);
      }, column);
    expect(await cellOf(0, "Accuracy")).toEqual([percent((a[0]! + a[1]!) / 2), percent((b[0]! + b[1]!) / 2)]);
    const difference = (b[0]! - a[0]! + b[1]! - a[1]!) / 2;
    expect(await cellOf(1, "Accuracy")).toEqual([`${difference > 0 ? "+" : ""}${percent(difference)}`]);

    // By keyboard: a method goes, and comes back.
    const button = page.locator("button.method").first();
    await button.focus();
    await page.keyboard.press("Enter");
    expect((await paths("record-accuracy")).map(([stroke]) => stroke)).toEqual(["var(--c1)", "var(--c1)", "var(--c1)"]);
    expect(await button.getAttribute("aria-pressed")).toBe("false");
    await page.keyboard.press("Enter");
    expect(await paths("record-accuracy")).toHaveLength(6);

    // Every chart has a name and a table; nothing that was fetched, nothing that a name brought in.
    const figures = await page.locator("figure").evaluateAll((all) => all.map((figure) => [figure.querySelector("h3")!.textContent, figure.querySelector("svg")?.getAttribute("role"), figure.querySelectorAll("table tbody tr").length > 1]));
    expect(figures).toEqual(report.figures.map((title) => [title, "img", true]));
    expect(await page.locator("td, th, h1, button").evaluateAll((all) => all.filter((each) => each.querySelector("script") !== null).length)).toBe(0);
    expect(complaints).toEqual([]);
    expect(requests.filter((url) => !url.startsWith("data:") && !url.startsWith("blob:"))).toEqual([pathToFileURL(file).href]);

    // On a phone nothing is wider than the screen; in the dark, ink is light.
    const phone = await open(file, { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, colorScheme: "dark" });
    expect(await phone.page.evaluate("document.documentElement.scrollWidth")).toBe(360);
    const colours = await phone.page.evaluate<[string, string]>("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]");
    const [ink, paper] = colours.map((colour) => Number(/\d+/.exec(colour)![0])) as [number, number];
    expect(ink).toBeGreaterThan(200);
    expect(paper).toBeLessThan(40);
    expect(phone.complaints).toEqual([]);
  }, 240_000);

  test("shows one run with one record, numbers that are none, and the folder of npm start", async () => {
    const root = temporaryFolder();
    const single = train.RunFolder.create(root, "single", {});
    single.log({ kind: "record", epoch: 1, step: 5, loss: NaN, seconds: 1, validationLoss: 0.5 });
    flatness.save(single.path, "landscape", { coordinates: [-1, 0, 1], loss: [[1, 2, Infinity], [NaN, 0, 1], [2, 1, 3]] });
    const job = train.RunFolder.create(root, "job", { seed: 0, sharpness: { rho: 0.05 }, environment: { node: "v1" } });
    for (const epoch of [1, 2]) for (const method of ["sam", "none"]) job.log({ method, epoch, loss: 1 / epoch, testAccuracy: 0.5 + epoch / 10, msPerStep: 3 });
    job.writeJson("results.json", [{ method: "none", name: "SGD", sharpness: 0.25 }]);
    const file = join(root, "report.html");
    const { runs: count, methods, figures } = train.report([single.path, job.path], file);
    expect([count, methods]).toEqual([3, ["SGD", "single", "sam"]]);
    expect(figures).toEqual(["Training loss", "Validation loss", "Test accuracy", "Time per step", "Loss around the minimum"]);
    const { page, complaints } = await open(file);
    expect(complaints).toEqual([]);
    const text = await page.evaluate<string>('document.getElementById("csv-record-testAccuracy").content.textContent');
    expect(parse(text)).toEqual(["none", "sam"].flatMap((method) => [1, 2].map((epoch) => ({ run: `job/${method}`, method: method === "none" ? "SGD" : "sam", seed: "0", epoch: String(epoch), testAccuracy: String(0.5 + epoch / 10) }))));
    expect(await page.locator("table.comparison").first().innerText()).toContain("0.2500");
    expect(await page.locator("#chart-landscape-2d svg").count()).toBeGreaterThan(0);
  }, 120_000);
});

test("what is no run folder, no run's file and no method is refused by name", () => {
  const root = temporaryFolder();
  const file = join(root, "report.html");
  const refused = (folders: unknown, code: string, part: string, options: object = {}) =>
    expect(() => train.report(folders as string, file, options)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(part) }));
  mkdirSync(join(root, "empty"));
  refused(join(root, "empty"), "ARGUMENT", join(root, "empty"));
  refused(join(root, "nowhere"), "IO", join(root, "nowhere"));
  refused([], "ARGUMENT", "folders");
  const run = train.RunFolder.create(root, "run", {});
  run.log({ kind: "step", step: 1, loss: 1 });
  refused(run.path, "ARGUMENT", "run", { baseline: "rum" });
  refused(run.path, "ARGUMENT", "title", { titel: "" });
  writeFileSync(join(run.path, "metrics.jsonl"), '{"kind":"step","step":1,"loss":1}\nnonsense\n');
  refused(run.path, "FORMAT", "line 2");
  // A last line that was cut off is none.
  writeFileSync(join(run.path, "metrics.jsonl"), '{"kind":"step","step":1,"loss":1}\n{"kind":"st');
  expect(train.report(run.path, file).figures).toEqual(["Training loss"]);
});

test("runs with which a comparison tuned a method are no runs of it", () => {
  const folder = temporaryFolder();
  const run = (path: string, seed: number) => train.RunFolder.create(join(folder, path), `seed-${seed}`, { method: "sam", seed }).log({ kind: "record", step: 10, loss: 0.5 });
  run(join("SAM", "tune", "rho=0.1"), 1000);
  run("SAM", 1);
  const file = join(folder, "report.html");
  expect(train.report(join(folder, "SAM"), file).runs).toBe(1);
  expect(train.report(join(folder, "SAM", "tune"), file).runs).toBe(1);
});

import { existsSync, mkdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { SteppeError, checkKeys, expected, suggest } from "../errors.js";
import { ioError } from "../io/file-errors.js";
import { writeWhole } from "../io/whole-file.js";
import { comparison } from "./comparison.js";
import { figuresOf } from "./figures.js";
import { page } from "./page.js";
import { comparedWith, readRuns } from "./runs.js";
import { settingsTable } from "./settings.js";

export interface ReportOptions {
  /** Default: the folders' names. */
  title?: string;
  /** The method that the others are compared with, seed by seed; default a comparison's own, else the one without perturbation, else the first. */
  baseline?: string;
}

/** What went into a report. */
export interface Report {
  /** The file. */
  path: string;
  runs: number;
  methods: string[];
  /** Titles of the figures. */
  figures: string[];
}

/**
 * Makes one HTML file of run folders: a table that compares methods, with confidence intervals over seeds and paired tests;
 * curves; eigenvalues, spectra and landscapes that `flatness.save` left there; settings and environment. The file holds all that it needs
 * and asks for nothing; the numbers behind each figure are in it as CSV.
 *
 * @param folders folders of `train.fit`, `steppe train`, `steppe compare`, `npm start`; one that is none itself stands for those in it
 * @param file where it goes; its folder is made
 * @throws SteppeError `ARGUMENT` where there are no runs, `FORMAT` for files that are not what they should be, `IO`
 * @example train.report(["runs/sgd", "runs/sam"], "report.html", { baseline: "none" });
 */
export function report(folders: string | readonly string[], file: string, options: ReportOptions = {}): Report {
  const given = typeof folders === "string" ? [folders] : folders;
  if (!Array.isArray(given) || given.length === 0) throw expected("at least one run folder", "folders", folders);
  if (typeof file !== "string" || file === "") throw expected("a path", "file", file);
  checkKeys(options, ["title", "baseline"]);
  for (const [name, value] of Object.entries(options)) if (value !== undefined && typeof value !== "string") throw expected("a string", name, value);
  for (const folder of given) if (typeof folder === "string" && !existsSync(folder)) throw ioError("read", folder, new Error("there is no such folder"));
  const runs = readRuns(given);
  const methods = [...new Set(runs.map(({ method }) => method))];
  const compared = comparedWith(given);
  const { title = `Runs in ${given.map((folder) => basename(folder) || folder).join(", ")}`, baseline = compared !== null && methods.includes(compared) ? compared : methods[0]! } = options;
  if (!methods.includes(baseline)) {
    throw new SteppeError("ARGUMENT", `Expected one of ${methods.join(", ")} for baseline but received ${JSON.stringify(baseline)}.${suggest(baseline, methods)}`);
  }
  const figures = figuresOf(runs);
  const text = page({
    title,
    about: `${count(runs.length, "run")}, ${count(methods.length, "method")}: ${methods.join(", ")}`,
    methods,
    comparison: { ...comparison(runs, baseline), baseline },
    figures,
    settings: settingsTable(runs, "settings"),
    environment: settingsTable(runs, "environment"),
    footer: `Made by Steppe on ${new Date().toISOString().slice(0, 10)} from ${given.join(", ")}. Everything is in this file.`,
  });
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch (error) {
    throw ioError("write", file, error);
  }
  writeWhole(file, [Buffer.from(text)]);
  return { path: file, runs: runs.length, methods, figures: figures.map((figure) => figure.title) };
}

function count(n: number, what: string): string {
  return `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
}

import type { Command } from "commander";

/** `steppe report RUN...` */
export function addReport(program: Command): void {
  program
    .command("report")
    .description("one HTML file of run folders: comparison, curves, flatness, settings")
    .argument("<runs...>", "run folders, or folders of run folders")
    .option("-o, --output <file>", "where it goes", "report.html")
    .option("--title <text>", "its title (default: the folders' names)")
    .option("--baseline <method>", "what the others are compared with, seed by seed (default: a comparison's own, else the method without perturbation, else the first)")
    .action(async (folders: string[], { output, ...options }: { output: string; title?: string; baseline?: string }) => {
      const { report } = await import("../report/index.js");
      const { path, runs, methods, figures } = report(folders, output, options);
      process.stdout.write(`${path}: ${runs} ${runs === 1 ? "run" : "runs"} of ${methods.join(", ")}; ${figures.length} figures. Open it in a browser.\n`);
    });
}

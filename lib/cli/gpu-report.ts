import { loadBinary } from "../load-binary.js";
import type { Native, NativeDriver, NativeGpu } from "../native.js";

type Version = ReturnType<Native["version"]>;

/**
 * GPUs, their driver, and whether LibTorch can use them.
 *
 * @returns lines, and what helps where there are GPUs that LibTorch cannot use
 */
export function gpuReport(): { lines: string[]; help: string[] } {
  let native: Native;
  try {
    native = loadBinary() as Native;
  } catch {
    return { lines: ["not known: the addon, which asks NVIDIA's driver, does not load"], help: [] };
  }
  const driver = native.driver();
  const version = native.version();
  if (driver.problem !== "") return { lines: [`none: ${driver.problem}`], help: [] };
  const lines = [`driver for CUDA up to ${cudaVersion(driver.cuda)}; ${driver.gpus.length} ${driver.gpus.length === 1 ? "GPU" : "GPUs"}`];
  driver.gpus.forEach((gpu, index) => lines.push(`cuda:${index} ${describe(gpu)}${free(native, version, index)}`));
  const trouble = troubleOf(driver, version);
  if (trouble !== undefined) lines.push(trouble.text);
  return { lines, help: trouble === undefined ? [] : [trouble.help] };
}

function troubleOf(driver: NativeDriver, version: Version): { text: string; help: string } | undefined {
  if (version.builtForCuda === "") {
    return { text: "LibTorch is a CPU build: it does not use them", help: "- To use the GPU, build against a CUDA LibTorch:\n    STEPPE_CUDA=1 npm run setup" };
  }
  const wanted = Number(version.builtForCuda.split(".")[0]);
  if (wanted * 1000 > driver.cuda) {
    const text = `LibTorch is built for CUDA ${version.builtForCuda}, and the driver runs CUDA up to ${cudaVersion(driver.cuda)}: it cannot use them`;
    return { text, help: `- Update NVIDIA's driver to one for CUDA ${wanted}, or install a LibTorch for CUDA ${Math.floor(driver.cuda / 1000)}.` };
  }
  if (version.devices === 0) {
    return { text: "LibTorch cannot use them", help: "- See what CUDA says of them:\n    nvidia-smi" };
  }
  return undefined;
}

function describe({ name, major, minor, totalMemory }: NativeGpu): string {
  return `${name}: compute capability ${major}.${minor}, ${gibibytes(totalMemory)}`;
}

/** Asking makes LibTorch start on that GPU. */
function free(native: Native, version: Version, index: number): string {
  if (version.accelerator !== "cuda" || index >= version.devices) return "";
  try {
    return `, ${gibibytes(native.memoryInfo(index)[0])} free`;
  } catch (error) {
    return `, does not start: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`;
  }
}

function cudaVersion(number: number): string {
  return `${Math.floor(number / 1000)}.${Math.floor((number % 1000) / 10)}`;
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

import type { LibTorch } from "./libtorch.js";

export interface Attempt {
  source: string;
  place: string;
  result: string;
  found?: LibTorch;
}

export declare const MARKER: string;
export declare function discover(env?: NodeJS.ProcessEnv): Promise<{ libtorch: LibTorch | undefined; attempts: Attempt[] }>;
export declare function trace(attempts: Attempt[]): string;

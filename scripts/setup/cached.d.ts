import type { LibTorch } from "./libtorch.js";

export interface Cached {
  home: string;
  bytes: number;
  whole: boolean;
  libtorch: LibTorch;
}

export declare function cached(env?: NodeJS.ProcessEnv): Cached[];
export declare function fetchIntoCache(env?: NodeJS.ProcessEnv): Promise<LibTorch>;
export declare function removeCached(entry: Cached, env?: NodeJS.ProcessEnv): Promise<void>;

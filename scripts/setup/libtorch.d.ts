export declare const DEFAULT_VERSION: string;
export declare const SUPPORTED: string;

export interface LibTorchProblem {
  kind: "missing" | "incomplete" | "version" | "cpu" | "nvidia";
  text: string;
}

export interface LibTorch {
  path: string;
  version: string;
  cuda: string;
  nvidia: string[];
  problems: LibTorchProblem[];
}

export declare function inspect(folder: string, env?: NodeJS.ProcessEnv): LibTorch;
export declare function identify(path: string): { path: string; version: string; cuda: string };
export declare function isSupported(version: string): boolean;
export declare function minorOf(version: string): string;
export declare function describe(libtorch: { version: string; cuda: string }): string;

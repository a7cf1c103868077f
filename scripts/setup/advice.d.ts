import type { Attempt } from "./discover.js";

export declare function advise(attempts: Attempt[], options?: { env?: NodeJS.ProcessEnv; command?: string; archive?: string }): string[];
export declare function explainMismatch(built: string, beside: string): string;

export declare function fashionMnistPlaces(env?: NodeJS.ProcessEnv): { source: string; folder: string; found: boolean }[];

/** Whether dist/ was built, to the end, from lib/ as it is now. */
export function typescriptIsCurrent(): boolean;

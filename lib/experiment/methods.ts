type Options = Readonly<Record<string, unknown>>;

/** What any method takes: it comes along where the method is another one than the configuration's own. */
const shared = ["base", "lrSchedule", "maxGradNorm", "maxGradValue", "accumulationSteps", "sameNoise", "nonFinite", "lossScale"];

/**
 * The optimizer of one method of a comparison: the configuration's own, with the method's options in their places; null takes
 * one away. `base` is merged key by key where it stays the same optimizer. Where `method` is another, only what every method
 * takes comes along: a radius that suits one does not suit another.
 */
export function mergedOptimizer(common: object, own: object): Options {
  const special = own as Options;
  const kept = (special["method"] ?? (common as Options)["method"]) === (common as Options)["method"] ? Object.entries(common) : Object.entries(common).filter(([key]) => shared.includes(key));
  const general = Object.fromEntries(kept) as Options;
  const [base, ownBase] = [general["base"], special["base"]] as [Options | undefined, Options | undefined];
  const sameBase = ownBase?.["name"] === undefined || ownBase["name"] === base?.["name"];
  const merged: Options = { ...general, ...special, ...(base !== undefined && ownBase != null && sameBase ? { base: { ...base, ...ownBase } } : {}) };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}

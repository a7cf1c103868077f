import { discover, trace } from "./discover.js";
import { buildNative, nativeIsCurrent } from "./native.js";
const { libtorch, attempts } = await discover();
if (!libtorch) throw new Error(trace(attempts));
if (!nativeIsCurrent(libtorch)) await buildNative(libtorch);

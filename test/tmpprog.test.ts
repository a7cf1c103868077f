import { test } from "vitest";
import { nn, torch } from "../lib/index.js";
import { runPython } from "./support/python.js";
const script = `
import inspect, torch.nn.functional as F
outputs = {}
for name in dir(F):
    v = getattr(F, name)
    if name.startswith("_") or not callable(v) or inspect.isclass(v): continue
    try: outputs[name] = [p.name for p in inspect.signature(v).parameters.values()]
    except Exception: outputs[name] = None
ps = {n: [p.name for p in inspect.signature(getattr(torch.nn.init, n)).parameters.values()] for n in dir(torch.nn.init) if n.endswith("_") and not n.startswith("_")}
outputs = {"F": outputs, "init": ps}
`;
const camel = (name: string) => name.replace(/(?<=[a-zA-Z0-9])_([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
test("x", () => {
  const theirs = runPython<any>(script);
  for (const [where, obj] of [["F", nn.functional], ["init", nn.init]] as const) for (const [name, params] of Object.entries<any>(theirs[where])) {
    const f = Reflect.get(obj, camel(name)) as any;
    if (f === undefined) continue;
    const x = torch.ones([3, 3]);
    let ours: string[] | string = "no error";
    try { f(x, x, x, ...Array(40).fill(x)); } catch (e: any) { const m = /They are (.*)\.$/s.exec(e.message); ours = m ? m[1]!.split(", ") : e.message.split("\n")[0]; }
    const wanted = params?.filter((n: string) => !["size_average", "reduce", "_stacklevel"].includes(n)).map(camel);
    if (!Array.isArray(ours) || !wanted || JSON.stringify(ours) !== JSON.stringify(wanted.slice(-ours.length))) console.log(name, "\n  ours  ", Array.isArray(ours) ? ours.join(", ") : ours, "\n  theirs", wanted?.join(", "), f.length);
  }
});

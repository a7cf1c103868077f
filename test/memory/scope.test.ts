import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Tensor, torch } from "../../lib/index.js";

const a = torch.ones([2]);
const live = () => torch.memory().tensors;

describe("synchronous scopes", () => {
  test("free what was made in them, and nothing else", () => {
    const before = live();
    const outside = a.add(1);
    let inside: Tensor | undefined;
    const result = torch.scope(() => {
      inside = a.add(1);
      torch.cat([inside, outside]).split(1);
      return 5;
    });
    expect([result, inside!.isAlive, outside.isAlive, live() - before]).toEqual([5, false, true, 1]);
  });

  test("results leave them, wherever they stand in what is returned", () => {
    const before = live();
    class Holder {
      tensor = a.add(3);
    }
    const cyclic: { self?: unknown; tensor: Tensor } = { tensor: a };
    const result = torch.scope(() => {
      cyclic.tensor = a.add(9);
      cyclic.self = cyclic;
      const [one, two] = a.split(1);
      return { list: [one, { deep: two }], map: new Map([["m", a.add(1)]]), set: new Set([a.add(2)]), holder: new Holder(), cyclic, none: null, text: "x", bytes: new Uint8Array(2) };
    });
    expect(live() - before).toBe(6);
    expect([...result.map.values(), ...result.set, result.holder.tensor, cyclic.tensor].map((tensor) => tensor.toArray())).toEqual([[2, 2], [3, 3], [4, 4], [10, 10]]);
  });

  test("nest: what leaves one belongs to the next", () => {
    const before = live();
    const survivor = torch.scope(() => {
      const inner = torch.scope(() => [a.add(1), a.add(2)]);
      a.add(3);
      return inner[1]!;
    });
    expect([survivor.toArray(), live() - before]).toEqual([[3, 3], 1]);
  });

  test("that throw free everything", () => {
    const before = live();
    expect(() => torch.scope(() => { a.add(1); throw new RangeError("no"); })).toThrow(RangeError);
    expect(() => torch.scope(() => { torch.scope(() => a.add(1)); return a.add(torch.ones([3])); })).toThrow(/must match/);
    expect(live()).toBe(before);
    a.add(1).dispose();
    expect(live()).toBe(before);
  });

  test("keep takes a tensor out", () => {
    const before = live();
    let kept: Tensor | undefined;
    torch.scope(() => torch.scope(() => { kept = torch.keep(a.add(1)); }));
    expect([kept!.toArray(), live() - before]).toEqual([[2, 2], 1]);
  });

  test("disposing in one, and returning what is disposed of, is no error", () => {
    const before = live();
    const gone = torch.scope(() => { const t = a.add(1); t.dispose(); return t; });
    expect([gone.isAlive, live()]).toEqual([false, before]);
  });

  test("a tensor from outside that is returned stays where it was", () => {
    const before = live();
    torch.scope(() => {
      const outer = a.add(1);
      torch.scope(() => outer);
      expect(outer.isAlive).toBe(true);
    });
    expect(live()).toBe(before);
  });

  test("gradients and views made in one are freed there", () => {
    const w = torch.ones([3], { requiresGrad: true });
    const before = live();
    torch.scope(() => { w.mul(2).sum().backward(); void w.grad; torch.at(w, 0); });
    expect(live()).toBe(before);
    expect(w.grad!.toArray()).toEqual([2, 2, 2]);
  });

  test("wrong arguments", () => {
    for (const wrong of [null, 5, a, undefined]) {
      expect(() => torch.scope(wrong as never)).toThrow(/Expected a function for scope/);
      if (wrong !== a) expect(() => torch.keep(wrong as never)).toThrow(/Expected a Tensor for tensor/);
    }
  });
});

describe("asynchronous scopes", () => {
  test("end when their promise settles", async () => {
    const before = live();
    const made: Tensor[] = [];
    const result = await torch.scope(async () => {
      made.push(a.add(1));
      await sleep(1);
      made.push(a.add(2));
      expect(made.every((tensor) => tensor.isAlive)).toBe(true);
      await Promise.resolve();
      return a.add(3);
    });
    expect([made.map((tensor) => tensor.isAlive), result.toArray(), live() - before]).toEqual([[false, false], [4, 4], 1]);
  });

  test("interleaved ones do not mix", async () => {
    const before = live();
    const log: string[] = [];
    const job = (name: string, waits: number[]) =>
      torch.scope(async () => {
        const mine: Tensor[] = [];
        for (const wait of waits) {
          mine.push(a.mul(mine.length));
          await sleep(wait);
          log.push(name);
          expect(mine.every((tensor) => tensor.isAlive)).toBe(true);
          torch.scope(() => void a.add(1));
        }
        return mine.at(-1)!;
      });
    const outside = a.add(5);
    const results = await Promise.all([job("x", [1, 9, 1, 9]), job("y", [4, 4, 4]), job("z", [2, 2, 2, 2, 2])]);
    expect(log.join("")).not.toMatch(/^x+y+z+$/);
    expect(results.map((tensor) => tensor.toArray()[0 as never])).toEqual([3, 2, 4]);
    expect([outside.isAlive, live() - before]).toEqual([true, 4]);
  });

  test("code outside of them is in none", async () => {
    let release = () => {};
    const running = torch.scope(async () => {
      await new Promise<void>((resolve) => (release = resolve));
    });
    const outside = a.add(1);
    await sleep(1);
    const later = a.add(2);
    release();
    await running;
    expect([outside.isAlive, later.isAlive]).toEqual([true, true]);
    expect(a.add(1).isAlive).toBe(true);
  });

  test("nested in each other and around synchronous ones", async () => {
    const before = live();
    const result = await torch.scope(async () => {
      const outer = a.add(1);
      const inner = await torch.scope(async () => {
        await sleep(1);
        const thrown = a.add(2);
        return torch.scope(() => thrown.add(1));
      });
      expect([outer.isAlive, inner.toArray()]).toEqual([true, [4, 4]]);
      await sleep(1);
      return inner;
    });
    expect([result.toArray(), live() - before]).toEqual([[4, 4], 1]);
  });

  test("that reject free everything", async () => {
    const before = live();
    await expect(torch.scope(async () => { a.add(1); await sleep(1); a.add(2); throw new RangeError("no"); })).rejects.toThrow(RangeError);
    await expect(torch.scope(() => { a.add(1); return Promise.reject(new RangeError("no")); })).rejects.toThrow(RangeError);
    expect(live()).toBe(before);
  });

  test("a synchronous scope's tensors do not outlive it because an asynchronous one is open", async () => {
    const before = live();
    const running = torch.scope(() => sleep(5));
    torch.scope(() => void a.add(1));
    expect(live()).toBe(before);
    await running;
  });
});

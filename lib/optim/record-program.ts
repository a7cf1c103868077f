import { SteppeError } from "../errors.js";
import { native, type NativeProgram } from "../native.js";
import { recording } from "../recording.js";
import { scope } from "../scope.js";
import { Tensor } from "../tensor.js";

/** What is to be written down. */
export interface Recordable {
  readonly parameters: readonly Tensor[];
  readonly buffers: readonly Tensor[];
  inputs(): readonly Tensor[];
  /** The loss function's results on these inputs. */
  evaluate(inputs: readonly Tensor[]): { objective: Tensor; extras: readonly Tensor[] };
  /** Is run around what is asked of the training thread, each time that is tried; nothing if left out. */
  around?<T>(body: () => T): T;
}

/** What another way of recording may get around. */
const retried: readonly string[] = ["OPERATOR", "RECORD"];

/** One way to do it. */
interface Way {
  /** Images keep the order that they have in memory; else convolutions bring them into a faster one. */
  readonly ownOrder: boolean;
  /** Operators of so many elements are not computed where their shapes will do; 0: all are. */
  readonly shapesFrom: number;
}

/**
 * Runs a loss function under the recorder. `here`: the forward and its backward, with all values, now. Else a promise: this
 * thread only finds out which operators run, on which shapes, which takes it milliseconds whatever the model; the training
 * thread records the backward and checks the program.
 */
export function recordProgram(what: Recordable, here: boolean): NativeProgram | Promise<NativeProgram> {
  return attempt(what, here, { ownOrder: false, shapesFrom: here ? 0 : recording.shapesFrom });
}

function attempt(what: Recordable, here: boolean, way: Way): NativeProgram | Promise<NativeProgram> {
  const handles = (list: readonly Tensor[]) => list.map((tensor) => tensor.handle);
  const { ownOrder, shapesFrom } = way;
  const otherwise = (error: unknown, relaid: boolean) => {
    // The function may need its images as they lie in memory.
    if (relaid && !ownOrder) return attempt(what, here, { ownOrder: true, shapesFrom });
    // Some kernels lie otherwise in memory than their shapes tell, or refuse the numbers that were not computed.
    if (shapesFrom > 0 && error instanceof SteppeError && retried.includes(error.code)) return attempt(what, here, { ownOrder: false, shapesFrom: 0 });
    throw error;
  };
  const around = what.around ?? (<T>(body: () => T): T => body());
  // A function, so that the scope ends with the forward.
  const next = around(() => scope(() => {
    const inputs = native.recordStandIns(handles(what.inputs()), handles([...what.parameters, ...what.buffers])).map((handle) => new Tensor(handle));
    native.recordBegin(handles(what.parameters), handles(what.buffers), handles(inputs), ownOrder, shapesFrom);
    recording.active = true;
    recording.byShapes = shapesFrom > 0;
    try {
      const { objective, extras } = what.evaluate(inputs);
      const ended = native.recordEnd(objective.handle, handles(extras), here);
      const late = (error: unknown) => {
        native.drain(); // a recording runs beside no step
        return otherwise(error, shapesFrom === 0);
      };
      return () => (ended instanceof Promise ? ended.catch(late) : ended);
    } catch (error) {
      const relaid = native.recordAbort();
      return () => otherwise(error, relaid);
    } finally {
      recording.active = recording.byShapes = false;
    }
  }));
  return next();
}

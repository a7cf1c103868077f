import { autocast, currentAutocast } from "../autocast.js";
import { enableGrad, isGradEnabled, noGrad } from "../autograd.js";
import { expected } from "../errors.js";
import { native } from "../native.js";
import { scope } from "../scope.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";

/** How to run the functions again whose results' backward has not come yet, by number. */
const waiting = new Map<number, () => void>();
let last = 0;
let watched = false;

/**
 * Gradient checkpointing: runs a function without keeping what it computes for the backward, which runs it again instead. Saves
 * memory, costs another forward. The same random numbers are drawn again. arXiv 1604.06174.
 *
 * In a compiled step, too: there the second run is part of the program. A batch normalization inside counts its batch twice.
 * The backward must run on the thread of the forward, and what the function uses must not have been changed or disposed of.
 *
 * @param fn does the same whenever it is called with the same inputs
 * @param inputs what it is called with: at least one tensor
 * @returns what it returns
 * @throws SteppeError `ARGUMENT` if there is no tensor among the inputs; in the backward, if `fn` then does something else
 * @example let x = input; for (const block of this.blocks) x = nn.checkpoint((x) => block.forward(x), x);
 */
export function checkpoint<Inputs extends unknown[], Output>(fn: (...inputs: Inputs) => Output, ...inputs: Inputs): Output {
  if (typeof fn !== "function") throw expected("a function", "fn of nn.checkpoint", fn);
  const like = inputs.find((input) => input instanceof Tensor)?.detach();
  if (like === undefined) throw expected("at least one tensor", "the inputs of nn.checkpoint", inputs);
  if (!watched) native.onSegment((number) => waiting.get(number)!());
  watched = true;
  for (const number of native.endedSegments()) waiting.delete(number);
  if (!isGradEnabled()) return fn(...inputs);

  const number = ++last;
  const state = randomState(like);
  const precision = currentAutocast(like.device);
  waiting.set(number, () =>
    scope(() => {
      const now = randomState(like);
      setRandomState(state, like);
      try {
        enableGrad(() => autocast(() => void within(number, () => fn(...inputs)), precision));
      } finally {
        setRandomState(now, like);
      }
    }),
  );
  return within(number, () => fn(...inputs));
}

/** What autograd saves meanwhile is counted, and let go of. */
function within<T>(segment: number, body: () => T): T {
  native.enterSegment(segment);
  try {
    return body();
  } finally {
    native.leaveSegment();
  }
}

// Operators, so that they are recorded.
function randomState(like: Tensor): Tensor {
  return noGrad(() => torch.ops.call("steppe::random_state", like) as Tensor);
}

function setRandomState(state: Tensor, like: Tensor): void {
  noGrad(() => torch.ops.call("steppe::set_random_state", state, like));
}

// What this environment has asked the training thread for. Recording must not run beside it.

let last: Promise<unknown> = Promise.resolve();
let count = 0;

/** What the training thread has yet to do, or null. */
export function trainingJob(): Promise<unknown> | null {
  return count > 0 ? last : null;
}

/**
 * Notes a job of the training thread that recordings have to wait for, and returns it.
 *
 * @param done called with its result, or undefined where it failed, before anybody who awaits it goes on
 */
export function underWay<Result>(job: Promise<Result>, done?: (result?: Result) => void): Promise<Result> {
  count++;
  const over = (result?: Result) => {
    count--;
    done?.(result);
  };
  last = job.then(over, () => over());
  return job.then((result) => result); // which nobody has handled yet: a failure that the caller does not look at is told
}

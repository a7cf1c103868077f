#pragma once
#include <c10/util/FunctionRef.h>

#include <atomic>
#include <cstdint>

namespace steppe {

// Calls body(i) for 0 ≤ i < count on the threads that this thread's kernels may use, each i on one of its own if there are as many.
// at::parallel_for does that only in code that is compiled with OpenMP, and such code would bring a second OpenMP, with threads of its
// own, beside the one that LibTorch carries. What `body` throws first is thrown again once none runs.
void on_kernel_threads(int64_t count, c10::function_ref<void(int64_t i)> body);

// Whether what this thread calls runs on it alone: it has its part of some work already.
bool is_kernel_thread();

// How many threads on_kernel_threads would use now.
int64_t kernel_thread_count();

// Whether kernel threads are likely awake: this thread has called them since the outermost HeldKernelThreads came to life, or they help it in a job. They
// may have been let go of since: LibTorch's kernels wake them, too.
bool kernel_threads_are_at_hand();

// Calls job(i) for 0 ≤ i < leaders (1,024 at most) at the same time, each on a thread of its own as far as there are as many. Threads on which no
// job runs, or none any more, take part in the kernels of the others: each job finds as many kernel threads as there are for it.
void on_crews(int64_t leaders, c10::function_ref<void(int64_t i)> job);
// Within a job, between two kernels: threads that have become free take part from here on. Up to the next call a job's kernels have the same
// number of threads.
void take_in_kernel_threads();

// While it lives, threads that on_kernel_threads once called stay with this thread and watch for its next call, which then costs a third of
// starting and ending together. Meanwhile what LibTorch calls by itself runs on one thread: before it, `let_go`; the next on_kernel_threads
// calls them again. One within another changes nothing.
class HeldKernelThreads {
 public:
  HeldKernelThreads();
  ~HeldKernelThreads();
  HeldKernelThreads(const HeldKernelThreads&) = delete;
  static void let_go();

 private:
  bool outer_;
};

// Calls body(stage, part) for 0 ≤ part < parts in each of the stages: all parts of one at the same time, as far as there are threads, and the next
// once they have ended, whose memory it then sees. A thread that the system runs something else instead of holds up no more than the part it is
// in: others do the rest. They watch for each other: what lies between two stages should take microseconds. While a thread waits for the others of a
// stage it calls idle(stage, its part), where there is one, as long as that finds something to do; never while `body` is at the same part.
// Neither throws.
void on_kernel_stages(int64_t stages, int64_t parts, c10::function_ref<void(int64_t stage, int64_t part)> body,
                      c10::function_ref<bool(int64_t stage, int64_t part)> idle = {});

// While it lives, LibTorch's kernels that this thread calls run on it alone, with the numbers that one thread gives. at::set_num_threads would set
// the default of threads to come, too.
class OneKernelThread {
 public:
  OneKernelThread();
  ~OneKernelThread();
  OneKernelThread(const OneKernelThread&) = delete;

 private:
  int threads_, mkl_threads_ = 0;
};

// Ends the OpenMP threads that wait for this thread's next kernel. Each thread that calls LibTorch has a pool of them. Where the
// pools together have more threads than the machine has processors, GNU's OpenMP lets waiting ones sleep at once instead of
// watching for a while, and every kernel pays for waking them: steps on two threads take two to three times as long. Where
// they are not more, waiting ones watch for milliseconds, on processors that others could use. Costs nothing where there is
// no pool.
void release_kernel_threads();

}  // namespace steppe

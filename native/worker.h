#pragma once
#include <node_api.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "device/accelerator.h"
#include "errors.h"

namespace steppe {

// A long-lived thread: the training thread, or the one that makes batches. One of each per environment, started with the
// first job and alive until the environment ends. LibTorch gives every thread that calls it an OpenMP pool of its own, so
// short-lived or pooled threads would multiply those. Jobs run one after the other, in the order in which they came.
class Worker {
 public:
  enum class Kind {
    training,  // kernels on as many threads as were set, in the memory of steps
    loading    // kernels on this thread alone: a second pool would take the processors from the first
  };

  struct Job {
    std::function<void()> run;                     // on this worker's thread
    int kernel_threads = 0;                        // as they were set when the job was asked for
    device::Context context;                       // likewise
    std::function<napi_value(napi_env)> result;    // on the JavaScript thread, after `run` ended well
    std::optional<Failure> failure;
    napi_deferred deferred = nullptr;
  };

  Worker(napi_env env, Kind kind) : env_(env), kind_(kind) {}
  ~Worker();
  Worker(const Worker&) = delete;

  // Returns the promise that the job settles.
  napi_value enqueue(std::unique_ptr<Job> job);
  // Waits until no job is left: what comes next on this thread sees all that they did.
  void drain();
  // Has the job under way leave, drops the others, and ends the thread: at the environment's end, or earlier.
  void stop();
  // Set when the environment ends; long jobs look at it and leave.
  const std::atomic<bool>& cancelled() const { return stopping_; }

 private:
  void start();
  void loop();
  static void deliver(napi_env env, napi_value, void* context, void* data);

  napi_env env_;
  Kind kind_;
  napi_threadsafe_function deliver_ = nullptr;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<std::unique_ptr<Job>> jobs_;
  bool busy_ = false;
  bool ready_ = false;
  size_t undelivered_ = 0;  // JavaScript thread only: keeps the event loop alive while positive
  std::atomic<bool> stopping_{false};
};

}  // namespace steppe

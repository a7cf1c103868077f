#include "worker.h"

#include <ATen/Parallel.h>

#include "kernel_threads.h"
#include "step_memory.h"

namespace steppe {
namespace {

// With no step for so long, the memory that steps keep is given back.
constexpr std::chrono::seconds kIdle(10);

}  // namespace

void Worker::start() {
  napi_value name;
  check(env_, napi_create_string_utf8(env_, kind_ == Kind::training ? "steppe training thread" : "steppe loading thread", NAPI_AUTO_LENGTH, &name));
  check(env_, napi_create_threadsafe_function(env_, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, &Worker::deliver, &deliver_));
  check(env_, napi_unref_threadsafe_function(env_, deliver_));
  // Setting the number of kernel threads sets the default of threads to come, too: that is put back once this one has started.
  const int kernel_threads = at::get_num_threads();
  thread_ = std::thread([this] { loop(); });
  if (kind_ == Kind::training) return;
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return ready_; });
  at::set_num_threads(kernel_threads);
}

Worker::~Worker() {
  stop();
  if (deliver_ != nullptr) napi_release_threadsafe_function(deliver_, napi_tsfn_abort);
}

void Worker::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

napi_value Worker::enqueue(std::unique_ptr<Job> job) {
  if (stopping_) fail(Code::closed, "The environment is shutting down.");
  if (!thread_.joinable()) start();
  job->kernel_threads = kind_ == Kind::training ? at::get_num_threads() : 1;
  job->context = device::Context::here();
  if (job->kernel_threads > 1) release_kernel_threads();  // this thread's: the training thread has its own
  napi_value promise;
  check(env_, napi_create_promise(env_, &job->deferred, &promise));
  if (undelivered_++ == 0) check(env_, napi_ref_threadsafe_function(env_, deliver_));
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
  return promise;
}

void Worker::drain() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return jobs_.empty() && !busy_; });
}

void Worker::loop() {
  if (kind_ == Kind::loading) {
    at::get_num_threads();  // a thread's first question sets the default: it must not come after
    at::set_num_threads(1);
  }
  std::unique_lock lock(mutex_);
  ready_ = true;
  idle_.notify_all();
  for (;;) {
    const auto called = [&] { return stopping_ || !jobs_.empty(); };
    if (kind_ == Kind::training && !wake_.wait_for(lock, kIdle, called)) {
      lock.unlock();
      StepMemory::release();
      lock.lock();
    }
    wake_.wait(lock, called);
    if (stopping_) {
      jobs_.clear();
      idle_.notify_all();
      return;
    }
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    lock.unlock();
    try {
      // LibTorch keeps the number for each thread apart.
      if (at::get_num_threads() != job->kernel_threads) at::set_num_threads(job->kernel_threads);
      job->context.enter();
      std::optional<StepMemory> memory;
      if (kind_ == Kind::training) memory.emplace();
      job->run();
    } catch (...) {
      job->failure = current_failure();
    }
    job->run = nullptr;  // its tensors are let go of here, not on the JavaScript thread
    // Refused only when the environment is ending: then nobody waits for the promise.
    auto* raw = job.release();
    if (napi_call_threadsafe_function(deliver_, raw, napi_tsfn_nonblocking) != napi_ok) delete raw;
    lock.lock();
    busy_ = false;
    if (jobs_.empty()) idle_.notify_all();
  }
}

namespace {

// The result, or what kept the job or its conversion from it.
void settle(napi_env env, const Worker::Job& job) {
  napi_value error = nullptr;
  try {
    if (!job.failure.has_value()) {
      napi_resolve_deferred(env, job.deferred, job.result(env));
      return;
    }
    error = make_js_error(env, *job.failure);
  } catch (...) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (pending) {
      napi_get_and_clear_last_exception(env, &error);
    } else {
      error = make_js_error(env, current_failure());
    }
  }
  napi_reject_deferred(env, job.deferred, error);
}

}  // namespace

void Worker::deliver(napi_env env, napi_value, void* context, void* data) {
  std::unique_ptr<Job> job(static_cast<Job*>(data));
  if (env == nullptr) return;  // the environment is ending
  auto* worker = static_cast<Worker*>(context);
  if (--worker->undelivered_ == 0) napi_unref_threadsafe_function(env, worker->deliver_);
  try {
    settle(env, *job);
  } catch (...) {
    // A worker thread that is being terminated runs no JavaScript, not even an error's constructor: nobody waits any more.
  }
}

}  // namespace steppe

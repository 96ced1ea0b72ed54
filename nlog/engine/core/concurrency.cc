// See concurrency.h.

#include "concurrency.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace nlog::core {
namespace {

constexpr std::chrono::milliseconds kPause{10};

// What the threads share.
class Tasks {
 public:
  Tasks(std::size_t count, const std::function<void(std::size_t, const ShouldStop&)>& task)
      : task_(task), errors_(count) {}

  // Takes tasks until none is left.
  void Work() {
    const ShouldStop should_stop = [this] { return is_stopped_.load(std::memory_order_relaxed); };
    for (std::size_t i = next_++; i < errors_.size(); i = next_++) {
      try {
        task_(i, should_stop);
      } catch (...) {
        errors_[i] = std::current_exception();
      }
    }
    const std::lock_guard lock(mutex_);
    ++ended_;
    changed_.notify_one();
  }

  void Stop() { is_stopped_ = true; }

  // Waits until so many threads have ended; asks meanwhile whether to go on.
  void Await(std::size_t threads, const ShouldStop& should_stop) {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kPause, [&] { return ended_ == threads; })) {
      lock.unlock();
      if (!is_stopped_ && should_stop && should_stop()) {
        Stop();
      }
      lock.lock();
    }
  }

  void ThrowFirst() const {
    for (const std::exception_ptr& error : errors_) {
      if (error) {
        std::rethrow_exception(error);
      }
    }
  }

 private:
  const std::function<void(std::size_t, const ShouldStop&)>& task_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> is_stopped_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t ended_ = 0;
  // By task; each is written by one thread.
  std::vector<std::exception_ptr> errors_;
};

}  // namespace

std::size_t ProcessorCount() { return std::max(1u, std::thread::hardware_concurrency()); }

void RunConcurrently(std::size_t count,
                     const std::function<void(std::size_t, const ShouldStop&)>& task,
                     const ShouldStop& should_stop) {
  Tasks tasks(count, task);
  {
    std::vector<std::jthread> threads;
    try {
      for (std::size_t i = 0; i < std::min(count, ProcessorCount()); ++i) {
        threads.emplace_back([&tasks] { tasks.Work(); });
      }
      tasks.Await(threads.size(), should_stop);
    } catch (...) {
      tasks.Stop();
      throw;
    }
  }
  tasks.ThrowFirst();
}

}  // namespace nlog::core

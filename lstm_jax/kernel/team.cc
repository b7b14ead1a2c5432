#include "team.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>

namespace lstm_jax {

namespace {

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Looks at a number for some tens of microseconds before it sleeps until it differs: a step is often
// shorter than falling asleep, and a thread that has lost its core must not be waited for awake.
void wait_while(const std::atomic<uint32_t>& number, uint32_t value) {
  for (int tries = 0; tries < 2000; tries++) {
    if (number.load(std::memory_order_acquire) != value) return;
    pause();
  }
  number.wait(value, std::memory_order_acquire);
}

// CPUs that a folder of the cgroup file system lets its processes use at a time; many if it does not
// say.
int quota_of(const std::string& folder) {
  std::ifstream v2(folder + "/cpu.max");
  std::string limit;
  double period = 0;
  if (v2 >> limit >> period && limit != "max" && period > 0) {
    return std::max(1, static_cast<int>(std::stod(limit) / period + 0.5));
  }
  std::ifstream quota(folder + "/cpu.cfs_quota_us"), duration(folder + "/cpu.cfs_period_us");
  double allowed = 0;
  if (quota >> allowed && duration >> period && allowed > 0 && period > 0) {
    return std::max(1, static_cast<int>(allowed / period + 0.5));
  }
  return 1 << 16;
}

// The least quota of the groups this process is in, and of those that they are in.
int read_quota() {
  int least = std::min(quota_of("/sys/fs/cgroup"), quota_of("/sys/fs/cgroup/cpu"));
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // number:controllers:/path
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && controllers.find("cpu") != 0) continue;
    const std::string root = controllers.empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    for (std::string path = line.substr(second + 1); path.size() > 1;
         path.resize(path.rfind('/'))) {
      least = std::min(least, quota_of(root + path));
    }
  }
  return least;
}

int affinity() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

void Barrier::wait() {
  if (size_ == 1) return;
  const uint32_t phase = phase_.load(std::memory_order_relaxed);
  if (missing_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    missing_.store(size_, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    phase_.notify_all();
    return;
  }
  wait_while(phase_, phase);
}

int thread_limit() {
  if (const char* given = std::getenv("LSTM_JAX_NUM_THREADS")) {
    const int count = std::atoi(given);
    if (count > 0) return count;
  }
  static const int quota = read_quota();  // It costs more than a small call.
  return std::min(affinity(), quota);
}

// A thread that sleeps until it is given work.
class Worker {
 public:
  Worker() {
    std::thread thread([this] { loop(); });
    handle_ = thread.native_handle();
    thread.detach();
  }

#if defined(__linux__)
  // Where it may not, it stays where it is.
  void keep_to(const cpu_set_t& cpus) {
    if (CPU_EQUAL(&cpus, &cpus_)) return;
    if (pthread_setaffinity_np(handle_, sizeof(cpus), &cpus) == 0) cpus_ = cpus;
  }
#endif

  void start(const std::function<void()>& work) {
    work_ = &work;
    started_.fetch_add(1, std::memory_order_release);
    started_.notify_one();
  }

  void join() { wait_while(done_, started_.load(std::memory_order_relaxed) - 1); }

 private:
  void loop() {
    for (uint32_t seen = 0;; seen++) {
      started_.wait(seen, std::memory_order_acquire);
      (*work_)();
      done_.store(seen + 1, std::memory_order_release);
      done_.notify_one();
    }
  }

  const std::function<void()>* work_ = nullptr;
  std::atomic<uint32_t> started_{0}, done_{0};
  std::thread::native_handle_type handle_;
#if defined(__linux__)
  cpu_set_t cpus_{};
#endif
};

namespace {

// The threads that no team has. They are made when they are first wanted and kept, asleep.
struct Pool {
  std::mutex mutex;
  std::vector<Worker*> idle;
  int made = 0;  // Threads, idle or not.
  int busy = 0;  // Threads at work in teams, with the callers.
};

Pool* pool = nullptr;

// A child of fork has only the thread that forked: it begins with a pool of its own. Of the
// parent's, in whatever state it was, the child touches nothing.
void renew_pool() { pool = new Pool; }

Pool& the_pool() {
  static const bool registered = [] {
    renew_pool();
    pthread_atfork(nullptr, nullptr, renew_pool);
    return true;
  }();
  (void)registered;
  return *pool;
}

}  // namespace

Team::Team(int wanted) {
  Pool& pool = the_pool();
  const int limit = thread_limit();
  std::lock_guard<std::mutex> lock(pool.mutex);
  const int size = std::max(1, std::min(wanted, limit - pool.busy));
  workers_.reserve(size);
  while (this->size() < size) {
    if (pool.idle.empty()) {
      try {
        pool.idle.reserve(pool.made + 1);  // Giving a thread back must not fail.
        pool.idle.push_back(new Worker);
        pool.made++;
      } catch (const std::system_error&) {
        break;  // The machine gives no more threads: those there are do the work.
      }
    }
    workers_.push_back(pool.idle.back());
    pool.idle.pop_back();
  }
  pool.busy += this->size();
}

Team::~Team() {
  Pool& pool = the_pool();
  std::lock_guard<std::mutex> lock(pool.mutex);
  pool.busy -= size();
  pool.idle.insert(pool.idle.end(), workers_.begin(), workers_.end());
}

// The scheduler likes to wake a thread on the CPU of the one that wakes it, where it would wait until
// the caller has done its own part: a short call would take twice as long. Where there is a CPU for
// each, the others keep off the caller's.
void Team::spread() const {
#if defined(__linux__)
  cpu_set_t cpus;
  const int own = sched_getcpu();
  if (own < 0 || sched_getaffinity(0, sizeof(cpus), &cpus) != 0) return;
  if (size() <= CPU_COUNT(&cpus)) CPU_CLR(own, &cpus);
  for (Worker* worker : workers_) worker->keep_to(cpus);
#endif
}

void Team::run(const std::function<void(int rank)>& work) {
  if (size() > 1) spread();
  std::vector<std::function<void()>> parts;
  for (int rank = 1; rank < size(); rank++) parts.push_back([&work, rank] { work(rank); });
  for (size_t i = 0; i < workers_.size(); i++) workers_[i]->start(parts[i]);
  work(0);
  for (Worker* worker : workers_) worker->join();
}

}  // namespace lstm_jax

#include "calls.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <vector>

namespace lstm_jax {

namespace {

// A core's own cache holds about this much beside what streams through it.
constexpr int64_t kCacheBytes = 640 << 10;
// Waking a thread costs about as much as this many multiplications and additions.
constexpr int64_t kWorthAThread = 1 << 20;
// The same for two waits in every step.
constexpr int64_t kWorthAWait = 1 << 17;
constexpr size_t kHuge = 2 << 20;  // a huge page

// Memory for one call at a time, kept for the next: fresh memory costs a page fault every 4 kB.
class Workspace {
 public:
  explicit Workspace(int64_t floats) {
    const size_t bytes = std::max<int64_t>(floats, 1) * sizeof(float);
    std::lock_guard<std::mutex> lock(all().mutex);
    auto& kept = all().blocks;
    auto best = kept.end();
    for (auto block = kept.begin(); block != kept.end(); ++block) {
      // A much larger one is left to a call that needs it.
      if (block->bytes < bytes || block->bytes > 4 * (bytes + kHuge)) continue;
      if (best == kept.end() || block->bytes < best->bytes) best = block;
    }
    if (best != kept.end()) {
      block_ = *best;
      kept.erase(best);
      return;
    }
    block_.bytes = bytes < kHuge ? kHuge : (bytes + kHuge - 1) / kHuge * kHuge;
    block_.data = map(block_.bytes);
    if (block_.data == MAP_FAILED) {
      for (const Block& block : kept) munmap(block.data, block.bytes);
      kept.clear();
      block_.data = map(block_.bytes);
    }
    if (block_.data == MAP_FAILED) throw std::bad_alloc();
    prefer_huge_pages(block_.data, block_.bytes);
  }

  ~Workspace() {
    std::lock_guard<std::mutex> lock(all().mutex);
    auto& kept = all().blocks;
    kept.push_back(block_);
    // As many as calls run side by side; those used last.
    if (kept.size() > kMost) {
      munmap(kept.front().data, kept.front().bytes);
      kept.erase(kept.begin());
    }
  }

  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  float* floats() const { return static_cast<float*>(block_.data); }

 private:
  struct Block {
    void* data;
    size_t bytes;
  };

  static constexpr size_t kMost = 8;

  static void* map(size_t bytes) {
    return mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }

  // Blocks that no call uses.
  struct Kept {
    std::mutex mutex;
    std::vector<Block> blocks;
  };

  // A child of fork begins anew: another thread of the parent may have held the mutex.
  static Kept& all() {
    static Kept* kept;
    static const int registered = [] {
      const auto renew = [] {
        kept = new Kept;
        kept->blocks.reserve(kMost + 1);  // Giving one back must not fail.
      };
      renew();
      return pthread_atfork(nullptr, nullptr, renew);
    }();
    (void)registered;
    return *kept;
  }

  Block block_;
};

template <class Arguments>
struct Loop {
  int64_t (*workspace)(Kind, const Sequences&, const Plan&);
  void (*run)(Kind, const Sequences&, const Arguments&, const Plan&, int, Barrier&, float*);
};

template <class Arguments>
void run(Kind kind, const std::vector<Member<Arguments>>& members, const Loop<Arguments>& loop) {
  if (members.empty()) return;
  const Sequences& s = members[0].sequences;
  const int64_t count = members.size(), gates = gates_of(kind);
  const int64_t recurrent = gates * s.hidden * s.hidden;
  const int64_t weights = recurrent + gates * s.hidden * s.features;
  const int64_t work = weights * s.batch * s.time * count;
  const int worth = static_cast<int>(std::min<int64_t>(work / kWorthAThread + 1, 1 << 16));

  if (count > 1) {
    // Each thread takes the next member, and works on it alone.
    Team team(static_cast<int>(std::min<int64_t>(count, worth)));
    const Plan alone{1, true};
    const int64_t floats = loop.workspace(kind, s, alone);
    Workspace workspace(floats * team.size());
    std::atomic<int64_t> next{0};
    team.run([&](int rank) {
      for (int64_t m; (m = next.fetch_add(1)) < count;) {
        Barrier nobody(1);
        loop.run(kind, members[m].sequences, members[m].arguments, alone, 0, nobody,
                 workspace.floats() + floats * rank);
      }
    });
    return;
  }
  const bool fits = recurrent * static_cast<int64_t>(sizeof(float)) <= kCacheBytes;
  const bool by_rows = fits || recurrent * s.batch < kWorthAWait;
  Team team(std::min(worth, by_rows ? (s.batch + 3) / 4 : (s.hidden + 15) / 16));
  const Plan plan{team.size(), by_rows};
  Workspace workspace(loop.workspace(kind, s, plan));
  Barrier barrier(team.size());
  team.run([&](int rank) {
    loop.run(kind, s, members[0].arguments, plan, rank, barrier, workspace.floats());
  });
}

}  // namespace

void prefer_huge_pages(void* memory, size_t bytes) {
#ifdef MADV_HUGEPAGE
  if (bytes < 2 * kHuge) return;  // There may be no whole one in it.
  const auto begin = (reinterpret_cast<uintptr_t>(memory) + kHuge - 1) / kHuge * kHuge;
  const auto end = (reinterpret_cast<uintptr_t>(memory) + bytes) / kHuge * kHuge;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)memory, (void)bytes;
#endif
}

int gates_of(Kind kind) {
  switch (kind) {
    case Kind::kLstm: return 4;
    case Kind::kGru: return 3;
    default: return 1;
  }
}

template <class Stored>
void run_forward(const Loops& loops, Kind kind,
                 const std::vector<Member<Forward<Stored>>>& members) {
  const Passes<Stored>& passes = loops;
  run<Forward<Stored>>(kind, members, {passes.forward_workspace, passes.forward});
}

template <class Stored>
void run_backward(const Loops& loops, Kind kind,
                  const std::vector<Member<Backward<Stored>>>& members) {
  const Passes<Stored>& passes = loops;
  run<Backward<Stored>>(kind, members, {passes.backward_workspace, passes.backward});
}

template void run_forward(const Loops&, Kind, const std::vector<Member<Forward<float>>>&);
template void run_forward(const Loops&, Kind, const std::vector<Member<Forward<BFloat16>>>&);
template void run_backward(const Loops&, Kind, const std::vector<Member<Backward<float>>>&);
template void run_backward(const Loops&, Kind, const std::vector<Member<Backward<BFloat16>>>&);

}  // namespace lstm_jax

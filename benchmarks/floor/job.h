// What the floor is asked to do, and how it answers: the C++ side of benchmarks/job.py.
//
// A job is two files. Facts: for each input table in the workload's order, the number of columns
// (32 bits) and of rows (64 bits), then the rows. Script: lines `commit KIND`, then `+ TABLE
// VALUE…` or `- TABLE VALUE…`, a table by its number. The answer is JSON on standard output:
// seconds of the full evaluation, microseconds and changed output rows of each commit, and what
// each derived table holds at the end, as the number of its rows and a sum over them that knows no
// order.
//
// A workload is a class with `load(Facts)`, `full()`, `commit(changes) -> rows changed` and
// `report(Tables&)`. Not thread-safe.

#ifndef BENCHMARKS_FLOOR_JOB_H_
#define BENCHMARKS_FLOOR_JOB_H_

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "benchmarks/floor/counted_set.h"

namespace floor_ {

struct Fact {
  const uint32_t* values;
};

struct FactTable {
  uint32_t columns = 0;
  std::vector<uint32_t> values;

  size_t size() const { return columns == 0 ? 0 : values.size() / columns; }
  const uint32_t* row(size_t at) const { return &values[at * columns]; }
};

using Facts = std::vector<FactTable>;

struct Change {
  uint32_t table;
  int sign;  // 1 or -1
  std::array<uint32_t, 4> row;
};

struct Commit {
  std::string kind;
  std::vector<Change> changes;
};

struct Job {
  std::string workload;
  Facts facts;
  std::vector<Commit> script;
  bool sums = false;  // whether tables are summed up at all, which no timing includes
  bool each = false;  // after each commit too
};

// Reads the job that the command line names, or ends the program with a message.
Job read_job(int count, char** arguments);

// The most memory that the process has had, in bytes.
size_t bytes_max();

class Tables {
 public:
  template <size_t N>
  void add(const char* name, const CountedSet<N>& set) {
    uint64_t sum = 0;
    set.for_each([&](const Row<N>& row) { sum += row_sum(row.data(), N); });
    add(name, set.size(), sum);
  }
  void add(const char* name, size_t rows, uint64_t sum);

  const std::string& json() const { return json_; }

 private:
  static uint64_t row_sum(const uint32_t* row, size_t columns);

  std::string json_;
};

class Clock {
 public:
  Clock() : begin_(std::chrono::steady_clock::now()) {}
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_;
};

template <typename Workload>
std::string tables_json(const Workload& workload) {
  Tables tables;
  workload.report(tables);
  return "{" + tables.json() + "}";
}

template <typename Workload>
void run(const Job& job) {
  Workload workload;
  const Clock clock;
  workload.load(job.facts);
  workload.full();
  std::printf("{\"full_s\": %.6f, \"full_bytes\": %zu", clock.seconds(), bytes_max());
  if (job.sums) std::printf(", \"full\": %s", tables_json(workload).c_str());
  std::printf(", \"commits\": [");
  const char* separator = "";
  for (const Commit& commit : job.script) {
    const Clock one;
    const size_t changed = workload.commit(commit.changes);
    const double microseconds = one.seconds() * 1e6;
    std::printf("%s\n{\"kind\": \"%s\", \"us\": %.3f, \"changed\": %zu", separator,
                commit.kind.c_str(), microseconds, changed);
    if (job.each) std::printf(", \"tables\": %s", tables_json(workload).c_str());
    std::printf("}");
    separator = ",";
  }
  std::printf("], \"bytes\": %zu", bytes_max());
  if (job.sums) std::printf(", \"end\": %s", tables_json(workload).c_str());
  std::printf("}\n");
}

}  // namespace floor_

#endif  // BENCHMARKS_FLOOR_JOB_H_

// Counters of the work a commit did, by which tests hold the engine to its promise: a small change
// does small work.

#ifndef NLOG_ENGINE_CORE_WORK_H_
#define NLOG_ENGINE_CORE_WORK_H_

#include <cstdint>
#include <map>

namespace nlog::core {

// The part of the work that pipelines do, of one rule or of all.
struct RuleWork {
  // Rows visited, visible or not: by look-ups, and those that pipelines started at.
  std::uint64_t rows_read = 0;
  // Hash look-ups made by the steps of pipelines.
  std::uint64_t probes = 0;
  // Rows emitted with a positive sign, before duplicates are found.
  std::uint64_t derived = 0;
  // Rows emitted with a negative sign; in recursive strata, derivations lost that a row rested on.
  std::uint64_t retracted = 0;
  // Time: of a stratum, shared out among its rules by the rows that each read and emitted.
  std::uint64_t nanoseconds = 0;

  // What the time is shared out by.
  std::uint64_t weight() const { return rows_read + probes + derived + retracted; }

  RuleWork& operator+=(const RuleWork& other) {
    rows_read += other.rows_read;
    probes += other.probes;
    derived += other.derived;
    retracted += other.retracted;
    nanoseconds += other.nanoseconds;
    return *this;
  }
};

struct Work {
  RuleWork total;
  // Rows of recursive strata for which another derivation was sought, each time.
  std::uint64_t checked = 0;
  // Rows of recursive strata that were taken away and found to hold in the end.
  std::uint64_t rederived = 0;
  // Rows, of all tables, that the commit truly added and took away.
  std::uint64_t inserted = 0;
  std::uint64_t deleted = 0;
  // Of the rules that ran, by their number.
  std::map<int, RuleWork> by_rule;

  Work& operator+=(const Work& other) {
    total += other.total;
    checked += other.checked;
    rederived += other.rederived;
    inserted += other.inserted;
    deleted += other.deleted;
    for (const auto& [rule, work] : other.by_rule) {
      by_rule[rule] += work;
    }
    return *this;
  }
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_WORK_H_

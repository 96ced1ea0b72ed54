// The transitive closure on the floor: a search from each node, and single edges by searches too.
//
// The closure is a table of pairs, as in every other program here; searches mark nodes in an array
// and do not ask the table. An edge that comes: from each node that reaches its source, a search
// from its target among nodes not reached yet. An edge that goes: nothing changes if its source
// still reaches its target. Otherwise a node that lost some of those which reached it may have cost
// its successors the same, so from the target on, each node that may have lost is searched
// backwards, and its successors are looked at if it has. Exact; the cost is the rows that change,
// and for each node with changes one search and one look-up a node.

#ifndef BENCHMARKS_FLOOR_CLOSURE_H_
#define BENCHMARKS_FLOOR_CLOSURE_H_

#include <vector>

#include "benchmarks/floor/counted_set.h"
#include "benchmarks/floor/job.h"
#include "benchmarks/floor/lists.h"

namespace floor_ {

class Closure {
 public:
  void load(const Facts& facts) {
    for (size_t at = 0; at < facts[0].size(); ++at) {
      const uint32_t* row = facts[0].row(at);
      grow(std::max(row[0], row[1]) + 1);
      connect(row[0], row[1], 1);
    }
  }

  void full() {
    for (uint32_t node = 0; node < nodes_; ++node) {
      for (const uint32_t to : search(next_, node)) reach_.change({node, to}, 1);
    }
    reach_.flush();
    reach_.track(true);
  }

  size_t commit(const std::vector<Change>& changes) {
    for (const Change& change : changes) {
      const auto [from, to] = std::pair(change.row[0], change.row[1]);
      grow(std::max(from, to) + 1);
      connect(from, to, change.sign);
      if (change.sign > 0) {
        insert(from, to);
      } else {
        remove(from, to);
      }
      reach_.flush();
    }
    reach_.settle();
    return reach_.delta.size();
  }

  void report(Tables& tables) const { tables.add("reach", reach_); }

 private:
  void grow(uint32_t nodes) {
    if (nodes <= nodes_) return;
    nodes_ = nodes;
    marks_.resize(nodes);
    lost_.resize(nodes);
  }

  void connect(uint32_t from, uint32_t to, int sign) {
    next_.change(from, to, sign);
    previous_.change(to, from, sign);
  }

  // The nodes at the end of a path of one edge or more.
  const std::vector<uint32_t>& search(const Lists& edges, uint32_t from) {
    ++mark_;
    found_.clear();
    follow(edges, from);
    for (size_t at = 0; at < found_.size(); ++at) follow(edges, found_[at]);
    return found_;
  }

  void follow(const Lists& edges, uint32_t from) {
    for (const uint32_t to : edges[from]) {
      if (marks_[to] == mark_) continue;
      marks_[to] = mark_;
      found_.push_back(to);
    }
  }

  void insert(uint32_t from, uint32_t to) {
    for (uint32_t node = 0; node < nodes_; ++node) {
      if (node == from || reach_.contains({node, from})) reach_from(node, to);
    }
  }

  void reach_from(uint32_t node, uint32_t first) {
    if (reach_.contains({node, first})) return;
    ++mark_;
    marks_[first] = mark_;
    found_.assign(1, first);
    for (size_t at = 0; at < found_.size(); ++at) {
      reach_.change({node, found_[at]}, 1);
      for (const uint32_t to : next_[found_[at]]) {
        if (marks_[to] == mark_ || reach_.contains({node, to})) continue;
        marks_[to] = mark_;
        found_.push_back(to);
      }
    }
  }

  void remove(uint32_t from, uint32_t to) {
    search(next_, from);
    if (marks_[to] == mark_) return;
    ++removal_;
    lost_[to] = removal_;
    std::vector<uint32_t> queue{to};
    for (size_t at = 0; at < queue.size(); ++at) {
      const uint32_t target = queue[at];
      search(previous_, target);
      bool has_lost = false;
      for (uint32_t node = 0; node < nodes_; ++node) {
        if (marks_[node] == mark_ || !reach_.contains({node, target})) continue;
        reach_.change({node, target}, -1);
        has_lost = true;
      }
      if (!has_lost) continue;
      for (const uint32_t after : next_[target]) {
        if (lost_[after] == removal_) continue;
        lost_[after] = removal_;
        queue.push_back(after);
      }
    }
  }

  uint32_t nodes_ = 0;
  Lists next_, previous_;
  CountedSet<2> reach_;
  std::vector<uint32_t> marks_, lost_, found_;
  uint32_t mark_ = 0, removal_ = 0;
};

}  // namespace floor_

#endif  // BENCHMARKS_FLOOR_CLOSURE_H_

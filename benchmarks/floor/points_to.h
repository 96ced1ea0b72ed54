// Andersen's points-to analysis on the floor: a work list forward, and deletion with a second look.
//
// Rows that come are joined one by one with lists by variable, by object and by field. To delete,
// everything that was derived with what goes is taken out first, joined with the lists as they
// were; then each of these rows that the rest still derives is put back, and what follows from it.
// Counts of derivations would not see that a cycle of assignments only supports itself.
//
// Variables, objects and fields are dense numbers; fields are below 256.

#ifndef BENCHMARKS_FLOOR_POINTS_TO_H_
#define BENCHMARKS_FLOOR_POINTS_TO_H_

#include <utility>
#include <vector>

#include "benchmarks/floor/counted_set.h"
#include "benchmarks/floor/job.h"
#include "benchmarks/floor/lists.h"

namespace floor_ {

class PointsTo {
 public:
  void load(const Facts& facts) {
    for (uint32_t table = 0; table < facts.size(); ++table) {
      for (size_t at = 0; at < facts[table].size(); ++at) store(table, facts[table].row(at), 1);
    }
    for (size_t at = 0; at < facts[kAlloc].size(); ++at) {
      add_pointer(facts[kAlloc].row(at)[0], facts[kAlloc].row(at)[1]);
    }
  }

  void full() {
    derive();
    pointers_.track(true);
    heap_.track(true);
  }

  size_t commit(const std::vector<Change>& changes) {
    for (const Change& change : changes) {
      if (change.sign < 0) {
        lose_from(change.table, change.row.data());
        store(change.table, change.row.data(), -1);
        finish_losses();
      } else {
        store(change.table, change.row.data(), 1);
        gain_from(change.table, change.row.data());
      }
      derive();
    }
    pointers_.settle();
    heap_.settle();
    return pointers_.delta.size() + heap_.delta.size();
  }

  void report(Tables& tables) const {
    tables.add("pt", pointers_);
    tables.add("heap", heap_);
  }

 private:
  enum Input : uint32_t { kAlloc, kAssign, kLoad, kStore };
  static uint32_t cell(uint32_t object, uint32_t field) { return object << 8 | field; }

  void store(uint32_t table, const uint32_t* row, int sign) {
    if (table == kAlloc) {
      allocated_.change({row[0], row[1]}, sign);
      allocated_.flush();
    } else if (table == kAssign) {
      assigned_to_.change(row[1], row[0], sign);
      assigned_from_.change(row[0], row[1], sign);
    } else if (table == kLoad) {
      loads_of_.change(row[1], cell(row[0], row[2]), sign);
      loads_to_.change(row[0], cell(row[1], row[2]), sign);
    } else {
      stores_to_.change(row[0], cell(row[2], row[1]), sign);
      stores_of_.change(row[2], cell(row[0], row[1]), sign);
    }
  }

  // Calls `pointer(variable, object)` or `cell(object, field, object)` for what follows in one
  // step.
  template <typename P, typename H>
  void after_pointer(uint32_t variable, uint32_t object, P&& pointer, H&& heap) const {
    for (const uint32_t to : assigned_to_[variable]) pointer(to, object);
    for (const uint32_t load : loads_of_[variable]) {
      for (const uint32_t target : held_[cell(object, load & 255)]) pointer(load >> 8, target);
    }
    for (const uint32_t store : stores_to_[variable]) {
      for (const uint32_t target : objects_[store >> 8]) heap(object, store & 255, target);
    }
    for (const uint32_t store : stores_of_[variable]) {
      for (const uint32_t base : objects_[store >> 8]) heap(base, store & 255, object);
    }
  }

  template <typename P>
  void after_cell(uint32_t object, uint32_t field, uint32_t target, P&& pointer) const {
    for (const uint32_t variable : variables_[object]) {
      for (const uint32_t load : loads_of_[variable]) {
        if ((load & 255) == field) pointer(load >> 8, target);
      }
    }
  }

  // What an input row derives by itself with the rows that are there.
  template <typename P, typename H>
  void after_input(uint32_t table, const uint32_t* row, P&& pointer, H&& heap) const {
    if (table == kAlloc) {
      pointer(row[0], row[1]);
    } else if (table == kAssign) {
      for (const uint32_t object : objects_[row[1]]) pointer(row[0], object);
    } else if (table == kLoad) {
      for (const uint32_t object : objects_[row[1]]) {
        for (const uint32_t target : held_[cell(object, row[2])]) pointer(row[0], target);
      }
    } else {
      for (const uint32_t object : objects_[row[0]]) {
        for (const uint32_t target : objects_[row[2]]) heap(object, row[1], target);
      }
    }
  }

  void add_pointer(uint32_t variable, uint32_t object) {
    if (pointers_.contains({variable, object})) return;
    pointers_.change({variable, object}, 1);
    pointers_.flush();
    new_pointers_.push_back({variable, object});
  }

  void add_cell(uint32_t object, uint32_t field, uint32_t target) {
    if (heap_.contains({object, field, target})) return;
    heap_.change({object, field, target}, 1);
    heap_.flush();
    new_cells_.push_back({object, field, target});
  }

  void gain_from(uint32_t table, const uint32_t* row) {
    std::vector<Row<2>> pointers;
    std::vector<Row<3>> cells;
    after_input(
        table, row, [&](uint32_t v, uint32_t o) { pointers.push_back({v, o}); },
        [&](uint32_t o, uint32_t f, uint32_t t) { cells.push_back({o, f, t}); });
    for (const Row<2>& one : pointers) add_pointer(one[0], one[1]);
    for (const Row<3>& one : cells) add_cell(one[0], one[1], one[2]);
  }

  void derive() {
    const auto pointer = [&](uint32_t variable, uint32_t object) { add_pointer(variable, object); };
    const auto heap = [&](uint32_t object, uint32_t field, uint32_t target) {
      add_cell(object, field, target);
    };
    while (!new_pointers_.empty() || !new_cells_.empty()) {
      if (new_pointers_.empty()) {
        const Row<3> row = new_cells_.back();
        new_cells_.pop_back();
        held_.change(cell(row[0], row[1]), row[2], 1);
        after_cell(row[0], row[1], row[2], pointer);
      } else {
        const Row<2> row = new_pointers_.back();
        new_pointers_.pop_back();
        objects_.change(row[0], row[1], 1);
        variables_.change(row[1], row[0], 1);
        after_pointer(row[0], row[1], pointer, heap);
      }
    }
  }

  void lose_pointer(uint32_t variable, uint32_t object) {
    if (!pointers_.contains({variable, object})) return;
    pointers_.change({variable, object}, -1);
    pointers_.flush();
    lost_pointers_.push_back({variable, object});
  }

  void lose_cell(uint32_t object, uint32_t field, uint32_t target) {
    if (!heap_.contains({object, field, target})) return;
    heap_.change({object, field, target}, -1);
    heap_.flush();
    lost_cells_.push_back({object, field, target});
  }

  void lose_from(uint32_t table, const uint32_t* row) {
    const auto pointer = [&](uint32_t variable, uint32_t object) {
      lose_pointer(variable, object);
    };
    const auto heap = [&](uint32_t object, uint32_t field, uint32_t target) {
      lose_cell(object, field, target);
    };
    after_input(table, row, pointer, heap);
    size_t pointers = 0;
    size_t cells = 0;
    while (pointers < lost_pointers_.size() || cells < lost_cells_.size()) {
      if (cells < lost_cells_.size()) {
        const Row<3> lost = lost_cells_[cells++];
        after_cell(lost[0], lost[1], lost[2], pointer);
      } else {
        const Row<2> lost = lost_pointers_[pointers++];
        after_pointer(lost[0], lost[1], pointer, heap);
      }
    }
  }

  void finish_losses() {
    for (const Row<2>& row : lost_pointers_) {
      objects_.change(row[0], row[1], -1);
      variables_.change(row[1], row[0], -1);
    }
    for (const Row<3>& row : lost_cells_) held_.change(cell(row[0], row[1]), row[2], -1);
    for (const Row<2>& row : lost_pointers_) {
      if (is_derived(row[0], row[1])) add_pointer(row[0], row[1]);
    }
    for (const Row<3>& row : lost_cells_) {
      if (is_held(row)) add_cell(row[0], row[1], row[2]);
    }
    lost_pointers_.clear();
    lost_cells_.clear();
  }

  bool is_derived(uint32_t variable, uint32_t object) const {
    if (allocated_.contains({variable, object})) return true;
    for (const uint32_t from : assigned_from_[variable]) {
      if (pointers_.contains({from, object})) return true;
    }
    for (const uint32_t load : loads_to_[variable]) {
      for (const uint32_t base : objects_[load >> 8]) {
        if (heap_.contains({base, load & 255, object})) return true;
      }
    }
    return false;
  }

  bool is_held(const Row<3>& row) const {
    for (const uint32_t variable : variables_[row[0]]) {
      for (const uint32_t store : stores_to_[variable]) {
        if ((store & 255) == row[1] && pointers_.contains({store >> 8, row[2]})) return true;
      }
    }
    return false;
  }

  // Pairs in lists are packed: a variable or object, then a field in the last eight bits.
  Lists assigned_to_, assigned_from_, loads_of_, loads_to_, stores_to_, stores_of_;
  Lists objects_, variables_, held_;  // by variable, by object, by object and field
  CountedSet<2> allocated_, pointers_;
  CountedSet<3> heap_;
  std::vector<Row<2>> new_pointers_, lost_pointers_;
  std::vector<Row<3>> new_cells_, lost_cells_;
};

}  // namespace floor_

#endif  // BENCHMARKS_FLOOR_POINTS_TO_H_
